"""Files at GitHub that pass through the server, for clients that may not reach its storage, and are kept on disk."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
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
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from wharf.github.release_store import Releases
    from wharf.server.access.borrowed_tokens import BorrowedTokens
    from wharf.server.files.github_file import GitHubFile
    from wharf.server.http.answer import FileAnswer

log = logging.getLogger("wharf")

DOWNLOADS: Final = 8
"""Files that are fetched at the same time."""
WAITING: Final = 64
"""Files on their way, also those whose turn has not come: each has a file open, and GitHub may hang."""


class _WrongBytesError(StorageError):
    """What GitHub has is not what the index records."""

    told = "GitHub gave other bytes than the index records. The server does not pass them on."


class DownloadCache:
    """The cache in `folder`, of at most `budget` bytes.

    - A file is downloaded once for all who want it meanwhile, and all of them read what is there while it comes.
    - A file lies in the folder only if it is whole and has the recorded digest; what else holds there, `CacheFolder` says.
    - A file for which there is no room passes through all the same, and nothing is left of it.
    - A download that failed is not tried again for a while, or each try of a client would be one at GitHub. `clock` is in
      seconds.
    - At most `DOWNLOADS` files are downloaded at the same time, and `WAITING` are on their way.
    - `open` is for the event loop's thread; each download runs in its own thread.
    """

    def __init__(
        self,
        releases: Releases,
        borrowed: BorrowedTokens,
        folder: Path,
        budget: int,
        *,
        clock: Callable[[], float] = elapsed,
    ) -> None:
        self._releases = releases
        self._borrowed = borrowed
        self._folder = CacheFolder(folder, budget)
        self._clock = clock
        self._downloading: dict[Path, StreamedDownload] = {}
        # Not kept, and still read by somebody:
        self._passing: WeakValueDictionary[Path, StreamedDownload] = WeakValueDictionary()
        self._failed: dict[Path, tuple[WharfError, float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = DaemonThreads("download", DOWNLOADS)

    async def open(self, github_file: GitHubFile) -> FileAnswer | StreamedDownload:
        """The file as it lies in the cache, or as it comes. Raises StorageError, as for a full disk."""
        path = github_file.file.path
        download = self._downloading.get(path) or self._passing.get(path)
        if download is not None and download.error is None and not (download.whole and download.kept):
            return download  # one that is whole and kept is in the folder
        self._let_alone(path)
        with self._folder.errors_told():
            if self._folder.use(path, github_file.file.size):
                return github_file.file
            if len(self._downloading) >= WAITING:
                raise StorageError("More files are asked for than GitHub gives at a time.", "Try again in a moment.")
            part, handle = self._folder.new_part(path)
        download = self._downloading[path] = StreamedDownload(github_file.file, handle)
        task = asyncio.create_task(self._threads.run(partial(self._download, github_file, download, part)))
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.remove(task)
            if self._downloading.get(path) is download:
                del self._downloading[path]
                if download.whole and not download.kept:
                    self._passing[path] = download
            if download.error is not None:
                self._failed[path] = download.error, download.again

        task.add_done_callback(done)
        return download

    def _let_alone(self, path: Path) -> None:
        """Raise what a download failed of a moment ago."""
        now = self._clock()
        for each in [each for each, (_, until) in self._failed.items() if until <= now]:
            del self._failed[each]
        if path in self._failed:
            raise self._failed[path][0].with_traceback(None)

    def _download(self, github_file: GitHubFile, download: StreamedDownload, part: Path) -> None:
        error: WharfError | None = StorageError("A fault in wharf ended the download.", "")
        size = download.file.size
        try:
            with self._folder.errors_told():
                os.utime(part)  # it may have waited for its turn
                download.kept = self._folder.reserve(size)
                if not download.kept:
                    part.unlink()  # nothing is left of it when its last reader has gone, however that comes about
                self._borrowed.run(lambda: self._write(github_file, download))
                if download.kept:
                    part.rename(download.file.path)
            error = None
        except WharfError as failed:
            log.error("%s: %s", download.file.path.name, failed.message)  # noqa: TRY400 - the cause is in the message
            download.again = self._clock() + self._pause(failed)
            error = as_server_error(failed)
        finally:
            if download.kept:
                self._folder.give_back(size)
            part.unlink(missing_ok=True)
            download.tell(whole=error is None, error=error)

    def _pause(self, failed: WharfError) -> float:
        """Seconds for which a download is let alone that failed so."""
        if isinstance(failed, (NotFoundError, _WrongBytesError)):
            return GONE
        if isinstance(failed, QuotaError):
            return 0.0  # nothing is sent before its end; and then at once
        return PAUSE

    def _write(self, github_file: GitHubFile, download: StreamedDownload) -> None:
        digest, size = hashlib.sha256(), 0
        for chunk in self._chunks(github_file):
            size += len(chunk)
            if size > download.file.size:
                break
            digest.update(chunk)
            left = memoryview(chunk)
            while left:
                left = left[os.write(download.handle, left) :]
            download.tell(written=len(chunk))
        if digest.hexdigest() != download.file.path.name or size != download.file.size:
            raise _WrongBytesError("GitHub gave other bytes than the index records.", "`wharf verify` tells more.")

    def _chunks(self, github_file: GitHubFile) -> Iterator[bytes]:
        github = self._releases.github
        with github.asset(github_file.place.asset, slug=github_file.place.repository) as found:
            if not isinstance(found, str):
                yield from found.chunks
                return
        with github.open(found) as download:
            yield from download.chunks
