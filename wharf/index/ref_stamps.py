"""Values that change whenever refs may have moved: system calls, and no process. Made several times a second.

All is done with plain strings: a path object costs as much as the system call that it is for.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from wharf.index.index_name import BRANCHES, REMOVED

if TYPE_CHECKING:
    from pathlib import Path

_MOST = 4096  # bytes of a ref: it holds one id, or the name of another ref


def stamp(git_dir: Path, ref: str) -> object:
    """The stamp of one ref: a few system calls."""
    loose = b""
    with contextlib.suppress(FileNotFoundError):
        loose = content(f"{git_dir}/{ref}")
    return loose, _packed(git_dir)


def stamp_of_all(git_dir: Path) -> object:
    """The stamp of all indexes, and of those that were removed."""
    loose: list[tuple[str, bytes]] = []
    for folder in (BRANCHES, REMOVED):
        with contextlib.suppress(FileNotFoundError), os.scandir(f"{git_dir}/{folder}") as entries:
            for each in entries:
                if each.is_file() and not each.name.endswith(".lock"):  # nothing moves before git renames a lock
                    with contextlib.suppress(FileNotFoundError):  # it went this very moment
                        loose.append((each.path, content(each.path)))
    return sorted(loose), _packed(git_dir)


def content(path: str) -> bytes:
    """What a ref that has a file of its own holds. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(handle, _MOST)
    finally:
        os.close(handle)


def _packed(git_dir: Path) -> object:
    """What git makes new whenever it packs refs, or takes one out. Two that come within one tick have other numbers."""
    try:
        found = os.stat(f"{git_dir}/packed-refs")  # noqa: PTH116 - see above
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
