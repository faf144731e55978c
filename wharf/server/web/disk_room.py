"""How much room uploads leave on the disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from wharf.errors import UNWRITABLE, StorageError

if TYPE_CHECKING:
    from pathlib import Path


FLOOR: Final = 64 << 20
"""Bytes that stay free on the disk, whoever uploads."""


def check_room(folder: int | Path, more: int = 0) -> None:
    """Raise StorageError if `more` bytes leave less than the floor free on a disk."""
    found = os.statvfs(folder)
    if found.f_bavail * found.f_frsize < FLOOR + more:
        raise StorageError(
            "This server has no room for an upload.", "Free some, or set TMPDIR to a folder with room.", told=UNWRITABLE
        )
