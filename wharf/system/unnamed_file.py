"""Files that no folder names yet: whoever dies leaves none of them, and nobody else can open or change one.

On Linux such a file can get a name later, without a copy (`O_TMPFILE`, "open(2)"). Where that cannot be done, it is an ordinary
temporary file.
"""

from __future__ import annotations

import errno
import os
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path


_UNNAMED: int | None = getattr(os, "O_TMPFILE", None)  # on Linux alone
_NOT_HERE = frozenset({errno.EISDIR, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOENT})  # by kernel and file system


def make(folder: Path | None) -> BinaryIO:
    """An empty file on the disk of a folder, or of the system's folder for such; it may be read by whom the umask lets."""
    if folder is not None and _UNNAMED is not None:
        try:
            return os.fdopen(os.open(folder, _UNNAMED | os.O_RDWR | os.O_CLOEXEC, 0o666), "w+b")
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
    return TemporaryFile(dir=folder)


def give_name(file: BinaryIO, name: str, folder: int) -> bool:
    """Give a file of `make` a name that is free in a folder, of which this is a handle.

    False: it cannot have one there, and has to be copied.
    """
    try:  # with a folder, Python makes it follow the link that /proc has in the place of the file
        os.link(f"/proc/self/fd/{file.fileno()}", name, dst_dir_fd=folder, follow_symlinks=True)
    except OSError:
        return False
    return True
