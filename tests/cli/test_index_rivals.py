"""On GitHub, git compares the branches of other indexes before it sends a push: what a rival changes after that is noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_index_command import Run, refs, run
from tests.cli.test_main import commands, document
from tests.github.test_remote_branch import git
from tests.matrix import first
from tests.simulator import Hub
from wharf.github import branch_push, remote_branch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from wharf.github.branch_push import Pushed

__all__ = ["run"]  # a fixture


@pytest.fixture
def git_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The repository on GitHub, as GitHub has it."""
    with Hub(tmp_path / "hub") as hub:
        repo = hub.create("acme/pkgs")
        monkeypatch.setenv("WHARF_REPO", f"{hub.url}/acme/pkgs")
        monkeypatch.setenv("WHARF_TOKEN", hub.token("alice", {"acme/pkgs": "admin"}))
        yield repo.git_dir


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Have a rival act in the moment in which the next push lands."""
    rivals: list[Callable[[], object]] = []
    push = branch_push.push

    def pushed(*args: Any, **more: Any) -> Pushed:
        done = push(*args, **more)
        while rivals:
            rivals.pop()()
        return done

    monkeypatch.setattr(remote_branch, "push", pushed)
    return rivals.append


def remove(git_dir: Path, index: str) -> None:
    git(git_dir, "update-ref", f"refs/wharf/removed/{index}", f"refs/heads/wharf/{index}")
    git(git_dir, "update-ref", "-d", f"refs/heads/wharf/{index}")


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    first(1, [each.split() for each in ("create dev --base staging", "settings main --set bases=staging", "restore old")]),
)
def test_whoever_gives_an_index_a_base_that_is_removed_at_that_moment_is_told(
    run: Run, git_dir: Path, meanwhile: Callable[[Callable[[], object]], None], words: list[str]
) -> None:
    run("index", "create", "main")
    run("index", "create", "staging")
    run("index", "create", "old", "--base", "staging")
    remove(git_dir, "old")
    meanwhile(lambda: remove(git_dir, "staging"))
    error = document(run("index", *words, "--json", code=8)[0])["error"]
    assert (
        "at the same moment somebody changed another index: The index 'staging' is a base, and was removed." in error["message"]
    )
    assert commands(error["hint"]) == [["index", "restore", "staging"]]
    found = document(run("doctor", "--json", code=8)[0])["findings"]
    assert [each["hint"] for each in found if "is a base, and was removed" in each["detail"]] == [error["hint"]]
    assert "'staging'" in run("index", "check", "--index", words[1], code=8)[0]
    run("index", "restore", "staging")
    run("index", "check", "--index", words[1])


@pytest.mark.slow
def test_an_index_that_was_removed_elsewhere_is_listed_and_restored(run: Run, git_dir: Path) -> None:
    run("index", "create", "old")
    remove(git_dir, "old")
    assert "old (removed;" in run("index", "list")[0]
    run("index", "restore", "old")
    assert "refs/heads/wharf/old" in refs(git_dir)


@pytest.mark.slow
def test_an_index_that_becomes_a_base_in_the_moment_of_its_removal_comes_back(
    run: Run, git_dir: Path, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    run("index", "create", "staging")
    run("index", "create", "dev", "--base", "staging")
    before = refs(git_dir)
    git(git_dir, "update-ref", "-d", "refs/heads/wharf/dev")
    meanwhile(lambda: git(git_dir, "update-ref", "refs/heads/wharf/dev", before["refs/heads/wharf/dev"]))
    assert "'staging' is a base of 'dev'." in run("index", "remove", "staging", "--yes", code=7)[1]
    assert refs(git_dir) == before
