"""A folder of files that can be fetched again, bounded in bytes: each lies whole under its digest."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

from wharf.errors import UNWRITABLE, OddFileError, StorageError
from wharf.model import is_sha256
from wharf.server.files.checked_files import CheckedFiles
from wharf.system import disk_remedies, owner_only_folder, regular_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEAD: Final = 600.0
"""Seconds after which a part that nobody wrote to is what a server that died left behind: a read waits for 60 at most."""
NOTED: Final = 60.0
"""Seconds between two notes of the use of a file: after one, another process that shares the folder reads the file again."""
FREE: Final = 64 << 20
"""Bytes of the disk that are left to others."""


class CacheFolder:
    """The folder at `path`, which is made when it is needed.

    - A file lies under its digest only if it is whole. A part has another name, which ends with `.part`.
    - The files, with those that room is reserved for, have at most `budget` bytes, and no more than the disk has. What was not
      used for longest is deleted first.
    - Nobody but the server's user can read it.
    - What the disk refuses is a StorageError that says how to help it, inside `errors_told`.
    - All methods may be called from any thread.
    """

    def __init__(self, path: Path, budget: int) -> None:
        self.path = path
        self._budget = budget
        self._lock = threading.Lock()
        self.checked = CheckedFiles()
        self._coming = 0  # bytes of the files that are on their way and will be kept

    @contextlib.contextmanager
    def errors_told(self) -> Iterator[None]:
        """Raise StorageError where the disk raises OSError."""
        try:
            yield
        except OSError as error:
            hint = disk_remedies.hint(error, disk_remedies.CACHE)
            raise StorageError(f"The cache {self.path} cannot be used: {error.strerror}.", hint, told=UNWRITABLE) from error

    def status(self, file: Path, size: int | None) -> os.stat_result | None:
        """What the system says of the file; None if it is not there, or if `size` says another size.

        A crash of the machine can cut a file short, and a link is none.
        """
        try:
            found = regular_file.status_of(file)
        except (FileNotFoundError, OddFileError):
            return None
        return found if size in {None, found.st_size} else None

    def use(self, file: Path, status: os.stat_result) -> None:
        """Note that the file is used, so that it stays: by its time, at most once in `NOTED`."""
        if abs(time.time() - status.st_mtime) > NOTED:
            with contextlib.suppress(FileNotFoundError):
                os.utime(file, follow_symlinks=False)
                if self.checked.has(file, status):
                    self.checked.note(file, regular_file.status_of(file))

    def new_part(self, file: Path) -> tuple[Path, int]:
        """A new part of the file: where it lies, and a handle to write and read it, which is the caller's."""
        part = file.with_name(f"{file.name}.{secrets.token_hex(4)}.part")
        owner_only_folder.make(self.path)  # a private index is nobody else's to read
        return part, os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)

    def leave_some_free(self) -> None:
        """Raise OSError if the disk is nearly full: what passes through, and is not kept, has no other bound."""
        if self._free() < FREE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _free(self) -> int:
        """Bytes that the disk has left. One that does not say how large it is has room until a write fails."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize if found.f_blocks else sys.maxsize

    def reserve(self, size: int) -> bool:
        """Reserve `size` bytes; for them, delete what was not used for longest. False: there is no room for so much.

        Raises OSError if the disk is full of other things: a file that does not fit is refused before its first byte is sent.
        What a server that died left behind is deleted too. Who has a reservation gives it back (`give_back`) when the file is
        there, or will never be.
        """
        with self._lock:
            kept = []
            for path in self.path.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    found = path.lstat()
                    if path.suffix == ".part" and found.st_mtime < time.time() - DEAD:
                        path.unlink()
                    elif is_sha256(path.name):
                        kept.append((found.st_mtime_ns, found.st_size, path))
            if self._coming + size > self._budget:
                return False
            total = sum(each[1] for each in kept) + self._coming + size
            for _, one, path in sorted(kept):
                if total <= self._budget and self._free() >= size:
                    break
                path.unlink(missing_ok=True)
                total -= one
            if self._free() < size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._coming += size
            return True

    def give_back(self, size: int) -> None:
        """The reservation of `size` bytes is not needed any more."""
        with self._lock:
            self._coming -= size
