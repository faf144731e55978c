"""The commit that a branch is at. Its file says so without a question to git, where git would say the same."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from wharf.errors import StorageError
from wharf.index import ref_stamps

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.index.git_objects import GitObjects

_SETTLE = 1.0  # seconds in which a ref that is being written for the first time is there
_ID = re.compile(rb"([0-9a-f]{40})\n")


def read(objects: GitObjects, git_dir: Path, ref: str) -> str | None:
    """The commit, or None. Raises StorageError if the branch had one that is lost or damaged."""
    return _in_file(objects, git_dir, ref) or _by_git(objects, git_dir, ref)


def _in_file(objects: GitObjects, git_dir: Path, ref: str) -> str | None:
    """The commit that the file of the ref holds, if it was read or written here before: then nothing is left to ask of it.

    A ref with its own file is at what that holds, whatever `packed-refs` says. Of a ref that is packed, leads to another
    one, or is kept in another way, git knows more.
    """
    try:
        found = _ID.fullmatch(ref_stamps.content(f"{git_dir}/{ref}"))
    except OSError:
        return None
    commit = None if found is None else found[1].decode()
    return commit if commit is not None and objects.knows(commit) else None


def _by_git(objects: GitObjects, git_dir: Path, ref: str) -> str | None:
    found = objects.one(ref)
    log = git_dir / "logs" / ref
    end = time.monotonic() + _SETTLE
    while found is None and ((git_dir / ref).exists() or _is_written(log)):
        # It has or had a commit: the first one is being made at this moment, or its ref or commit is damaged.
        if time.monotonic() > end:
            raise StorageError(
                f"{ref} in {git_dir} is lost or damaged.",
                f"{log} has the commits that it was at: delete what is left of the ref, then "
                f"`git --git-dir={git_dir} update-ref {ref} COMMIT` sets it again.",
            )
        time.sleep(0.02)
        found = objects.one(ref)
    return None if found is None else found.id


def _is_written(log: Path) -> bool:
    """Whether a log says anything: git makes it first, and may find no room on the disk for its first line, nor for the ref."""
    try:
        return log.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False
