# ruff: noqa: F811 - fixtures are arguments of their own name
"""The records that the commits of an index changed, however odd a commit is."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from tests.index.test_branch import WHY, branch, git  # noqa: F401 - fixtures
from tests.index.test_change import WHEEL, B, add, new
from wharf.errors import StorageError
from wharf.index import past_changes as module
from wharf.index.commit_message import CommitMessage
from wharf.index.git import Git
from wharf.index.past_changes import past_changes
from wharf.index.yank_and_remove import RemoveFiles

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.index.branch import Branch
    from wharf.index.git import Process


def leaving(branch: Branch) -> tuple[str, str]:
    """An index that a release was published to and left again: its first commit and its last one."""
    first = branch.commit(add(new(), new("other-2.0.tar.gz", B, "2.0", "other")), WHY).commit
    last = branch.commit(RemoveFiles.of("demo", "1.0"), CommitMessage(verb="prune", actor="ada")).commit
    return str(first), str(last)


@pytest.mark.slow
def test_a_message_and_lines_of_any_length_take_little_memory(branch: Branch, tmp_path: Path) -> None:
    first, last = leaving(branch)
    message = b"remove demo 1.0\n" + b"a" * (10 << 20) + b"\nb" * (1 << 17) + b"\n\nWharf-Actor: eve\n"
    odd = git(tmp_path, "commit-tree", f"{first}^{{tree}}", "-p", last, data=message)
    tracemalloc.start()
    try:
        found = list(past_changes(Git(branch.git_dir), first, odd))
        assert tracemalloc.get_traced_memory()[1] < 5 << 20
    finally:
        tracemalloc.stop()
    # Whoever writes so much is not believed to have removed anything for ever.
    assert [(each.commit, each.verb) for each in found] == [(last, "prune"), (odd, "edit")]
    assert [[(one.project, one.version) for one in each.records] for each in found] == [[("demo", "1.0")]] * 2


def test_a_commit_with_more_records_than_an_index_has_is_refused(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    first = branch.commit(add(new()), WHY).commit
    last = branch.commit(add(*(new(f"demo-{number}.5.tar.gz", B, f"{number}.5") for number in range(4))), WHY).commit
    assert [len(each.records) for each in past_changes(Git(branch.git_dir), str(first), str(last))] == [4]
    monkeypatch.setattr(module, "MOST_PATHS", 3)
    with pytest.raises(StorageError, match="changed more than 3 records"):
        list(past_changes(Git(branch.git_dir), str(first), str(last)))


def test_whoever_stops_early_ends_git(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = leaving(branch)
    last = branch.commit(add(new(WHEEL)), WHY).commit
    started: list[Process] = []
    start = Git.start

    def noting(self: Git, *words: str) -> Process:
        started.append(start(self, *words))
        return started[-1]

    monkeypatch.setattr(Git, "start", noting)
    changes = past_changes(Git(branch.git_dir), first, str(last))
    next(changes)
    changes.close()
    (process,) = started
    assert process.proc is not None
    assert process.proc.returncode is not None
