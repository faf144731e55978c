"""The objects of a commit that no ref leads to yet, kept until one does.

Whoever tidies up by hand (`git repack -a -d`, `git gc --prune=now`) deletes what no ref leads to. Git looks whether a commit is
there when it moves a ref to it, and a ref that is moved in this process needs the same.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from wharf.index import small_pack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wharf.index.small_pack import NewObject

_SLOW = 1.0  # seconds in which a `git repack` may have begun that deletes the pack after the ref has moved


class WrittenCommit:
    """A commit that is on the disk with all that is new in it, in one pack; its `id` is that of the last object."""

    def __init__(self, git_dir: Path, objects: Sequence[NewObject]) -> None:
        self.id = objects[-1].id
        self._git_dir = git_dir
        self._objects = objects
        self._pack = small_pack.write(git_dir, objects)
        self._time = time.monotonic()

    def stay(self) -> None:
        """Write the objects again if their pack is gone, or so old that a git may have listed it as one to delete.

        The other order gives the new pack another name, which such a git does not know. Raises StorageError.
        """
        if time.monotonic() - self._time > _SLOW or not os.path.exists(f"{self._git_dir}/objects/pack/{self._pack}.idx"):  # noqa: PTH110 - a path costs as much as the call
            small_pack.write(self._git_dir, self._objects[::-1])
