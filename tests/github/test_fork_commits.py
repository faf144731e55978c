"""Commits of a fork, which GitHub hands out by their ids to whoever asks the repository: they are never the index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.github.test_remote_branch import WHY, clone, git, number
from tests.simulator import Hub, plumbing
from wharf.errors import NotFoundError
from wharf.index.moment import Moment
from wharf.index.past_branch import PastBranch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wharf.github.remote_branch import RemoteBranch

REF = "refs/heads/wharf/main"
SLUG = "mallory/pkgs"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """An index with one commit, and a fork in which somebody has published more to it."""
    with Hub(tmp_path / "hub") as hub:
        repo = hub.create("acme/pkgs")
        with clone(hub, tmp_path / "ada", hub.token("ada", {repo.slug: "write"})) as branch:
            branch.fetch()
            branch.commit(number(1), WHY)
        hub.fork(repo.slug, SLUG)
        with clone(hub, tmp_path / "mallory", hub.token("mallory", {SLUG: "write"}), slug=SLUG) as branch:
            branch.fetch()
            branch.commit(number(666), WHY)
        yield hub


@pytest.fixture
def branch(hub: Hub, tmp_path: Path) -> Iterator[RemoteBranch]:
    """The history of the index, as one who may only read has it."""
    reading = hub.token("bob", {"acme/pkgs": "read"})
    with clone(hub, tmp_path / "bob", reading, depth="history") as branch:
        branch.fetch()
        yield branch


def forked(hub: Hub) -> str:
    """The commit of the fork. The index itself is where it was."""
    made = plumbing.read_ref(hub.repos[SLUG].git_dir, REF)
    assert made is not None
    assert plumbing.read_ref(hub.repos["acme/pkgs"].git_dir, REF) != made
    return made


def refused(branch: RemoteBranch, hub: Hub, commit: str) -> None:
    for written in (commit, commit[:12], commit[:7]):
        with pytest.raises(NotFoundError, match="was never the tip of the index 'main'"):
            PastBranch(branch, Moment(written, commit=written), hub.clock.now())


@pytest.mark.slow
def test_a_commit_of_a_fork_is_none_of_the_past_also_where_it_was_brought_here(hub: Hub, branch: RemoteBranch) -> None:
    commit = forked(hub)
    refused(branch, hub, commit)
    assert git(branch.git_dir, "cat-file", "--batch-check", data=f"{commit}\n".encode()).endswith(" missing\n")
    assert branch.commit_of(commit) == commit  # GitHub gave it
    assert git(branch.git_dir, "rev-parse", f"{commit}^").strip() == branch.tip()  # it stands on the index, as a next one would
    assert "p666" in branch.snapshot_at(commit).names()
    refused(branch, hub, commit)
    assert list(branch.line()) == [branch.tip()]
    past = PastBranch(branch, Moment("", time=int(hub.clock.now())), hub.clock.now())
    assert past.snapshot().names() == ("p1",)


@pytest.mark.slow
def test_a_merged_commit_of_a_fork_was_never_the_tip_but_what_it_brought_is_there_from_the_merge_on(
    hub: Hub, branch: RemoteBranch
) -> None:
    commit, git_dir, first = forked(hub), hub.repos["acme/pkgs"].git_dir, branch.tip()
    assert first is not None
    hub.clock.forward(7200)
    when = f"{int(hub.clock.now())} +0000"
    who = {f"GIT_{role}_{what}": "mallory" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    who |= {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    made = plumbing.git(git_dir, "commit-tree", f"{commit}^{{tree}}", "-p", first, "-p", commit, data=b"Merge", env=who)
    merge = made.decode().strip()
    plumbing.update_ref(git_dir, REF, merge, first)
    branch.fetch()
    assert list(branch.line()) == [first, merge]
    refused(branch, hub, commit)
    shown = [
        PastBranch(branch, Moment("", time=int(hub.clock.now() - ago)), hub.clock.now()).snapshot().names() for ago in (60, 0)
    ]
    assert shown == [("p1",), ("p1", "p666")]
