"""Many small packs, one for each commit, are merged into a few: in this process first, and those in one beside the writers."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Final

from wharf.errors import StorageError
from wharf.index import merged_pack
from wharf.index.git import Git

if TYPE_CHECKING:
    from pathlib import Path

MOST_PACKS: Final = 50
"""Packs beyond which the small ones become one."""
MOST_MERGED: Final = 20
"""Packs beyond which git merges what is left."""
_LARGE: Final = 32 << 20  # bytes of a pack

_at_work: set[Path] = set()
_lock = threading.Lock()


def merge_if_many(program: Git) -> bool:
    """Merge the packs of a repository, if there are many, and nobody in this process does it already; False: it did nothing.

    The small ones are copied here (`merged_pack`), which takes some milliseconds. Git continues if this process ends meanwhile.
    It makes objects small by what they have in common, of packs of about the same size (`git repack --geometric`), so that a
    large one is not written again for small ones. Nothing is deleted that is not in another pack by then, also of what no ref
    leads to: a ref may be lost. If merging fails, the commit stands all the same.
    """
    if _count(program) <= MOST_PACKS:
        return False
    with _lock:
        if program.git_dir in _at_work:
            return False
        _at_work.add(program.git_dir)
    by_git = False
    try:
        with contextlib.suppress(OSError, StorageError):
            merged_pack.merge(program.git_dir)
        by_git = _count(program) > MOST_MERGED
    finally:
        if not by_git:
            _is_done(program)
    if by_git:
        threading.Thread(target=_merge, args=(program,), name="merge-packs", daemon=True).start()
    return True


def at_work(git_dir: Path) -> bool:
    """Whether packs of a repository are being merged by this process."""
    return git_dir in _at_work


def _count(program: Git) -> int:
    with contextlib.suppress(FileNotFoundError):
        return sum(name.endswith(".pack") for name in os.listdir(program.git_dir / "objects" / "pack"))  # noqa: PTH208 - quicker
    return 0


def _merge(program: Git) -> None:
    try:
        # If the store's configuration has git start programs, the person who wrote it has to tidy up.
        if not program.programs():
            alone = Git(program.git_dir, [("pack.threads", "1")])  # or it would take all processors from the requests
            if not alone.see_through("repack", "--geometric=2", "-d", "-l", "-q"):
                alone.see_through("repack", "-a", "-d", "-k", "-l", "-q", *_large(program.git_dir))  # before git 2.32
            # By that the history of one project is read without a look at each commit. Only what is new is added to it.
            alone.see_through("commit-graph", "write", "--reachable", "--changed-paths", "--split", "--no-progress")
    finally:
        _is_done(program)


def _large(git_dir: Path) -> list[str]:
    """What keeps git from writing large packs again."""
    packs = (git_dir / "objects" / "pack").glob("*.pack")
    return [f"--keep-pack={path.name}" for path in packs if path.stat().st_size > _LARGE]


def _is_done(program: Git) -> None:
    with _lock:
        _at_work.discard(program.git_dir)
