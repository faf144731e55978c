"""The past of an index: which commit a moment means, whatever the clocks of writers said."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from wharf.errors import NotFoundError, RewrittenError, UsageError
from wharf.index.branch import Branch
from wharf.index.commit_line import CommitLine
from wharf.index.moment import Moment, check_not_ahead, parse_moment
from wharf.index.past_branch import PastBranch

if TYPE_CHECKING:
    from pathlib import Path

DAY, NOW = 86_400, 1_800_000_000


def commit(git_dir: Path, moment: int, *parents: str, ref: str = "refs/heads/wharf/main") -> str:
    git = ["git", f"--git-dir={git_dir}"]
    blob = subprocess.run([*git, "hash-object", "-w", "--stdin"], input=b"format = 1\n", capture_output=True, check=True)
    tree = subprocess.run(
        [*git, "mktree"], input=b"100644 blob %b\twharf.toml\n" % blob.stdout.strip(), capture_output=True, check=True
    )
    when = f"{moment} +0000"
    environ = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    made = subprocess.run(
        [*git, "commit-tree", tree.stdout.decode().strip(), *(word for each in parents for word in ("-p", each))],
        input=f"at {moment}".encode(),
        env={**environ, "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )
    found = made.stdout.decode().strip()
    subprocess.run([*git, "update-ref", ref, found], check=True)
    return found


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path / "index.git")], check=True)
    return tmp_path / "index.git"


def test_a_commit_counts_from_the_later_of_its_own_time_and_that_of_its_parent(git_dir: Path) -> None:
    first = commit(git_dir, NOW)
    behind = commit(git_dir, NOW - 365 * DAY, first)
    later = commit(git_dir, NOW + DAY, behind)
    same = commit(git_dir, NOW + DAY, later)
    with Branch(git_dir, "main") as branch:
        line = branch.line()
    assert list(line) == [first, behind, later, same]
    assert [line.at(NOW + each) for each in (-1, 0, DAY - 1, DAY, 9 * DAY)] == [None, behind, behind, same, same]
    assert line.since(NOW + DAY - 1) == [behind, later, same]
    assert line.named(later[:9]) == later
    assert line.named(later[::-1]) is None


def test_what_was_merged_was_never_the_tip(git_dir: Path) -> None:
    first = commit(git_dir, NOW)
    aside = commit(git_dir, NOW + 1, first, ref="refs/heads/aside")
    merge = commit(git_dir, NOW + 2, first, aside)
    with Branch(git_dir, "main") as branch:
        assert list(branch.line()) == [first, merge]
        with pytest.raises(NotFoundError, match="never the tip"):
            PastBranch(branch, Moment(aside, commit=aside), NOW + 3)


def test_a_line_grows_and_a_rewritten_branch_is_refused_also_by_the_next_process(git_dir: Path) -> None:
    first = commit(git_dir, NOW)
    second = commit(git_dir, NOW + 1, first)
    with Branch(git_dir, "main") as branch:
        line = branch.line()
        third = commit(git_dir, NOW + 2, second)
        assert list(branch.line(line)) == [first, second, third]
        commit(git_dir, NOW + 3, first)
        with pytest.raises(RewrittenError):
            branch.line(line)
        assert line.tip == third
    with Branch(git_dir, "main") as branch, pytest.raises(RewrittenError) as refused:
        branch.line()
    assert "update-ref -d refs/wharf/seen/main" in refused.value.hint


def test_a_line_that_was_looked_at_while_the_branch_was_rewritten_grows_again_when_it_is_set_back(git_dir: Path) -> None:
    first = commit(git_dir, NOW)
    second = commit(git_dir, NOW + 1, first)
    with Branch(git_dir, "main") as branch:
        branch.line()
    other = commit(git_dir, NOW + 2, first)
    with Branch(git_dir, "main") as branch:
        line = CommitLine()  # as in a server that starts now
        for _ in range(2):
            with pytest.raises(RewrittenError):
                branch.line(line)
        assert len(line) == 0
        subprocess.run(["git", f"--git-dir={git_dir}", "update-ref", branch.ref, second, other], check=True)
        assert list(branch.line(line)) == [first, second]


def test_the_past_is_read_and_never_written(git_dir: Path) -> None:
    first = commit(git_dir, NOW)
    commit(git_dir, NOW + DAY, first)
    with Branch(git_dir, "main") as branch:
        past = PastBranch(branch, Moment("", time=NOW + 5), NOW + 2 * DAY)
        assert past.snapshot().commit == first
        assert past.sibling("other").tip() is None
        with pytest.raises(UsageError, match="cannot be changed"):
            past.begin()
        with pytest.raises(NotFoundError) as early:
            PastBranch(branch, Moment("1999-01-01", time=0), NOW)
        assert early.value.hint == "It begins at 2027-01-15T08:00:00Z."


def test_an_index_that_was_removed_since_is_there_in_the_past_of_another_one(git_dir: Path) -> None:
    first = commit(git_dir, NOW, ref="refs/heads/wharf/base")
    commit(git_dir, NOW + DAY)
    with Branch(git_dir, "main") as branch:
        assert branch.sibling("base").remove(first, {})
        past = PastBranch(branch, Moment("", time=NOW + DAY), NOW + 2 * DAY)
        assert past.sibling("base").tip() == first
        assert past.sibling("never").tip() is None
        assert branch.sibling("base").tip() is None


def test_an_empty_line_has_nothing() -> None:
    assert (len(CommitLine()), CommitLine().tip, CommitLine().at(NOW)) == (0, None, None)


@pytest.mark.parametrize(
    ("text", "time"),
    [("2026-11-30", 1_796_000_400 - 1_796_000_400 % DAY), ("1970-01-01T00:00:07Z", 7), ("0001-01-01", -62_135_596_800)],
)
def test_dates_and_times(text: str, time: int) -> None:
    assert parse_moment(text) == Moment(text, time=time)


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "main", "2026", "2026-1-1", "2026-13-01", "2026-02-29", "0000-01-01", "2026-11-30T10:00Z", "26-11-30"),
        *("2026-11-30T24:00:00Z", "2026-11-30T10:00:60Z", "2026-11-30T10:00:00+00:00", "2026-11-30T10:00:00", "2026-11-30 "),
        *("\u0662026-11-30", "abcdef", "ABCDEF0", "g" * 40, "a" * 41, "-1", "20261130T100000Z", "2026-W01-1", "\n2026-11-30"),
    ],
)
def test_every_other_form_is_refused_with_those_that_there_are(text: str) -> None:
    with pytest.raises(UsageError, match=r"no moment|no date") as refused:
        parse_moment(text)
    assert "Write a date" in refused.value.hint


def test_nobody_knows_what_an_index_will_be() -> None:
    check_not_ahead(Moment("", time=NOW), NOW)
    with pytest.raises(UsageError, match="ahead of now, 2027-01-15"):
        check_not_ahead(parse_moment("9999-12-31"), NOW)
