"""The body of a request, as it comes: bounded in bytes, and in how long it may take its time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from wharf.errors import TooSlowError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from wharf.errors import WharfError

PATIENCE: Final = 30.0
"""Seconds that a client may be waited for, between two pieces and for `SLOWEST` bytes."""
SLOWEST: Final = 16 << 10
"""Bytes that have to come within that time, or the whole rest: half a kilobyte a second is slower than any line."""


def check_length(request: Request, limit: int, too_long: WharfError) -> int | None:
    """The announced length, if there is one; raises `too_long` before a byte of a longer body is taken."""
    length = request.headers.get("content-length", "")
    announced = int(length) if length.isascii() and length.isdecimal() and len(length) < 20 else None
    if announced is not None and announced > limit:
        raise too_long
    return announced


async def pieces(request: Request, limit: int, too_long: WharfError) -> AsyncIterator[bytes]:
    """The body. Raises `too_long` beyond the limit; TooSlowError for a client that stalls; UsageError for one that is gone."""
    size = waited = since = 0.0
    more = True
    while more:
        begun = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                message = await request.receive()
        except TimeoutError as error:
            raise _too_slow() from error
        if message["type"] == "http.disconnect":
            raise UsageError("The connection ended before the body did.", "Send it again.")
        piece, more = message.get("body", b""), message.get("more_body", False)
        waited += time.monotonic() - begun
        since += len(piece)
        size += len(piece)
        if size > limit:
            raise too_long
        if since >= SLOWEST:
            waited = since = 0
        elif waited > PATIENCE:
            raise _too_slow()
        if piece:
            yield piece


def _too_slow() -> TooSlowError:
    return TooSlowError("The body of the request takes too long to arrive.", "Send it again, over a better line.")
