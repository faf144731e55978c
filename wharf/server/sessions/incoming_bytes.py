"""The bytes of a file on their way from the connection to the disk: bounded, and all digests in one pass."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Final

from wharf.errors import InvalidDistributionError, NotFoundError, StorageError, TooLargeError
from wharf.operations.upload_session_files import Digests
from wharf.server.http.request_body import check_length, pieces
from wharf.server.web.spooled_file import check_growth, check_room
from wharf.server.web.upload_slots import UploadSlots
from wharf.system import disk_remedies

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from starlette.requests import Request

    from wharf.assets.upload_session import SessionFile

SMALL: Final = 256 << 10
"""Bytes of a file of which the first are taken before anything is done. Mostly those are all, and need one thread."""

_BUFFER = 128 << 10  # bytes in memory before they are written


class IncomingBytes:
    """Those of one server; `slots` bound how many come at the same time. All methods are for the event loop's thread."""

    def __init__(self) -> None:
        self.slots = UploadSlots()

    async def first(self, request: Request, uploader: str) -> tuple[bytes, bool]:
        """The first piece of a small body, and whether that is all of it. Of a large one nothing is read.

        Raises BusyError, and what a body can raise.
        """
        too_long = TooLargeError("The file comes with more bytes than its Content-Length says.", "Send it again.")
        length = check_length(request, sys.maxsize, too_long)
        if length is None or length > SMALL:
            return b"", False
        with self.slots.one(uploader):
            first = await anext(pieces(request, length, too_long), b"")
        return first, len(first) == length

    async def take(self, request: Request, uploader: str, file: SessionFile, path: Path, first: bytes) -> Digests:
        """Write the body of a request to a new file at `path`, with the digests that were announced. `first` of it is here.

        Raises InvalidDistributionError for another length than was announced, BusyError, and what a body can raise. The caller
        deletes the file.
        """
        too_long = _too_long(file)
        length = check_length(request, file.size, too_long)
        if length is not None:
            _check_size(file, length, too_long)
        with self.slots.one(uploader), disk_told(path):
            return await _written(first, pieces(request, file.size - len(first), too_long), file, path)


def write_whole(body: bytes, file: SessionFile, path: Path) -> Digests:
    """The same as `take` for bytes that are there. For a thread."""
    _check_size(file, len(body), _too_long(file))
    digests = Digests(file.hashes)
    with disk_told(path):
        check_room(path.parent, file.size)
        with path.open("xb", 0) as target:
            write_all(target, body, digests)
    return digests


def _check_size(file: SessionFile, length: int, too_long: TooLargeError) -> None:
    if length > file.size:
        raise too_long
    if length != file.size:
        raise InvalidDistributionError(
            f"{file.filename} comes with {length} bytes instead of {file.size}.", "Send all of its bytes."
        )


def _too_long(file: SessionFile) -> TooLargeError:
    return TooLargeError(
        f"{file.filename} comes with more than the {file.size} bytes that were announced.",
        "Announce its size, and send it again.",
    )


@contextlib.contextmanager
def disk_told(path: Path) -> Iterator[None]:
    """Say what it means that the disk does not take the bytes."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError("The upload session is not there any more.", "Begin another one.") from error
    except OSError as error:
        raise StorageError(f"{path.parent} cannot be used: {error.strerror}.", disk_remedies.hint(error)) from error


async def _written(first: bytes, body: AsyncIterator[bytes], file: SessionFile, path: Path) -> Digests:
    digests, buffer = Digests(file.hashes), bytearray(first)
    await asyncio.to_thread(check_room, path.parent, file.size)
    with contextlib.closing(await asyncio.to_thread(path.open, "xb", 0)) as target:
        async for piece in body:
            buffer += piece
            if len(buffer) >= _BUFFER:
                full, buffer = buffer, bytearray()
                await asyncio.to_thread(write_all, target, full, digests)
        await asyncio.to_thread(write_all, target, buffer, digests)
    return digests


def write_all(target: BinaryIO, data: bytes | bytearray | memoryview, digests: Digests) -> None:
    """Write bytes, and have them digested. Raises StorageError without room, and OSError."""
    check_growth(target.fileno(), len(data))
    digests.update(data)
    view = memoryview(data)
    while view:
        view = view[target.write(view) :]
