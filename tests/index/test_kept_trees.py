"""Folders that were read or written lately are not asked for again, and whatever may change is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.index.test_branch import WHY
from tests.index.test_ref_transaction import release
from wharf.index.branch import Branch
from wharf.index.git_objects import LARGEST_KEPT, MOST_KEPT, GitObject, GitObjects, KeptTrees, Tree

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ID = "a" * 40


def folder(data: bytes = b"x") -> GitObject:
    return GitObject(id=ID, kind="tree", data=data)


def test_a_commit_after_another_asks_git_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    read = GitObjects._read

    def noted(self: GitObjects, names: Iterable[str]) -> list[GitObject | None]:
        listed = [*names]
        asked.extend(listed)
        return read(self, listed)

    monkeypatch.setattr(GitObjects, "_read", noted)
    with Branch(tmp_path / "index.git", "main") as branch:
        branch.create(tmp_path / "scratch")
        branch.commit(release(1), WHY)
        asked.clear()
        branch.commit(release(2), WHY)
        assert not asked
        with Branch(tmp_path / "index.git", "main") as other:
            other.commit(release(3), WHY)
        branch.commit(release(4), WHY)
        assert len(branch.snapshot().names()) == 4, "what another one wrote is read"


@pytest.mark.parametrize(
    ("name", "found", "kept"),
    [
        (ID, folder(), True),
        (f"{ID}^{{tree}}", folder(), True),
        ("refs/heads/wharf/main", folder(), False),
        ("wharf/main^{tree}", folder(), False),
        (ID[:39], folder(), False),
        (f"{ID}:projects", folder(), False),
        (ID, GitObject(id=ID, kind="commit", data=b"x"), False),
        (ID, GitObject(id=ID, kind="blob", data=b"x"), False),
        (ID, folder(bytes(LARGEST_KEPT)), True),
        (ID, folder(bytes(LARGEST_KEPT + 1)), False),
    ],
)
def test_only_folders_are_kept_and_only_by_names_that_never_change(name: str, found: GitObject, kept: bool) -> None:
    trees = KeptTrees()
    trees.put(name, found)
    assert trees.get(name) == (found if kept else None)


def test_what_was_looked_up_least_lately_goes_first_with_what_is_in_it() -> None:
    trees, size = KeptTrees(), LARGEST_KEPT
    ids = [f"{number:040x}" for number in range(MOST_KEPT // size + 1)]
    for id_ in ids[:-1]:
        trees.put(id_, GitObject(id=id_, kind="tree", data=bytes(size)))
        trees.put_parsed(id_, Tree())
    assert trees.get(ids[0]) is not None
    trees.put(ids[-1], GitObject(id=ids[-1], kind="tree", data=bytes(size)))
    assert [trees.get(id_) is not None for id_ in ids] == [True, False, *[True] * (len(ids) - 2)]
    assert (trees.parsed(ids[1]), trees.parsed(ids[0])) == (None, Tree())
    trees.put_parsed(ids[1], Tree())
    assert trees.parsed(ids[1]) is None, "nothing is kept of a folder that is not"
