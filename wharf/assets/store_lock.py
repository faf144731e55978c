"""The lock of a store in a folder: publishers share it, and whoever deletes bytes holds it alone."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from typing import TYPE_CHECKING, Final

from wharf.assets.store_folders import told
from wharf.errors import LockedError, StorageError
from wharf.system import file_lock, regular_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READ_ONLY: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
"""The errors of the system where a store may be read and not written to."""


class StoreLock:
    """Held while a method is entered. It is given back when the file is closed, also by the death of the process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Hold it with other publishers. Raises LockedError where somebody holds it alone for too long."""
        with self._opened() as handle:
            with told(self._path):
                file_lock.take(handle, fcntl.LOCK_SH, self._path)
            yield

    @contextlib.contextmanager
    def alone(self, patience: float) -> Iterator[bool]:
        """Hold it without any publisher; False if one is still at work after `patience` seconds."""
        with self._opened() as handle:
            yield self._is_alone(handle, patience)

    @contextlib.contextmanager
    def alone_to_read(self, patience: float) -> Iterator[bool | None]:
        """The same for whoever changes nothing, also where the store may only be read. None: there it cannot be locked."""
        with told(self._path):
            handle = self._readable()
        if handle is None:
            yield None
            return
        try:
            try:
                alone: bool | None = self._is_alone(handle, patience)
            except StorageError as error:
                # Some shares want a file that is open for writing for that.
                if not isinstance(error.__cause__, OSError) or error.__cause__.errno != errno.EBADF:
                    raise
                alone = None
            yield alone
        finally:
            os.close(handle)

    def _is_alone(self, handle: int, patience: float) -> bool:
        try:
            with told(self._path):
                file_lock.take(handle, fcntl.LOCK_EX, self._path, patience)
        except LockedError:
            return False
        return True

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """The file of the lock, which is made where it is missing."""
        with told(self._path.parent):
            handle = regular_file.handle_of(self._path, 1, os.O_RDWR | os.O_CREAT)
        try:
            yield handle
        finally:
            os.close(handle)

    def _readable(self) -> int | None:
        """The same, for reading where it cannot be written to; None where it cannot be read, or made, either."""
        for flags in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):
            try:
                return regular_file.handle_of(self._path, 1, flags)
            except OSError as error:
                if error.errno not in {*READ_ONLY, errno.ENOENT}:
                    raise
        return None
