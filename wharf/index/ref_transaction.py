"""Several refs of a repository moved in one step, or not at all ("git-update-ref", "--stdin")."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from wharf.errors import StorageError
from wharf.index.git import check_disk
from wharf.index.index_name import BRANCHES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.index.git import Git

STALE_LOCK: Final = 10.0
"""Seconds after which a lock on a ref belongs to a process that died: git holds one for milliseconds."""


def transact(writer: Git, steps: Mapping[str, str]) -> bool:
    """Do all steps, which have the refs that they are about as keys. False: a ref is not as a step wants it, or locked.

    Raises StorageError if the repository cannot be written.
    """
    lines = "".join(f"{line}\n" for line in ("start", *steps.values(), "prepare", "commit"))
    status, _, err = writer.attempt("update-ref", "--stdin", stdin=lines.encode(errors="surrogateescape"))
    if status == 0:
        return True
    check_disk(err, writer.git_dir)  # its message names a lock then, too
    if "cannot lock ref" not in err:
        raise StorageError(
            f"{next(iter(steps))} cannot be written: {err[-300:]}",
            f"`git --git-dir={writer.git_dir} fsck` tells whether the repository is sound.",
        )
    for lock in (writer.git_dir / f"{ref}.lock" for ref in steps):
        try:
            if time.time() - lock.stat().st_mtime > STALE_LOCK:
                lock.unlink()
        except FileNotFoundError:
            pass
    return False


def unmoved(beside: Mapping[str, str]) -> dict[str, str]:
    """The steps that want indexes, by name, to be at their commits."""
    return {ref: f"verify {ref} {commit}" for name, commit in beside.items() if (ref := f"{BRANCHES}{name}")}
