"""How the bytes of a stored file are sent: the whole, or a part."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

from starlette.responses import FileResponse

from wharf.errors import StorageError, WharfError
from wharf.server.files import byte_ranges
from wharf.server.http import error_answers
from wharf.server.http.status_reason import send_answer
from wharf.system import regular_file

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from wharf.server.http.answer import FileAnswer

log = logging.getLogger("wharf")

_CHUNK = 256 << 10


async def send_file(file: FileAnswer, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a stored file; a part of it (Range) through Starlette, the whole of it in plain chunks."""
    try:
        handle = _opened(file)
    except WharfError as error:
        log.error("%s", error.message)  # noqa: TRY400 - the cause is in the message
        await send_answer(error_answers.failure(error), receive, send)
        return
    try:
        if scope["method"] == "HEAD":  # which has no parts: Range is for GET (RFC 9110, section 14.2)
            await send(file.start)
            await send({"type": "http.response.body", "body": b""})
        elif (asked := byte_ranges.satisfiable(scope["headers"], file.size)) is not None:
            scope = {**scope, "headers": [*(each for each in scope["headers"] if each[0] != b"range"), (b"range", asked)]}
            headers = {name.decode(): value.decode() for name, value in file.headers if name != b"content-length"}
            # By its handle: the path may lead elsewhere by now.
            part = FileResponse(f"/dev/fd/{handle}", headers=headers, stat_result=os.fstat(handle))
            await part(scope, receive, send)
        else:
            await _send_whole(file, handle, send)
    finally:
        os.close(handle)


def _opened(file: FileAnswer) -> int:
    """A handle of the file's bytes. Raises StorageError where they are not, or not all."""
    try:
        handle = regular_file.handle_of(file.path)
    except OSError as error:
        raise StorageError(f"{file.path}: {error.strerror}.", "`wharf verify` tells more.") from error
    if os.fstat(handle).st_size != file.size:
        os.close(handle)
        raise StorageError(f"{file.path} is shorter or longer than its record says.", "`wharf verify` tells more.")
    return handle


async def _send_whole(file: FileAnswer, handle: int, send: Send) -> None:
    await send(file.start)
    if file.size <= _CHUNK:
        await send({"type": "http.response.body", "body": os.read(handle, file.size)})
        return
    sent = 0
    while sent < file.size:
        chunk = await asyncio.to_thread(os.pread, handle, min(_CHUNK * 4, file.size - sent), sent)
        if not chunk:
            break  # shorter than recorded: the server closes the connection, and the client sees that it is cut off
        sent += len(chunk)
        await send({"type": "http.response.body", "body": chunk, "more_body": sent < file.size})
