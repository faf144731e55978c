"""Which files of a cache have the digest that they are named by. A file is read once for that, until it changes."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from wharf.errors import OddFileError
from wharf.system import regular_file

if TYPE_CHECKING:
    from pathlib import Path

MOST: Final = 100_000
"""Files that are remembered, some 300 bytes each."""

_Identity = tuple[int, int, int, int, int]


class CheckedFiles:
    """Files by their names, which are sha256 as hex.

    - A file counts as checked while the system says the same of it: device, inode, size, and both times of change. So other
      bytes in the place of a file are seen, by whatever way they came, also in a file that another process put there.
    - All methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Identity] = OrderedDict()

    def has(self, file: Path, status: os.stat_result) -> bool:
        """Whether the file of that status was checked."""
        return self._known.get(file.name) == _identity(status)

    def note(self, file: Path, status: os.stat_result) -> None:
        """Take a file for checked: its bytes were, when they were written, or nothing but its times was changed since."""
        self._known[file.name] = _identity(status)
        self._known.move_to_end(file.name)
        while len(self._known) > MOST:
            self._known.popitem(last=False)

    def check(self, file: Path) -> bool:
        """Read a file: whether it is there and has its digest. Raises OSError."""
        try:
            handle = regular_file.handle_of(file)
        except (FileNotFoundError, OddFileError):
            return False
        with os.fdopen(handle, "rb") as opened:
            before = os.fstat(handle)
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
            right = digest == file.name and _identity(os.fstat(handle)) == _identity(before)
        if right:
            self.note(file, before)
        return right


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
