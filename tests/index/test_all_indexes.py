"""All indexes of a repository read at once: one that is broken keeps none of the others from being read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.index.test_branch import WHY, branch, edit_by_hand, git
from tests.index.test_change import A, add, new
from wharf.errors import StorageError
from wharf.index import all_indexes
from wharf.index.all_indexes import AllIndexes
from wharf.index.git import Git

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.index.branch import Branch

__all__ = ["branch"]  # a fixture


def test_each_index_is_there_and_what_did_not_change_is_not_read_again(branch: Branch, tmp_path: Path) -> None:
    both = AllIndexes(branch)
    assert {name: each.commit for name, each in both.read({}).snapshots.items()} == {"main": None}
    branch.commit(add(new()), WHY)
    with branch.sibling("staging") as staging:
        staging.commit(add(new("other-1.0.tar.gz", A, "1.0", "other")), WHY)
        stamp = both.stamp()
        found = both.read({})
        assert {name: each.names() for name, each in found.snapshots.items()} == {"main": ("demo",), "staging": ("other",)}
        staging.commit(add(new("third-1.0.tar.gz", A, "1.0", "third")), WHY)
        assert both.stamp() != stamp
        again = both.read(found.snapshots)
        assert again.snapshots["staging"].names() == ("other", "third")
    git(tmp_path, "pack-refs", "--all")
    assert both.stamp() != stamp
    assert set(both.read({}).snapshots) == {"main", "staging"}


def test_a_broken_index_is_named_and_the_others_are_read(branch: Branch, tmp_path: Path) -> None:
    branch.commit(add(new()), WHY)
    git(tmp_path, "update-ref", "refs/heads/wharf/staging", "refs/heads/wharf/main")
    edit_by_hand(tmp_path, "wharf.toml", b"format = 99\n")
    found = AllIndexes(branch).read({})
    assert list(found.snapshots) == ["staging"]
    assert "format" in str(found.broken["main"])


def test_a_removed_index_is_kept_apart(branch: Branch, tmp_path: Path) -> None:
    branch.commit(add(new()), WHY)
    git(tmp_path, "update-ref", "refs/wharf/removed/old", "refs/heads/wharf/main")
    found = AllIndexes(branch).read({})
    assert (list(found.snapshots), found.removed["old"].names()) == (["main"], ("demo",))


def test_there_is_a_bound(branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    branch.commit(add(new()), WHY)
    git(tmp_path, "update-ref", "refs/heads/wharf/staging", "refs/heads/wharf/main")
    monkeypatch.setattr(all_indexes, "MOST_INDEXES", 1)
    with pytest.raises(StorageError, match="has 2 indexes"):
        AllIndexes(branch).read({})


def test_one_git_process_reads_all_of_them(branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    branch.commit(add(new()), WHY)
    for number in range(5):
        git(tmp_path, "update-ref", f"refs/heads/wharf/team-{number}", "refs/heads/wharf/main")
    branch.close()
    started, start = [], Git.start

    def counted(self: Git, *words: str) -> object:
        started.append(words[0])
        return start(self, *words)

    monkeypatch.setattr(Git, "start", counted)
    found = AllIndexes(branch).read({})
    assert all(each.project("demo") for each in found.snapshots.values())
    assert (len(found.snapshots), started.count("cat-file")) == (6, 1)
