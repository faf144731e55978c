"""Files of GitHub's that pass through the server, for clients that may not reach its storage.

A file is fetched once into a cache on disk, which is bounded in bytes, and all who want it read what is there while it grows.
The last byte is held back until the digest is known to be the recorded one: nobody ever has a whole file that is the wrong one.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import secrets
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from wharf.errors import UNWRITABLE, NotFoundError, OddFileError, QuotaError, StorageError, WharfError
from wharf.model import is_sha256
from wharf.server.access.borrowed_tokens import servers_own
from wharf.server.files.signed_links import GONE, PAUSE
from wharf.server.github_threads import Outside
from wharf.system import disk_remedies, owner_only_folder, regular_file
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from wharf.github.release_store import Releases
    from wharf.server.access.borrowed_tokens import Lending
    from wharf.server.files.signed_links import Linked
    from wharf.server.http.answer import FileAnswer

log = logging.getLogger("wharf")

DOWNLOADS: Final = 8
"""Files that are fetched at the same time."""
WAITING: Final = 64
"""Files on their way, also those whose turn has not come: each has a file open, and GitHub may hang."""
DEAD: Final = 600.0
"""Seconds after which a part that nobody wrote to is what a server that died left behind: a read waits for 60 at most."""


class _WrongBytesError(StorageError):
    """What GitHub has is not what the index records."""

    told = "GitHub gave other bytes than the index records. The server does not pass them on."


class Growing:
    """A file that is on its way. `available` bytes of it can be read from `handle`, which belongs to the value."""

    def __init__(self, file: FileAnswer, handle: int) -> None:
        self.file = file
        self.handle = handle
        self.error: WharfError | None = None
        self.whole = False
        self.kept = False  # whether it goes into the cache
        self.again = 0.0  # when it is worth another try, if it failed
        self._written = 0
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    @property
    def available(self) -> int:
        """Bytes that may be given out."""
        return self.file.size if self.whole else min(self._written, self.file.size - 1)

    async def beyond(self, sent: int) -> int:
        """Wait until there is more than `sent`; how much. Raises what the download failed of."""
        while self.available <= sent and not self.whole:
            if self.error is not None:
                raise self.error
            await self._changed.wait()
        return self.available

    def tell(self, *, written: int = 0, whole: bool = False, error: WharfError | None = None) -> None:
        """From the thread that downloads: how far it is."""

        def note() -> None:
            self._written += written
            self.whole, self.error = whole, error
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

        self._loop.call_soon_threadsafe(note)

    def __del__(self) -> None:
        os.close(self.handle)  # when neither a reader nor the download needs it any more


class Through:
    """The cache in `folder`, of at most `budget` bytes; a file for which there is no room in it passes through all the same.

    `clock` is in seconds: a download that failed is let alone for a while, or each try of a client would be one at GitHub.
    """

    def __init__(
        self,
        releases: Releases,
        lending: Lending,
        folder: Path,
        budget: int,
        *,
        clock: Callable[[], float] = elapsed,
    ) -> None:
        self._releases = releases
        self._lending = lending
        self._folder = folder
        self._budget = budget
        self._clock = clock
        self._growing: dict[Path, Growing] = {}
        self._passing: WeakValueDictionary[Path, Growing] = WeakValueDictionary()  # not kept, and still read by somebody
        self._failed: dict[Path, tuple[WharfError, float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._outside = Outside("download", DOWNLOADS)
        self._lock = threading.Lock()
        self._coming = 0  # bytes of the files that are on their way and will be kept

    async def open(self, linked: Linked) -> FileAnswer | Growing:
        """The file as it lies in the cache, or as it comes. Raises StorageError, as for a full disk."""
        path = linked.file.path
        growing = self._growing.get(path) or self._passing.get(path)
        if growing is not None and growing.error is None and not (growing.whole and growing.kept):  # else it is in the cache
            return growing
        self._let_alone(path)
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        with _told(self._folder):
            if _is_whole(path, linked.file.size):
                os.utime(path)  # what is used stays
                return linked.file
            if len(self._growing) >= WAITING:
                raise StorageError("More files are asked for than GitHub gives at a time.", "Try again in a moment.")
            owner_only_folder.make(self._folder)  # a private index is nobody else's to read
            handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        growing = self._growing[path] = Growing(linked.file, handle)
        task = asyncio.create_task(self._outside.run(partial(self._download, linked, growing, part)))
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.remove(task)
            if self._growing.get(path) is growing:
                del self._growing[path]
                if growing.whole and not growing.kept:
                    self._passing[path] = growing
            if growing.error is not None:
                self._failed[path] = growing.error, growing.again

        task.add_done_callback(done)
        return growing

    def _let_alone(self, path: Path) -> None:
        """Raise what a download failed of a moment ago."""
        now = self._clock()
        for each in [each for each, (_, until) in self._failed.items() if until <= now]:
            del self._failed[each]
        if path in self._failed:
            raise self._failed[path][0].with_traceback(None)

    def _download(self, linked: Linked, growing: Growing, part: Path) -> None:
        error: WharfError | None = StorageError("The download ended by a fault of wharf's.", "")
        size = growing.file.size
        try:
            with _told(self._folder):
                os.utime(part)  # it may have waited for its turn
                growing.kept = self._make_room(size)
                if not growing.kept:
                    part.unlink()  # nothing is left of it when its last reader has gone, however that comes about
                self._lending.run(lambda: self._write(linked, growing))
                if growing.kept:
                    part.rename(growing.file.path)
            error = None
        except WharfError as failed:
            log.error("%s: %s", growing.file.path.name, failed.message)  # noqa: TRY400 - the cause is in the message
            growing.again = self._clock() + self._pause(failed)
            error = servers_own(failed)
        finally:
            if growing.kept:
                with self._lock:
                    self._coming -= size
            part.unlink(missing_ok=True)
            growing.tell(whole=error is None, error=error)

    def _pause(self, failed: WharfError) -> float:
        """Seconds for which a download is let alone that failed so."""
        if isinstance(failed, (NotFoundError, _WrongBytesError)):
            return GONE
        if isinstance(failed, QuotaError):
            return 0.0  # nothing is sent before its end; and then at once
        return PAUSE

    def _write(self, linked: Linked, growing: Growing) -> None:
        digest, size = hashlib.sha256(), 0
        for chunk in self._chunks(linked):
            size += len(chunk)
            if size > growing.file.size:
                break
            digest.update(chunk)
            left = memoryview(chunk)
            while left:
                left = left[os.write(growing.handle, left) :]
            growing.tell(written=len(chunk))
        if digest.hexdigest() != growing.file.path.name or size != growing.file.size:
            raise _WrongBytesError("GitHub gave other bytes than the index records.", "`wharf verify` tells more.")

    def _chunks(self, linked: Linked) -> Iterator[bytes]:
        github = self._releases.github
        with github.asset(linked.place.asset, slug=linked.place.repository) as found:
            if not isinstance(found, str):
                yield from found.chunks
                return
        with github.open(found) as download:
            yield from download.chunks

    def _make_room(self, size: int) -> bool:
        """Book `size` bytes; for them, delete what was not used for longest. False: there is no room for so much.

        What a server that died left behind is deleted too.
        """
        with self._lock:
            kept = []
            for path in self._folder.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    found = path.lstat()
                    if path.suffix == ".part" and found.st_mtime < time.time() - DEAD:
                        path.unlink()
                    elif is_sha256(path.name):
                        kept.append((found.st_mtime_ns, found.st_size, path))
            if self._coming + size > self._budget:
                return False
            self._coming += size
            total = sum(each[1] for each in kept) + self._coming
            for _, one, path in sorted(kept):
                if total <= self._budget:
                    break
                path.unlink(missing_ok=True)
                total -= one
            return True


def _is_whole(path: Path, size: int) -> bool:
    """Whether the file is in the cache: a crash of the machine can cut one short, and a link to one is none."""
    try:
        return regular_file.status_of(path).st_size == size
    except (FileNotFoundError, OddFileError):
        return False


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = disk_remedies.disk(error, disk_remedies.CACHE)
        raise StorageError(f"The cache {folder} cannot be used: {error.strerror}.", hint, told=UNWRITABLE) from error
