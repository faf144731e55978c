"""The time at a store in a folder, by the clock of its file system: that of whoever writes there may be wrong."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wharf.errors import UNWRITABLE, StorageError
from wharf.system import disk_remedies, unnamed_file

if TYPE_CHECKING:
    from pathlib import Path


def now(folder: Path) -> int:
    """Seconds since 1970, as the file system dates a file that is made in the folder and goes at once.

    On a share that is the server's clock, the same for all machines. Raises StorageError where nothing can be written.
    """
    try:
        with unnamed_file.make(folder) as file:
            return int(os.fstat(file.fileno()).st_mtime)
    except OSError as error:
        message = f"{folder} cannot be written to: {error.strerror}."
        raise StorageError(message, disk_remedies.hint(error), told=UNWRITABLE) from error
