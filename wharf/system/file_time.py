"""The time of a file that replaces another one: always a later one, so that whoever compares times sees each change.

A clock may go in steps of milliseconds, or back. A file system may keep whole seconds (ext3, ext4 with small inodes, HFS+), or
every second one (FAT). And the number of a file is soon that of the next one.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_STEPS: Final = (1, 1_000, 1_000_000, 1_000_000_000, 2_000_000_000)
"""Nanoseconds between two times that a file system keeps apart, by kinds of them."""


def date_after(handle: int, replaced: Path) -> os.stat_result:
    """Give an open file a later time than that of the file which it is going to replace; what the system says of it then.

    One that changes many times a second gets times of the future, where only seconds are kept. Raises OSError.
    """
    try:
        before = replaced.stat().st_mtime_ns
    except FileNotFoundError:
        before = 0
    for step in _STEPS:
        moment = max(time.time_ns(), before + step)
        os.utime(handle, ns=(moment, moment))
        found = os.fstat(handle)
        if found.st_mtime_ns > before:
            break
    return found
