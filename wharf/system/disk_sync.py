"""What survives a power cut: the bytes of a file, and the names in a folder, each after its own sync."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def sync(path: Path) -> None:
    """Make the bytes of a file, or the names in a folder, survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_all(folder: Path) -> None:
    """The same for a folder with all that is in it."""
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            sync(path)
