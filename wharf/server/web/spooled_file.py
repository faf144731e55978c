"""The file of an upload on its way to the disk, which keeps some room free. Its digests are computed as it is written."""

from __future__ import annotations

import functools
import hashlib
import io
import os
import threading
from concurrent import futures
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
LOOK_EVERY: Final = 16 << 20
"""Bytes of all uploads together between two looks at how much room is left."""

_CHUNK = 1 << 20
_counting = threading.Lock()
_since: dict[int, int] = {}  # bytes that came to a disk, by its number, since the last look
_SYNC_EVERY = 32 << 20  # bytes, and those of a file that is synced before its checks have ended
_AT_ONCE = 8  # digests and syncs
_SLOWEST = ("md5_digest", "blake2_256_digest", "sha256_digest")  # to the quickest
_LARGE = 128 << 10  # bytes from which on digests are computed side by side, and a file is checked as it lies on the disk


class _Digest(Protocol):
    def update(self, data: bytes | bytearray, /) -> None: ...
    def hexdigest(self) -> str: ...


class SpooledFile:
    """A file that comes piece by piece, under no name, in `folder` (None: the folder of the system).

    - Each byte is written once, and goes through each digest once. The sha256, which the store needs, and the digests that a
      form declares before its file are computed as it is written. One that is declared behind the file costs another reading.
    - Of large pieces the digests are computed side by side. A large file is synced while the rest of it comes and is checked;
      before anybody relies on its bytes, `settle` tells whether the disk took them.
    - All but `close` is for one thread at a time, and not for the event loop, as disks may be slow.
    """

    def __init__(self, folder: Path | None, announced: int, declared: Collection[str]) -> None:
        self.size = 0
        self._folder = folder
        self._announced = announced
        self._file: BinaryIO | None = None
        self._small: bytes | bytearray | None = None
        self._synced = 0
        self._syncing: futures.Future[None] | None = None
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
        self._small = data if not self.size and len(data) < _LARGE else None
        beside, own = self._shares(len(data))
        begun = [_threads().submit(one.update, data) for one in beside]
        try:
            check_growth(self.file.fileno(), len(data))
            self.file.write(data)
            for one in own:
                one.update(data)
        finally:
            futures.wait(begun)  # the bytes are for the caller again
        for each in begun:
            each.result()
        self.size += len(data)
        if self.size >= self._synced + _SYNC_EVERY:
            self.begin_sync()

    def begin_sync(self) -> None:
        """Begin to bring a large file to the disk in earnest, unless that is under way: who stores it has less to wait for."""
        if self.size < _SYNC_EVERY or not (self._syncing is None or self._syncing.done()):
            return
        self.settle()
        self._synced = self.size
        self.file.flush()
        self._syncing = _threads().submit(_sync, os.dup(self.file.fileno()))  # the file may be closed meanwhile

    def settle(self) -> None:
        """Wait for what was begun. Raises OSError for bytes that the disk did not take, which it tells once."""
        if self._syncing is not None:
            self._syncing.result()

    def _shares(self, size: int) -> tuple[list[_Digest], list[_Digest]]:
        """Which digests of so many bytes are computed in another thread, and in this one: md5 is nearly half of the work."""
        found = [self._found[field] for field in sorted(self._found, key=_SLOWEST.index)]
        return (found[:1], found[1:]) if size >= _LARGE and len(found) > 1 else ([], found)

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

    def to_check(self) -> BinaryIO:
        """The same for one check. A small file is read in memory: each look at a disk lets other threads go first."""
        small, self._small = self._small, None
        return self.opened() if small is None else io.BytesIO(small)

    def close(self) -> None:
        """Let go of the file, which no folder names."""
        if self._file is not None:
            self._file.close()


def check_room(folder: int | Path, more: int = 0) -> None:
    """Raise StorageError if `more` bytes leave less than the floor free on a disk.

    Some file systems do not say how large they are, such as one in memory without a bound: there a write tells.
    """
    found = os.statvfs(folder)
    if found.f_blocks and found.f_bavail * found.f_frsize < FLOOR + more:
        raise StorageError(
            "This server has no room for an upload.", "Free some, or set TMPDIR to a folder with room.", told=UNWRITABLE
        )


def check_growth(handle: int, more: int) -> None:
    """Look again, before `more` bytes are written to a file, if many came to its disk since the last look.

    The bytes of all uploads count together: each by itself may be small. Where there is no room, everybody looks each time.
    """
    disk = os.fstat(handle).st_dev
    with _counting:
        since = _since[disk] = _since.get(disk, 0) + more
    if since >= LOOK_EVERY:
        check_room(handle, more)
        with _counting:
            _since[disk] = 0


@functools.cache
def _threads() -> futures.ThreadPoolExecutor:
    """The threads beside those that write, for all uploads. Neither digests nor syncs keep the interpreter from others."""
    return futures.ThreadPoolExecutor(_AT_ONCE, "spool")


def _sync(handle: int) -> None:
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(field: str) -> _Digest:
    if field == "blake2_256_digest":
        return hashlib.blake2b(digest_size=32)
    # md5 is what old clients declare; here it tells a broken transfer, and guards nothing.
    return hashlib.new(DIGESTS[field][0], usedforsecurity=False)
