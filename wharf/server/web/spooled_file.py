"""The file of an upload on its way to the disk, which keeps some room free. Its digests are computed as it is written."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from wharf.errors import UNWRITABLE, StorageError
from wharf.system import owner_only_folder, unnamed_file

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

DIGESTS: Final = {"md5_digest": ("md5", 32), "sha256_digest": ("sha256", 64), "blake2_256_digest": ("blake2b", 64)}
"""The fields of a form that declare digests: the algorithm, and the hexadecimal digits of each."""
FLOOR: Final = 64 << 20
"""Bytes that stay free on the disk, whoever uploads."""

_LOOK_EVERY = 16 << 20  # bytes between two looks at how much room is left
_CHUNK = 1 << 20


class _Digest(Protocol):
    def update(self, data: bytes | bytearray, /) -> None: ...
    def hexdigest(self) -> str: ...


class SpooledFile:
    """A file that comes piece by piece, under no name, in `folder` (None: the folder of the system).

    - Each byte is written once, and goes through each digest once. The sha256, which the store needs, and the digests that a
      form declares before its file are computed as it is written. One that is declared behind the file costs another reading.
    - All but `close` is for one thread at a time, and not for the event loop, as disks may be slow.
    """

    def __init__(self, folder: Path | None, announced: int, declared: Collection[str]) -> None:
        self.size = 0
        self._folder = folder
        self._announced = announced
        self._file: BinaryIO | None = None
        self._looked = 0
        self._found = {field: _digest(field) for field in {"sha256_digest", *declared}}

    @property
    def file(self) -> BinaryIO:
        """What was written so far. Raises StorageError without room, and OSError."""
        if self._file is None:
            if self._folder is not None:
                owner_only_folder.make(self._folder)
            self._file = unnamed_file.make(self._folder)
            check_room(self._file.fileno(), self._announced)
        return self._file

    def write(self, data: bytes | bytearray) -> None:
        """Bring more bytes to the disk. Raises as `file` does."""
        self.file.write(data)
        for each in self._found.values():
            each.update(data)
        self.size += len(data)
        if self.size >= self._looked + _LOOK_EVERY:
            check_room(self.file.fileno())
            self._looked = self.size

    def digest(self, field: str) -> str:
        """The digest that a field would declare, of all bytes, in lower-case hex."""
        if field not in self._found:
            found = _digest(field)
            with self.opened() as file:
                while chunk := file.read(_CHUNK):
                    found.update(chunk)
            self._found[field] = found
        return self._found[field].hexdigest()

    def opened(self) -> BinaryIO:
        """The file for reading, at its beginning; to be closed on its own. Only one is read at a time."""
        self.file.flush()
        again = os.fdopen(os.dup(self.file.fileno()), "rb")
        again.seek(0)
        return again

    def close(self) -> None:
        """Let go of the file, which no folder names."""
        if self._file is not None:
            self._file.close()


def check_room(folder: int | Path, more: int = 0) -> None:
    """Raise StorageError if `more` bytes leave less than the floor free on a disk."""
    found = os.statvfs(folder)
    if found.f_bavail * found.f_frsize < FLOOR + more:
        raise StorageError(
            "This server has no room for an upload.", "Free some, or set TMPDIR to a folder with room.", told=UNWRITABLE
        )


def _digest(field: str) -> _Digest:
    if field == "blake2_256_digest":
        return hashlib.blake2b(digest_size=32)
    # md5 is what old clients declare; here it tells a broken transfer, and guards nothing.
    return hashlib.new(DIGESTS[field][0], usedforsecurity=False)
