"""A server on loopback of which a test says every byte, with TLS or without, and a proxy before it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Self

_PATIENCE = 60  # seconds without a byte after which a test has failed
JSON = "content-type: application/json"


def answer(body: bytes = b"{}", *headers: str, status: str = "200 OK") -> bytes:
    """The bytes of an answer after which the connection stays open."""
    lines = (f"HTTP/1.1 {status}", JSON, f"content-length: {len(body)}", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class Line:
    """A connection, as the server sees it, and the heads of the requests that came over it."""

    socket: socket.socket
    heads: list[str] = field(default_factory=list)
    _rest: bytes = b""

    def hear(self, *, body: bool = True) -> str:
        """The head of the next request; its body is read too. Raises EOFError if the client closes the connection."""
        while b"\r\n\r\n" not in self._rest:
            self._rest += self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        self.heads.append(head.decode("latin-1"))
        found = [line for line in self.heads[-1].lower().split("\r\n") if line.startswith("content-length:")]
        length = int(found[0].partition(":")[2]) if found and body else 0
        while len(self._rest) < length:
            length -= len(self._rest)
            self._rest = self._more()
        self._rest = self._rest[length:] if body else self._rest
        return self.heads[-1]

    def say(self, data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(data)

    def wait_for_end(self) -> None:
        """Read until the client closes the connection."""
        with contextlib.suppress(EOFError):
            while True:
                self._more()

    def _more(self) -> bytes:
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError
        return data


class Server:
    """Each connection is one thread, in which `talk` says what happens; `lines` are the connections that there were."""

    def __init__(self, talk: Callable[[Line], object], *, certificate: Path | None = None) -> None:
        self._talk = talk
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []
        self._ended = False
        self.lines: list[Line] = []
        self.port: int = self._listening.getsockname()[1]

    @property
    def heads(self) -> list[str]:
        """The heads of all requests."""
        return [head for line in self.lines for head in line.heads]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended = True
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._threads[0].join()
        self._listening.close()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()

    def _accept(self) -> None:
        while True:
            connection = self._listening.accept()[0]
            if self._ended:
                connection.close()
                return
            connection.settimeout(_PATIENCE)
            self._open.append(connection)
            thread = threading.Thread(target=self._one, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _one(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), connection:
            if self._context is None:
                self._serve(connection)
            else:
                with self._context.wrap_socket(connection, server_side=True) as wrapped:
                    self._serve(wrapped)

    def _serve(self, connection: socket.socket) -> None:
        line = Line(connection)
        self.lines.append(line)
        self._talk(line)


def always(data: bytes) -> Callable[[Line], None]:
    """Give the same answer to every request."""

    def talk(line: Line) -> None:
        while True:
            line.hear()
            line.say(data)

    return talk


@contextlib.contextmanager
def proxy(said: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n", **more: Any) -> Iterator[tuple[Server, bytearray]]:
    """A proxy that answers CONNECT with `said`, and all that went through it from the client."""
    seen = bytearray()

    def talk(line: Line) -> None:
        target = line.hear().split()[1]
        line.say(said)
        if b" 200 " not in said:
            return
        host, _, port = target.rpartition(":")
        with socket.create_connection((host, int(port))) as there:
            back = threading.Thread(target=_pump, args=(there, line.socket, bytearray()))
            back.start()
            _pump(line.socket, there, seen)
            back.join()

    with Server(talk, **more) as server:
        yield server, seen


def _pump(source: socket.socket, target: socket.socket, seen: bytearray) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            seen += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
