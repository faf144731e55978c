"""The bytes of a file on their way from the connection to the disk: bounded, and all digests in one pass."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from wharf.errors import BusyError, InvalidDistributionError, NotFoundError, StorageError, TooLargeError
from wharf.operations.upload_session_files import Digests
from wharf.server.http.request_body import check_length, pieces
from wharf.server.web.spooled_file import check_room
from wharf.system import disk_remedies

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from typing import BinaryIO

    from starlette.requests import Request

    from wharf.assets.upload_session import SessionFile

AT_ONCE: Final = 128
"""Files that may come at the same time: each holds up to half a megabyte of memory."""

_BUFFER = 128 << 10  # bytes in memory before they are written
_LOOK_EVERY = 16 << 20  # bytes between two looks at how much room is left


class IncomingBytes:
    """Those of one server. All methods are for the event loop's thread."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._left = at_once

    @property
    def busy(self) -> bool:
        """Whether as many come as may."""
        return self._left < 1

    async def take(self, request: Request, file: SessionFile, path: Path) -> Digests:
        """Write the body of a request to a new file at `path`, with the digests that were announced.

        Raises InvalidDistributionError for another length than was announced, BusyError, and what a body can raise. The caller
        deletes the file.
        """
        too_long = TooLargeError(
            f"{file.filename} comes with more than the {file.size} bytes that were announced.",
            "Announce its size, and send it again.",
        )
        length = check_length(request, file.size, too_long)
        if length is not None and length != file.size:
            raise InvalidDistributionError(
                f"{file.filename} comes with {length} bytes instead of {file.size}.", "Send all of its bytes."
            )
        if self.busy:
            raise BusyError("Too many uploads are under way.", "Try again in a moment.")
        self._left -= 1
        try:
            return await _written(pieces(request, file.size, too_long), file, path)
        except FileNotFoundError as error:
            raise NotFoundError("The upload session is not there any more.", "Begin another one.") from error
        except OSError as error:
            raise StorageError(f"{path.parent} cannot be used: {error.strerror}.", disk_remedies.hint(error)) from error
        finally:
            self._left += 1


async def _written(body: AsyncIterator[bytes], file: SessionFile, path: Path) -> Digests:
    digests, buffer, looked = Digests(file.hashes), bytearray(), 0
    await asyncio.to_thread(check_room, path.parent, file.size)
    with contextlib.closing(await asyncio.to_thread(path.open, "xb", 0)) as target:
        async for piece in body:
            buffer += piece
            if len(buffer) >= _BUFFER:
                full, buffer = buffer, bytearray()
                await asyncio.to_thread(_write, target, full, digests)
                if digests.size >= looked + _LOOK_EVERY:
                    looked = digests.size
                    await asyncio.to_thread(check_room, path.parent)
        await asyncio.to_thread(_write, target, buffer, digests)
    return digests


def _write(target: BinaryIO, data: bytearray, digests: Digests) -> None:
    digests.update(data)
    view = memoryview(data)
    while view:
        view = view[target.write(view) :]
