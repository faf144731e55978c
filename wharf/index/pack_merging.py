"""Many small packs, one for each commit, are merged into a few, in a process beside the writers."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final

from wharf.index.git import Git

if TYPE_CHECKING:
    from pathlib import Path

MOST_PACKS: Final = 50
"""Packs beyond which they are merged."""

_at_work: set[Path] = set()
_lock = threading.Lock()


def merge_if_many(program: Git) -> None:
    """Begin to merge the packs of a repository, if there are many, and nobody in this process does it already.

    It goes on if this process ends meanwhile. Only packs of about the same size are merged (`git repack --geometric`), so that
    a large one is not written again for small ones. Nothing is deleted that is not in another pack by then. Whether it works
    says nothing of the commit, which stands.
    """
    with contextlib.suppress(FileNotFoundError):
        packs = sum(path.suffix == ".pack" for path in (program.git_dir / "objects" / "pack").iterdir())
        with _lock:
            if packs > MOST_PACKS and program.git_dir not in _at_work:
                _at_work.add(program.git_dir)
                threading.Thread(target=_merge, args=(program,), name="merge-packs", daemon=True).start()


def at_work(git_dir: Path) -> bool:
    """Whether packs of a repository are being merged by this process."""
    return git_dir in _at_work


def _merge(program: Git) -> None:
    try:
        # If the store's configuration has git start programs, the person who wrote it has to tidy up.
        if not program.programs():
            alone = Git(program.git_dir, [("pack.threads", "1")])  # or it would take all processors from the requests
            if not alone.see_through("repack", "--geometric=2", "-d", "-l", "-q"):  # before git 2.32
                alone.see_through("gc", "--auto", "--quiet")
    finally:
        with _lock:
            _at_work.discard(program.git_dir)
