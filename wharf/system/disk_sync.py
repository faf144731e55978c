"""What survives a power cut: the bytes of a file, and the names in a folder, each after its own sync."""

from __future__ import annotations

import functools
import os
from concurrent import futures
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_AT_ONCE = 8  # syncs that wait for the disk


def sync(path: Path | str) -> None:
    """Make the bytes of a file, or the names in a folder, survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_together(paths: Sequence[Path]) -> None:
    """The same for several, side by side: a file system writes its journal once for all who wait."""
    shares = [paths[number::_AT_ONCE] for number in range(min(_AT_ONCE, len(paths)))]
    begun = [_threads().submit(_sync_some, share) for share in shares[1:]]
    try:
        _sync_some(shares[0] if shares else [])
    finally:
        futures.wait(begun)
    for each in begun:
        each.result()


def sync_all(folder: Path) -> None:
    """The same for a folder with all that is in it."""
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            sync(path)


def _sync_some(paths: Sequence[Path]) -> None:
    for path in paths:
        sync(path)


@functools.cache
def _threads() -> futures.ThreadPoolExecutor:
    return futures.ThreadPoolExecutor(2 * _AT_ONCE, "disk")
