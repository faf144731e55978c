"""Pieces of a file on their way to the disk while the next ones come."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

AHEAD: Final = 2
"""Pieces that may be under way: one is written, and the next lies ready, so that the one who writes waits for nobody."""


class BackgroundWriter:
    """Calls `write` with one piece after the other, in a thread. All public methods are for the event loop's thread.

    - The pieces keep their order, and at most `AHEAD` of them are under way.
    - What `write` raises, a later `put` or `end` raises. Nothing is written after it.
    """

    def __init__(self, write: Callable[[bytearray], None]) -> None:
        self._write = write
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._pieces: deque[bytearray] = deque()  # the first of them is being written
        self._room = asyncio.Event()
        self._turn: asyncio.Future[None] | None = None

    async def put(self, piece: bytearray) -> None:
        """Have a piece written, as soon as there is room for it."""
        while len(self._pieces) >= AHEAD:
            self._room.clear()
            if len(self._pieces) >= AHEAD:  # else the thread made room before it could be heard
                await self._room.wait()
        with self._lock:
            self._pieces.append(piece)
            is_first = len(self._pieces) == 1
        if is_first:
            await self.end()  # the turn before has written its last piece
            self._turn = asyncio.ensure_future(asyncio.to_thread(self._work))

    async def end(self) -> None:
        """Wait until all is written. Who stops waiting does not stop the one who writes."""
        if self._turn is not None:
            await asyncio.wait({self._turn})
            self._turn.result()

    async def give_up(self) -> None:
        """Wait until nothing is written any more, whatever comes of it."""
        with self._lock:
            while len(self._pieces) > 1:
                self._pieces.pop()
        if self._turn is not None:
            await asyncio.wait({self._turn})
            self._turn.exception()

    def _work(self) -> None:
        """Write until nothing is left."""
        try:
            while True:
                self._write(self._pieces[0])
                with self._lock:
                    self._pieces.popleft()
                    is_last = not self._pieces
                self._loop.call_soon_threadsafe(self._room.set)
                if is_last:
                    return
        except BaseException:
            with self._lock:
                self._pieces.clear()
            self._loop.call_soon_threadsafe(self._room.set)
            raise
