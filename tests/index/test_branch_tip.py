"""The tip of a branch is what git says, in whatever way the ref is kept, also right after this process moved it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.index.test_branch import WHY, branch, edit_by_hand, git
from tests.index.test_change import SDIST, B, add, new

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wharf.index.branch import Branch

__all__ = ["branch"]


def packed(tmp_path: Path) -> None:
    git(tmp_path, "pack-refs", "--all")


def packed_and_moved_on(tmp_path: Path) -> None:
    packed(tmp_path)
    edit_by_hand(tmp_path, "note.txt", b"x")


def moved_on_and_packed(tmp_path: Path) -> None:
    edit_by_hand(tmp_path, "note.txt", b"x")
    packed(tmp_path)


def moved_back(tmp_path: Path) -> None:
    git(tmp_path, "update-ref", "refs/heads/wharf/main", "wharf/main~")


def symbolic(tmp_path: Path) -> None:
    git(tmp_path, "branch", "other", "wharf/main~")
    git(tmp_path, "symbolic-ref", "refs/heads/wharf/main", "refs/heads/other")


def gone(tmp_path: Path) -> None:
    git(tmp_path, "update-ref", "-d", "refs/heads/wharf/main")


@pytest.mark.parametrize("happens", [packed, packed_and_moved_on, moved_on_and_packed, moved_back, symbolic, gone])
def test_the_tip_is_what_git_says(branch: Branch, tmp_path: Path, happens: Callable[[Path], None]) -> None:
    branch.commit(add(new()), WHY)
    made = branch.commit(add(new(SDIST, B)), WHY).commit
    assert branch.tip() == made
    happens(tmp_path)
    said = git(tmp_path, "for-each-ref", "--format=%(objectname)", "refs/heads/wharf/main") or None
    assert branch.tip() == said
    assert branch.snapshot().commit == said
