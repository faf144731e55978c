"""The objects of a commit that no ref leads to yet, kept until one does.

Whoever tidies up by hand (`git repack -a -d`, `git gc --prune=now`) deletes what no ref leads to. A file with the
name of the pack and `.keep` prevents that. Git does the same for what it was sent, until its refs have moved.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from wharf.index import small_pack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Self

    from wharf.index.small_pack import NewObject


class WrittenCommit:
    """A commit that is on the disk with all that is new in it, in one pack; its `id` is that of the last object.

    A context manager: no git deletes or merges the pack before its end. A pack of a process that died stays marked
    (`merged_pack`).
    """

    def __init__(self, git_dir: Path, objects: Sequence[NewObject]) -> None:
        self.id = objects[-1].id
        self._mark = git_dir / "objects" / "pack" / f"{small_pack.write(git_dir, objects, marked=True)}.keep"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.given()

    def given(self) -> str:
        """The id, for whoever looks after the commit himself: it is not kept any more."""
        with contextlib.suppress(OSError):  # the next ones who merge packs look at it again
            self._mark.unlink()
        return self.id
