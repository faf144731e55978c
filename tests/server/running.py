"""An application behind uvicorn on a free port, in a thread: it begins and ends in milliseconds."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

import pytest
import uvicorn

from wharf.server.http.uvicorn_config import config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

_loops: set[asyncio.AbstractEventLoop] = set()  # of the servers that run now
_OFTEN = 0.002  # seconds; uvicorn looks ten times a second whether it is to end, and whether all connections are gone


class Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: object = None) -> None:
        await super().startup()
        await self.on_tick(0)  # from here on answers have a Date
        _loops.add(asyncio.get_running_loop())
        self.ready.set()

    async def main_loop(self) -> None:
        while not self.should_exit:
            await asyncio.sleep(_OFTEN)

    async def shutdown(self, sockets: object = None) -> None:
        """As uvicorn's own, which waits a tenth of a second for connections also where there are none."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:
            await asyncio.sleep(_OFTEN)
        for server in self.servers:
            await server.wait_closed()
        await self.lifespan.shutdown()
        _loops.discard(asyncio.get_running_loop())


@contextlib.contextmanager
def running(app: ASGIApp) -> Iterator[str]:
    """The address of a server that shows `app`."""
    server = Server(config(app, host="127.0.0.1", port=0))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.ready.wait(60)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)
    assert not thread.is_alive()


def soon(check: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for what a server shows within a second on a machine that has nothing else to do.

    A failure says what was waited for, and what every thread and every task of the servers did at that moment.
    """
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() >= end:
            pytest.fail(f"not within {seconds} seconds: {inspect.getsource(check).strip()}\n{_doings()}")
        time.sleep(0.01)


def _doings() -> str:
    frames = sys._current_frames()
    said = [
        f"thread {thread.name}:\n{''.join(traceback.format_stack(frames.get(thread.ident or 0)))}"
        for thread in threading.enumerate()
        if thread.ident in frames
    ]
    said += [f"task {task.get_name()}:\n{_stack(task.get_coro())}" for loop in [*_loops] for task in asyncio.all_tasks(loop)]
    return "\n".join(said)


def _stack(waits: object) -> str:
    """The lines in which a coroutine and those that it waits for are, and what the last of them waits for."""
    lines = []
    while (frame := getattr(waits, "cr_frame", None)) is not None:
        lines += traceback.format_stack(frame, 1)
        waits = getattr(waits, "cr_await", None)
    return "".join(lines) + f"  waits for {waits!r}\n"
