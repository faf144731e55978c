"""The acceptor: takes connections from a listening socket that other processes take them from as well.

The password in its first request says for whom a connection is. That request is looked at and not taken from the connection, so
that it can be passed on whole. What bears no password, or one that nobody knows, is answered by whoever accepted it and closed:
what the client asks next, with a password, would be asked of the same process.
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
from typing import TYPE_CHECKING, Final

from wharf.server.http.request_headers import secrets_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.run_port.shared_port import Passed, SharedPort

    Make = Callable[[], asyncio.Protocol]

PATIENCE: Final = 30.0
"""Seconds in which the first request has to come, and in which whom it is for has to take it."""

_HEAD = 64 << 10  # bytes of a request in which its password stands
_END = re.compile(rb"\r?\n\r?\n")
_AUTHORIZATION = re.compile(rb"\nauthorization[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_AT_ONCE = 16  # connections that are accepted in one turn, so that other processes get some
_PAUSE = 0.02  # seconds before one more look at what was not whole, or could not be passed on; doubled each time
_LONGEST_PAUSE = 1.0
_REST = 1.0  # seconds without accepting, when there are too many open files
_TOO_MANY = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Acceptor:
    """To be used in the loop's thread, but for `receive`.

    `mine` makes what a connection for this run is served by; `nobodys` one whose next request may be for another.
    """

    def __init__(self, port: SharedPort, *, mine: Make, nobodys: Make) -> None:
        self._port = port
        self._listener = port.listener
        self._mine, self._nobodys = mine, nobodys
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[socket.socket, asyncio.TimerHandle] = {}  # for the first request, and how long
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = False

    def begin(self) -> None:
        """Accept from now on."""
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._accept)
        self._port.receive(self.receive)

    def end(self) -> None:
        """Accept no more, and leave to another run what is not known to be for this one."""
        self._ended = True
        self._loop.remove_reader(self._listener)
        for connection in list(self._waiting):
            self._port.leave(connection)
            self._close(connection)

    def receive(self, connection: socket.socket) -> None:
        """Take a connection that another run passed on; from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._take, connection)
        except RuntimeError:  # the loop has ended meanwhile
            connection.close()

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return  # another process was quicker
            except OSError as error:
                if error.errno in _TOO_MANY:
                    self._loop.remove_reader(self._listener)
                    self._loop.call_later(_REST, self._go_on)
                return
            self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        if self._ended:
            connection.close()
            return
        connection.setblocking(False)
        self._waiting[connection] = self._loop.call_later(PATIENCE, self._close, connection)
        self._look(connection)

    def _go_on(self) -> None:
        if not self._ended:
            self._loop.add_reader(self._listener, self._accept)

    def _look(self, connection: socket.socket, pause: float = _PAUSE) -> None:
        """See whose a connection is, without taking anything from it."""
        if connection not in self._waiting:
            return
        try:
            seen = connection.recv(_HEAD, socket.MSG_PEEK)
        except BlockingIOError:
            self._loop.add_reader(connection, self._look, connection)
            return
        except OSError:
            seen = b""
        end = _END.search(seen)
        passed: Passed = "nobody's"
        if end is not None:
            found = _AUTHORIZATION.search(seen[: end.end()])
            if found is not None:
                passed = self._port.pass_on(connection, secrets_of(found[1].strip()))
        elif seen and len(seen) < _HEAD:
            passed = "later"
        self._loop.remove_reader(connection)
        if passed == "later":  # what is there makes it readable all the time
            self._loop.call_later(pause, self._look, connection, min(pause * 2, _LONGEST_PAUSE))
        elif passed == "there" or not seen:
            self._close(connection)
        else:
            self._forget(connection)
            self._serve(connection, self._mine if passed == "mine" else self._nobodys)

    def _serve(self, connection: socket.socket, protocol: Make) -> None:
        task = self._loop.create_task(self._served(connection, protocol))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _served(self, connection: socket.socket, protocol: Make) -> None:
        try:
            await self._loop.connect_accepted_socket(protocol, connection)
        except OSError:
            connection.close()  # the client has gone

    def _close(self, connection: socket.socket) -> None:
        self._forget(connection)
        connection.close()

    def _forget(self, connection: socket.socket) -> None:
        self._loop.remove_reader(connection)
        self._waiting.pop(connection).cancel()
