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
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from wharf.errors import StorageError, WharfError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wharf.releases import Releases
    from wharf.server.answer import FileAnswer
    from wharf.server.links import Linked

log = logging.getLogger("wharf")

DOWNLOADS: Final = 8
"""Files that are fetched at the same time."""


class Growing:
    """A file that is on its way. `available` bytes of it can be read from `handle`, which belongs to the value."""

    def __init__(self, file: FileAnswer, handle: int) -> None:
        self.file = file
        self.handle = handle
        self.error: WharfError | None = None
        self.whole = False
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
    """The cache in `folder`, of at most `budget` bytes."""

    def __init__(self, releases: Releases, folder: Path, budget: int) -> None:
        self._releases = releases
        self._folder = folder
        self._budget = budget
        self._growing: dict[Path, Growing] = {}
        self._pool = ThreadPoolExecutor(DOWNLOADS, "download")

    def path(self, sha256: str) -> Path:
        """Where the bytes of that digest lie, if they do."""
        return self._folder / sha256

    async def open(self, linked: Linked) -> FileAnswer | Growing:
        """The file as it lies in the cache, or as it comes. Raises StorageError, as for a full disk."""
        path = linked.file.path
        growing = self._growing.get(path)
        if growing is not None:
            return growing
        try:
            os.utime(path)  # what is used stays
        except FileNotFoundError:
            pass
        else:
            return linked.file
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        with _told(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        growing = self._growing[path] = Growing(linked.file, handle)
        task = asyncio.get_running_loop().run_in_executor(self._pool, self._download, linked, growing, part)
        task.add_done_callback(lambda _task: self._growing.pop(path))
        return growing

    def _download(self, linked: Linked, growing: Growing, part: Path) -> None:
        try:
            with _told(self._folder):
                self._write(linked, growing)
                if growing.file.size <= self._budget:
                    self._make_room(growing.file.size)
                    part.rename(growing.file.path)
            growing.tell(whole=True)
        except WharfError as error:
            log.error("%s: %s", growing.file.path.name, error.message)  # noqa: TRY400 - the cause is in the message
            growing.tell(error=StorageError(error.message, error.hint))  # whatever it is, it is not the client's fault
        finally:
            part.unlink(missing_ok=True)

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
            raise StorageError("GitHub gave other bytes than the index records.", "`wharf verify` tells more.")

    def _chunks(self, linked: Linked) -> Iterator[bytes]:
        github = self._releases.github
        with github.asset(linked.place.asset, slug=linked.place.repository) as found:
            if not isinstance(found, str):
                yield from found.chunks
                return
        with github.open(found) as download:
            yield from download.chunks

    def _make_room(self, size: int) -> None:
        """Delete what was not used for longest, and what a server that died left behind."""
        kept = []
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                kept.append((path.stat().st_mtime, path.stat().st_size, path))
        total = sum(each[1] for each in kept if each[2].suffix != ".part") + size
        for _, one, path in sorted(kept):
            if total <= self._budget:
                return
            if path.suffix != ".part":
                path.unlink(missing_ok=True)
                total -= one


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"The cache {folder} cannot be used: {error.strerror}.", "Free some room there.") from error
