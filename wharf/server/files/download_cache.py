"""Files that pass through the server, from GitHub or from an upstream index, and are kept on disk."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from wharf.errors import NotFoundError, QuotaError, StorageError, WharfError
from wharf.server.access.borrowed_tokens import as_server_error
from wharf.server.daemon_threads import DaemonThreads
from wharf.server.files.cache_folder import CacheFolder
from wharf.server.files.signed_links import GONE, PAUSE
from wharf.server.files.streamed_download import StreamedDownload
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from wharf.server.http.answer import FileAnswer

log = logging.getLogger("wharf")

DOWNLOADS: Final = 8
"""Files that are fetched at the same time."""
WAITING: Final = 64
"""Files on their way, also those whose turn has not come: each has a file open, and who gives them may hang."""
UNTOLD: Final = 8 << 30
"""Bytes of a file at most whose size nobody tells before it comes."""

_READING = 4  # files of the folder that are read at the same time, before they are used
_LOOK = 16 << 20  # bytes of a file after which there is another look at what is left of the disk
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file that is fetched if it is not in the cache.

    `size` is None where it is not known before the file comes. `answer` is what is sent of a file of that size which lies at a
    path. `fetch` gets the bytes: it calls what it is given with their number, as far as that is known, and the bytes. It runs
    in a thread of its own, and raises WharfError. `source` tells several who may give a file apart. `name` is for the log.
    """

    sha256: str
    size: int | None
    answer: Callable[[Path, int], FileAnswer]
    fetch: Callable[[Callable[[int | None, Iterable[bytes]], None]], None]
    source: str = ""
    name: str = ""

    @property
    def key(self) -> _Key:
        """What is downloaded once."""
        return self.source, self.sha256


class _WrongBytesError(StorageError):
    """What came is not what was announced."""


class DownloadCache:
    """The cache in `folder`, of at most `budget` bytes, of what `giver` gives (its name in sentences).

    - A file is downloaded once for all who want it meanwhile, and all of them read what is there while it comes.
    - A file lies in the folder only if it is whole and has the announced digest; what else holds there, `CacheFolder` says. One
      that this process did not write, or that changed, is read before it is used.
    - A file for which there is no room passes through all the same, and nothing is left of it.
    - A download that failed is not tried again for a while, or each try of a client would be one at the giver. `clock` is in
      seconds.
    - At most `at_once` files of a source are downloaded at the same time, and `waiting` are on their way. A source that is
      slow, or gives wrong bytes, keeps nobody from the files of another one, nor from those in the folder.
    - `open` is for the event loop's thread; each download runs in its own thread.
    """

    def __init__(
        self,
        folder: Path,
        budget: int,
        *,
        giver: str,
        at_once: int = DOWNLOADS,
        waiting: int | None = None,
        clock: Callable[[], float] = elapsed,
    ) -> None:
        self.folder = folder
        self._folder = CacheFolder(folder, budget)
        self._giver = giver
        self._clock = clock
        self._downloading: dict[_Key, StreamedDownload] = {}
        # Not in the folder, and still read by somebody:
        self._passing: WeakValueDictionary[_Key, StreamedDownload] = WeakValueDictionary()
        self._failed: dict[_Key, tuple[WharfError, float]] = {}
        self._checking: dict[str, asyncio.Task[bool]] = {}
        self._tasks: dict[StreamedDownload, asyncio.Task[None]] = {}
        self._waiting = WAITING if waiting is None else waiting
        self._at_once = at_once
        self._turns: WeakValueDictionary[str, DaemonThreads] = WeakValueDictionary()  # of sources that something is asked of
        self._reading = DaemonThreads("check", _READING)

    async def open(self, wanted: Wanted) -> FileAnswer | StreamedDownload:
        """The file as it lies in the cache, or as it comes. Raises StorageError, as for a full disk."""
        key = wanted.key
        with self._folder.errors_told():
            path = self._folder.path / wanted.sha256
            if (status := self._folder.status(path, wanted.size)) and not self._folder.checked.has(path, status):
                await self._check(path)
            if whole := self._whole(wanted.sha256):
                await asyncio.wait({self._tasks[whole]})  # it is about to be kept, and then parts of it can be sent, too
            download = self._downloading.get(key) or self._passing.get(key)
            if download is not None and download.error is None and not (download.whole and download.kept):
                return download  # one that is whole and kept is in the folder
            status = self._folder.status(path, wanted.size)
            if status is not None and self._folder.checked.has(path, status):
                self._folder.use(path, status)
                return wanted.answer(path, status.st_size)
            if download is not None and download.error is not None and download.again > self._clock():
                raise download.error.with_traceback(None)
            self._let_alone(key)
            if sum(key[0] == wanted.source and each.comes for key, each in self._downloading.items()) >= self._waiting:
                raise StorageError(f"More files are asked for than {self._giver} gives at a time.", "Try again in a moment.")
            part, handle = self._folder.new_part(path)
        file = None if wanted.size is None else wanted.answer(path, wanted.size)
        download = self._downloading[key] = StreamedDownload(file, handle)
        turns = self._turns.setdefault(wanted.source, DaemonThreads("download", self._at_once))
        task = asyncio.create_task(turns.run(partial(self._download, wanted, download, path, part)))
        self._tasks[download] = task

        def done(task: asyncio.Task[None]) -> None:
            del self._tasks[download]
            if self._downloading.get(key) is download:
                del self._downloading[key]
                if download.whole and not download.kept:
                    self._passing[key] = download
            if download.error is not None:
                self._failed[key] = download.error, download.again

        task.add_done_callback(done)
        return download

    async def _check(self, path: Path) -> None:
        """Read a file that is in the folder, once for all who want it meanwhile."""
        task = self._checking.get(path.name)
        if task is None:
            task = self._checking[path.name] = asyncio.create_task(self._reading.run(partial(self._folder.checked.check, path)))
            task.add_done_callback(lambda _task: self._checking.pop(path.name))
        if not await asyncio.shield(task):
            log.warning("%s in the cache has other bytes than its name says. It is fetched again.", path.name)

    def _whole(self, sha256: str) -> StreamedDownload | None:
        """A download of that file, from whatever source, that is whole and not yet in the folder."""
        return next((each for key, each in self._downloading.items() if key[1] == sha256 and each.whole), None)

    def _let_alone(self, key: _Key) -> None:
        """Raise what a download failed of a moment ago."""
        now = self._clock()
        for each in [each for each, (_, until) in self._failed.items() if until <= now]:
            del self._failed[each]
        if key in self._failed:
            raise self._failed[key][0].with_traceback(None)

    def _download(self, wanted: Wanted, download: StreamedDownload, path: Path, part: Path) -> None:
        arrival = _Arrival(wanted, download, self._folder, path, part, self._giver)
        error: WharfError | None = StorageError("A fault in wharf ended the download.", "")
        try:
            with self._folder.errors_told():
                os.utime(part)  # it may have waited for its turn
                wanted.fetch(arrival.write)
            error = None
        except WharfError as failed:
            log.error("%s: %s", wanted.name or wanted.sha256, failed.message)  # noqa: TRY400 - the cause is in the message
            download.again = self._clock() + self._pause(failed)
            error = as_server_error(failed)
        finally:
            try:
                download.tell(whole=error is None, error=error)
                if error is None:
                    arrival.keep()
            finally:
                arrival.end()

    def _pause(self, failed: WharfError) -> float:
        """Seconds for which a download is let alone that failed so."""
        if isinstance(failed, (NotFoundError, _WrongBytesError)):
            return GONE
        if isinstance(failed, QuotaError):
            return 0.0  # nothing is sent before its end; and then at once
        return PAUSE


