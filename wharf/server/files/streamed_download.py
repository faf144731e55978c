"""A file that is streamed to clients while it is downloaded.

The last byte is held back until the digest is known to be the recorded one: nobody ever has a whole file that is the wrong one.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

from wharf.errors import WharfError
from wharf.server.http import error_answers
from wharf.server.http.status_reason import send_answer

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from wharf.server.http.answer import FileAnswer

_CHUNK: Final = 256 << 10  # bytes that are sent at once, at most: each of many readers holds two of them


class StreamedDownload:
    """A file that is on its way. `available` bytes of it can be read from `handle`, which belongs to the value.

    - `file` is None until its size is known, and until then nothing is `available`.
    - Its last byte is not `available` before it is `whole`.
    - It is whole, or it has an `error`, or more comes; it ends once.
    - `tell` is for the thread that downloads. All else is for the event loop's thread.
    """

    def __init__(self, file: FileAnswer | None, handle: int) -> None:
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
        if self.file is None:
            return 0
        return self.file.size if self.whole else min(self._written, self.file.size - 1)

    @property
    def comes(self) -> bool:
        """Whether it has not ended yet."""
        return self.error is None and not self.whole

    async def begun(self) -> FileAnswer:
        """The file, once there is a byte of it, or all of an empty one. Raises what the download failed of."""
        await self.beyond(0)
        while self.file is None:
            await self._changed.wait()
        return self.file

    async def beyond(self, sent: int) -> int:
        """Wait until there is more than `sent`; how much. Raises what the download failed of."""
        while self.available <= sent and not self.whole:
            if self.error is not None:
                raise self.error
            await self._changed.wait()
        return self.available

    def tell(
        self, *, file: FileAnswer | None = None, written: int = 0, whole: bool = False, error: WharfError | None = None
    ) -> None:
        """From the thread that downloads: how far it is."""

        def note() -> None:
            self.file = file or self.file
            self._written += written
            self.whole, self.error = whole, error
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

        self._loop.call_soon_threadsafe(note)

    def __del__(self) -> None:
        os.close(self.handle)  # when neither a reader nor the download needs it any more


async def send_download(download: StreamedDownload, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a file while it comes. If it fails before its first byte, that is told; else the connection ends too early."""
    try:
        file = await download.begun()
    except WharfError as error:
        await send_answer(error_answers.failure(error), receive, send)
        return
    await send(file.start)
    sent = file.size if scope["method"] == "HEAD" else 0
    while sent < file.size:
        try:
            available = await download.beyond(sent)
        except WharfError:
            return  # the server closes the connection, and the client sees that it is cut off
        chunk = await asyncio.to_thread(os.pread, download.handle, min(_CHUNK, available - sent), sent)
        if not chunk:
            return  # somebody cut it short on the disk
        sent += len(chunk)
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
