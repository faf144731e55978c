"""Values that change whenever refs may have moved: system calls, and no process. Made several times a second."""

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
    loose, packed = b"", 0
    with contextlib.suppress(FileNotFoundError):
        loose = content(f"{git_dir}/{ref}")
    with contextlib.suppress(FileNotFoundError):
        packed = os.stat(f"{git_dir}/packed-refs").st_mtime_ns  # noqa: PTH116 - a path costs as much as the rest
    return loose, packed


def stamp_of_all(git_dir: Path) -> object:
    """The stamp of all indexes that have a ref of their own, and of those that were removed."""
    loose = []
    for folder in (BRANCHES, REMOVED):
        with contextlib.suppress(FileNotFoundError), os.scandir(f"{git_dir}/{folder}") as entries:
            loose += [(each.path, content(each.path)) for each in entries if each.is_file()]
    return sorted(loose)


def content(path: str) -> bytes:
    """What a ref that has a file of its own holds. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(handle, _MOST)
    finally:
        os.close(handle)