class _Arrival:
    """The bytes of one download, as they are written to a part of a file and counted. All of it runs in one thread."""

    def __init__(
        self, wanted: Wanted, download: StreamedDownload, folder: CacheFolder, path: Path, part: Path, giver: str
    ) -> None:
        self._wanted = wanted
        self._download = download
        self._folder = folder
        self._path = path
        self._part = part
        self._giver = giver
        self._reserved: int | None = None

    def write(self, told: int | None, chunks: Iterable[bytes]) -> None:
        """Write what comes, `told` bytes as far as the giver says so. Raises StorageError for other bytes than announced."""
        size = told if self._wanted.size is None else self._wanted.size
        if told is not None and told != size:
            raise self._wrong()
        if size is not None:
            self._expect(size)
        digest, count, looked = hashlib.sha256(), 0, _LOOK
        for chunk in chunks:
            count += len(chunk)
            if count >= looked:
                self._folder.leave_some_free()
                looked = count + _LOOK
            if count > (UNTOLD if size is None else size):
                raise self._wrong()
            digest.update(chunk)
            left = memoryview(chunk)
            while left:
                left = left[os.write(self._download.handle, left) :]
            self._download.tell(written=len(chunk))
        if digest.hexdigest() != self._wanted.sha256 or count != (count if size is None else size):
            raise self._wrong()
        if size is None:
            self._expect(count)

    def _expect(self, size: int) -> None:
        """The size is known: make room, and let readers begin."""
        if self._reserved is None and self._folder.reserve(size):
            self._reserved = size
        if self._reserved is None:
            self._part.unlink(missing_ok=True)  # nothing is left of it when its last reader has gone, however that comes about
        self._download.tell(file=self._wanted.answer(self._path, size))

    def keep(self) -> None:
        """Have the file in the cache, if there is room. All who wait for its end have it already."""
        if self._reserved is not None:
            try:
                with self._folder.errors_told():
                    os.fsync(self._download.handle)  # or a crash of the machine leaves other bytes of the right size
                    self._part.rename(self._path)
                    self._folder.checked.note(self._path, os.fstat(self._download.handle))
            except StorageError as error:
                log.error("%s", error.message)  # noqa: TRY400 - the cause is in the message
            else:
                self._download.kept = True

    def end(self) -> None:
        """Leave nothing behind."""
        if self._reserved is not None:
            self._folder.give_back(self._reserved)
        self._part.unlink(missing_ok=True)

    def _wrong(self) -> _WrongBytesError:
        hint = "`wharf verify` tells more." if self._giver == "GitHub" else "Tell the operators of that index."
        return _WrongBytesError(
            f"{self._giver} gave other bytes than the index records.",
            hint,
            told=f"{self._giver} gave other bytes than the index records. The server does not pass them on.",
        )
