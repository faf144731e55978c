"""Values that change whenever refs may have moved: system calls, and no process. Made several times a second."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from wharf.index.index_name import BRANCHES, REMOVED


def stamp(git_dir: Path, ref: str) -> object:
    """The stamp of one ref: two system calls."""
    try:
        loose = (git_dir / ref).read_bytes()
    except FileNotFoundError:
        loose = b""
    try:
        packed = (git_dir / "packed-refs").stat().st_mtime_ns
    except FileNotFoundError:
        packed = 0
    return loose, packed


def stamp_of_all(git_dir: Path) -> object:
    """The stamp of all indexes that have a ref of their own, and of those that were removed."""
    loose = []
    for folder in (BRANCHES.rstrip("/"), REMOVED.rstrip("/")):
        with contextlib.suppress(FileNotFoundError), os.scandir(git_dir / folder) as entries:
            loose += [(each.path, Path(each.path).read_bytes()) for each in entries if each.is_file()]
    return sorted(loose)
