"""Many files of a session in one request, from the connection to the disk.

The body is a JSON document in one line, which announces the files, and then their bytes in that order, with nothing between. So
what is refused by its name or size is refused before its bytes are read, and no byte has to be looked at to find an end.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Final

from wharf.assets.session_requests import MOST_BYTES, read_files
from wharf.errors import InvalidDistributionError, TooLargeError, UsageError
from wharf.operations.upload_session_batch import ComingFile, announce_batch
from wharf.operations.upload_session_files import Digests
from wharf.server.http.request_body import check_length, pieces
from wharf.server.sessions.incoming_bytes import SMALL, disk_told, write_all
from wharf.server.sessions.session_call import BODY_LIMIT
from wharf.server.web.background_writer import BackgroundWriter
from wharf.server.web.spooled_file import check_room

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from typing import BinaryIO

    from starlette.requests import Request

    from wharf.assets.upload_session import UploadSession
    from wharf.server.sessions.session_work import Work

MEDIA_TYPE: Final = "application/vnd.wharf.files.v1"
"""Of such a body."""

_BUFFER = 128 << 10  # bytes in memory before they are written
_REMEDY = "Send a JSON document in one line, and then the bytes of the files that it names."


class IncomingBatch:
    """The files of one batch. `first` is what has come of their bytes. For one thread at a time, and not for the event loop."""

    def __init__(self, come: Sequence[ComingFile], first: bytes) -> None:
        self.come = [*come]
        self.first = first
        self._left = [each.file.size for each in come]
        self._at = 0
        self._target: BinaryIO | None = None
        self._keeps = False

    @classmethod
    def begin(cls, work: Work, session: UploadSession, head: bytes, limit: int) -> IncomingBatch:
        """The batch that a body begins. Raises UsageError, what `announce_batch` raises, and StorageError without room."""
        line, end, first = head.partition(b"\n")
        if not end or len(line) > BODY_LIMIT:
            raise UsageError(f"The request does not begin with a line of {BODY_LIMIT >> 10} KiB at most.", _REMEDY)
        files = announce_batch(work.store, session, read_files(line), work.snapshot(), limit)
        come = [ComingFile(each, work.store.scratch(session.id), Digests(each.hashes)) for each in files]
        with disk_told(come[0].path):
            check_room(come[0].path.parent, sum(each.size for each in files))
        return cls(come, first)

    def write_all(self) -> None:
        """Write `first`, which is all that comes. The checks read the bytes where they are."""
        self._keeps = True
        self.write(self.first)

    def write(self, data: bytes | bytearray) -> None:
        """Write more of the bytes. Raises InvalidDistributionError for more than were announced, and StorageError."""
        view = memoryview(data)
        while view:
            if self._at == len(self.come):
                raise InvalidDistributionError("The request has more bytes than its files have.", _REMEDY)
            piece = view[: self._left[self._at]]
            self._write_one(piece)
            view = view[len(piece) :]

    def _write_one(self, piece: memoryview) -> None:
        one = self.come[self._at]
        with disk_told(one.path):
            if self._target is None:
                self._target = one.path.open("xb", 0)
            write_all(self._target, piece, one.digests)
        if self._keeps and len(piece) == one.file.size:
            self.come[self._at] = dataclasses.replace(one, data=bytes(piece))
        self._left[self._at] -= len(piece)
        if not self._left[self._at]:
            self._target.close()
            self._target = None
            self._at += 1

    def end(self) -> Sequence[ComingFile]:
        """The files, of which all bytes are there. Raises InvalidDistributionError if some are not."""
        if self._at < len(self.come):
            raise InvalidDistributionError("The request ends before the bytes of all its files came.", "Send all of it again.")
        return self.come

    def delete(self) -> None:
        """Delete what did not get its place in the store."""
        if self._target is not None:
            self._target.close()
        for each in self.come:
            with contextlib.suppress(OSError):  # it goes with the rest of the session
                each.path.unlink()


def body_of(request: Request) -> AsyncIterator[bytes]:
    """The body of a batch, as it comes. Raises what a body can raise, and TooLargeError before a byte of a longer one."""
    most = MOST_BYTES + BODY_LIMIT
    too_long = TooLargeError(
        f"One request takes {MOST_BYTES >> 20} MiB of files at most.",
        "Send the files in several requests, and a large one by itself.",
    )
    check_length(request, most, too_long)
    return pieces(request, most, too_long)


async def head_of(body: AsyncIterator[bytes]) -> tuple[bytes, bool]:
    """The first pieces of a body, and whether they are all of it, as those of a small one are."""
    head = bytearray()
    async for piece in body:
        head += piece
        if len(head) >= SMALL:
            return bytes(head), False
    return bytes(head), True


async def written(batch: IncomingBatch, body: AsyncIterator[bytes]) -> None:
    """Write the rest of a body. While a piece of it is written, the next ones come. Raises what both can raise."""
    writer, buffer = BackgroundWriter(batch.write), bytearray(batch.first)
    batch.first = b""
    try:
        async for piece in body:
            buffer += piece
            if len(buffer) >= _BUFFER:
                full, buffer = buffer, bytearray()
                await writer.put(full)
        await writer.put(buffer)
        await writer.end()
    except BaseException:
        await writer.give_up()  # or a file would be written after it was deleted
        raise
