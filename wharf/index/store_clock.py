"""The time at a store in a folder, by the clock of its file system: that of whoever writes there may be wrong."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from wharf.errors import UNWRITABLE, StorageError
from wharf.system import disk_remedies, unnamed_file
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from pathlib import Path

_HOLDS: Final = 1.0
"""Seconds for which the clock is not looked at again: a twentieth of a commit would be such looks."""

_looked: dict[Path, tuple[float, float]] = {}  # when, and what the clock said


def now(folder: Path) -> int:
    """Seconds since 1970, as the file system dates a file that is made in the folder and goes at once.

    On a share that is the server's clock, the same for all machines. Raises StorageError where nothing can be written.
    """
    at = elapsed()
    seen, said = _looked.get(folder, (at - _HOLDS, 0.0))
    if at - seen >= _HOLDS:
        seen, said = at, _look(folder)
        _looked[folder] = seen, said
    return int(said + at - seen)


def _look(folder: Path) -> float:
    try:
        with unnamed_file.make(folder) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError as error:
        message = f"{folder} cannot be written to: {error.strerror}."
        raise StorageError(message, disk_remedies.hint(error), told=UNWRITABLE) from error
