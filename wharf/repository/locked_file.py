"""A small file of one owner that is replaced whole, by one writer at a time."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from wharf.system import disk_sync, file_lock, owner_only_folder, regular_file
from wharf.system.file_time import date_after

if TYPE_CHECKING:
    from pathlib import Path


class LockedFile:
    """The right to write one file, while it is entered. Readers see the file before or after, and never a part of it.

    Entering raises LockedError if another writer does not end; not `patient`, it raises BlockingIOError at once.
    """

    def __init__(self, path: Path, *, patient: bool = True) -> None:
        self._path = path
        self._patient = patient

    def __enter__(self) -> LockedFile:
        owner_only_folder.make(self._path.parent)
        place = self._path.with_name(f"{self._path.name}.lock")
        self._lock = regular_file.handle_of(place, 1, os.O_RDWR | os.O_CREAT)
        try:
            if self._patient:
                file_lock.take(self._lock, fcntl.LOCK_EX, place)
            else:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)

    def write(self, text: str, *, durable: bool = True) -> None:
        """Replace the file, readable for its owner alone. `durable`: it survives a power cut from here on. Raises OSError.

        Its time is later than that of the file before: whoever compares them sees each change.
        """
        temporary = self._path.with_name(f"{self._path.name}.new")  # one writer at a time, so one name is enough
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            date_after(file.fileno(), self._path)
            if durable:
                os.fsync(file.fileno())
        temporary.replace(self._path)
        if durable:  # or a token that was revoked would be good again
            disk_sync.sync(self._path.parent)
