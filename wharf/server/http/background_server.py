"""uvicorn in its own thread, at a port that other processes may accept connections from as well."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING

import uvicorn

from wharf.run_port.loopback_listener import LOOPBACK
from wharf.server.http.acceptor import Acceptor
from wharf.server.http.protocol import HttpProtocol, OneRequestProtocol
from wharf.server.http.uvicorn_config import config

if TYPE_CHECKING:
    import socket

    from starlette.types import ASGIApp

    from wharf.run_port.shared_port import SharedPort


class BackgroundServer(uvicorn.Server):
    """Serves at a port that is listened on already.

    - One thread calls `serve_until_end`. Any other thread may call `end`, at any time.
    - What is under way at the end is cut off: nobody is left to want it.
    - It closes the listening socket of its own process. The port lives on as long as another process has it.
    """

    def __init__(self, app: ASGIApp, port: SharedPort) -> None:
        super().__init__(config(app, host=LOOPBACK, port=port.number))
        self._port = port
        self._acceptor: Acceptor | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()

    def serve_until_end(self) -> None:
        """Serve until another thread calls `end`."""
        self.run(sockets=[])

    def end(self) -> None:
        """Stop at once, or as soon as it has started."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended meanwhile
                self._loop.call_soon_threadsafe(self._end.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections one by one: uvicorn would take all, and some are for other runs."""
        await super().startup(sockets)
        mine, nobodys = (
            partial(each, self.config, self.server_state, self.lifespan.state) for each in (HttpProtocol, OneRequestProtocol)
        )
        self._acceptor = Acceptor(self._port, mine=mine, nobodys=nobodys)
        self._acceptor.begin()

    async def main_loop(self) -> None:
        """As uvicorn's, which looks ten times a second whether it is over: a command that has ended does not wait for that."""
        self._loop = asyncio.get_running_loop()
        ticking = asyncio.create_task(super().main_loop())
        ended = asyncio.create_task(self._end.wait())
        await asyncio.wait({ticking, ended}, return_when=asyncio.FIRST_COMPLETED)
        for task in (ticking, ended):
            task.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Without uvicorn's patience for clients."""
        if self._acceptor is not None:
            self._acceptor.end()
        self._port.listener.close()
        for task in self.server_state.tasks:
            task.cancel()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await self.lifespan.shutdown()  # the loop turns meanwhile, and lets go of the connections
