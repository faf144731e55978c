"""The HTTP servers: bytes in and out, the faults that are about bytes, and the list of calls."""

from __future__ import annotations

import gzip
import hashlib
import socket
import ssl
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import parse_qsl

from tests.simulator.answers import Answer, Refusal, Request, error, secondary, text
from tests.simulator.state import Call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulator.hub import Hub

_PIECE = 1 << 16
_SPOOL = 1 << 20


class Server(ThreadingHTTPServer):
    """Threads that are daemons, and a close that ends the connections that clients keep open.

    A server can be lent to one hub after another (`lend`, `give_back`): to start and to stop one takes longer than most tests.
    In between, whoever connects is shown out.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, hub: Hub | None, *, storage: bool, tls: ssl.SSLContext | None = None) -> None:
        self.hub = hub
        self.storage = storage
        self.scheme = "https" if tls else "http"
        self._tls = tls is not None
        self._open: dict[socket.socket, threading.Thread] = {}
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)
        if tls:  # shaking hands is left to each connection's own thread
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def verify_request(self, request: object, client_address: object) -> bool:
        """Whether there is a hub to answer."""
        return self.hub is not None

    def opened(self, connection: socket.socket) -> None:
        with self._guard:
            self._open[connection] = threading.current_thread()

    def closed(self, connection: socket.socket) -> None:
        with self._guard:
            self._open.pop(connection, None)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away, or does not trust us, is no news; anything else is the simulator's fault and is printed."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLError)):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def stop(self) -> None:
        """End for good, or wait for the next hub."""
        if self._tls:
            self.shutdown()
            self._thread.join()
            self.server_close()
        self.hub = None
        with self._guard:
            left = dict(self._open)
        for connection in left:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in left.values():
            thread.join(60)
        if not self._tls:
            _idle[self.storage].append(self)


_idle: dict[bool, list[Server]] = {False: [], True: []}


def lend(hub: Hub, *, storage: bool, tls: ssl.SSLContext | None) -> Server:
    """A server that listens and answers for this hub, until it is stopped."""
    if tls is None and _idle[storage]:
        server = _idle[storage].pop()
        server.hub = hub
        return server
    return Server(hub, storage=storage, tls=tls)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "GitHub.com"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server
    hub: Hub | None

    def setup(self) -> None:
        super().setup()
        self.hub = self.server.hub
        self.server.opened(self.connection)

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.server.closed(self.connection)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: `hub.calls` is the log."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """By the simulator's clock."""
        return super().date_time_string(self.hub.clock.now() if timestamp is None and self.hub else timestamp)

    def send_header(self, keyword: str, value: str) -> None:
        """As it is, but for the date of a hub that tells none."""
        if self.hub is None or self.hub.dated or keyword.lower() != "date":
            super().send_header(keyword, value)

    def handle_expect_100(self) -> bool:
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def _serve(self) -> None:
        hub = self.hub
        if hub is None or (hub.storage_down if self.server.storage else hub.down):
            self.close_connection = True
            return
        try:
            request = self._read()
        except Refusal as refusal:
            self.close_connection = True
            self._send(refusal.answer, slow=None, short=False)
            return
        if request is None:
            self.close_connection = True
            return
        if hub.latency:
            time.sleep(hub.latency)
        with request.body:
            self._carry_out(hub, request)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def _carry_out(self, hub: Hub, request: Request) -> None:
        line = f"{request.method} {request.path}"
        hub.faults.run_before(line)
        how = hub.faults.take(line)
        if how == "drop":
            _record(hub, request, 0)
            self.close_connection = True
            return
        if how is not None:
            request.faults.append(how)
        answer = _refused(request, how) or hub.answer(request, storage=self.server.storage)
        observe = type(hub).observer
        if observe is not None and request.kind in {"api", "upload"}:
            observe(request, answer)
        if how == "lose":
            if not isinstance(answer.body, (bytes, tuple)):
                for _ in answer.body:
                    pass
            _record(hub, request, 0)
            self.close_connection = True
            return
        _record(hub, request, answer.status)
        slow = float(how.partition(":")[2] or 2) if how is not None and how.startswith("slow") else None
        self._send(answer, slow=slow, short=how == "short")

    def _read(self) -> Request | None:
        path, _, raw_query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        if headers.get("content-length", "0").isdigit() is False:
            raise Refusal(error(400))
        kind = "storage" if self.server.storage else kind_of(path)
        if kind == "upload" and int(headers.get("content-length", "0")) >= 1 << 31:
            raise Refusal(
                error(
                    422,
                    errors=[
                        {
                            "resource": "ReleaseAsset",
                            "code": "custom",
                            "field": "size",
                            "message": "size must be less than 2147483648",
                        }
                    ],
                )
            )
        body = _spool()
        digest = hashlib.sha256()
        size = 0
        for piece in self._pieces(headers):
            if not piece:  # the client went away in the middle
                body.close()
                return None
            size += len(piece)
            digest.update(piece)
            body.write(piece)
        body.seek(0)
        if kind == "git" and headers.get("content-encoding") in {"gzip", "x-gzip"}:
            with body:
                data = gzip.decompress(body.read())
            body = _spool()
            body.write(data)
            body.seek(0)
            size = len(data)
        return Request(
            kind=kind,
            method=self.command,
            path=path,
            raw_query=raw_query,
            query=dict(parse_qsl(raw_query, keep_blank_values=True)),
            headers=headers,
            body=body,
            size=size,
            sha256=digest.hexdigest(),
        )

    def _pieces(self, headers: dict[str, str]) -> Iterator[bytes]:
        """The body's bytes; an empty piece says that it ended too early."""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            while length := int(self.rfile.readline().partition(b";")[0].strip() or b"0", 16):
                yield self.rfile.read(length)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return
        left = int(headers.get("content-length", "0"))
        while left:
            piece = self.rfile.read(min(left, _PIECE))
            left -= len(piece)
            yield piece
            if not piece:
                return

    def _send(self, answer: Answer, *, slow: float | None, short: bool) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        length = _length(answer)
        chunked = length is None
        if chunked:
            self.send_header("transfer-encoding", "chunked")
        elif answer.status not in {204, 304}:
            self.send_header("content-length", str(length))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD" and answer.status not in {204, 304}:
            self._send_body(answer, length, slow=slow, short=short)
        self.wfile.flush()

    def _send_body(self, answer: Answer, length: int | None, *, slow: float | None, short: bool) -> None:
        stop = (length or 0) // 2 if short else None
        pause = slow / 20 if slow is not None else 0.0
        sent = 0
        for piece in _split(answer, max(1, (length or _PIECE) // 20) if slow is not None else _PIECE):
            part = piece if stop is None else piece[: max(0, stop - sent)]
            sent += len(part)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if length is None and part else part)
            if pause:
                self.wfile.flush()
                time.sleep(pause)
            if stop is not None and (sent >= stop):
                self.close_connection = True
                return
        if length is None:
            self.wfile.write(b"0\r\n\r\n")


def _record(hub: Hub, request: Request, status: int) -> None:
    call = Call(
        kind=request.kind,
        method=request.method,
        path=request.path,
        login=request.token.login if request.token else None,
        status=status,
        query=dict(request.query),
        headers=dict(request.headers),
    )
    hub.calls.append(call)


def _spool() -> IO[bytes]:
    return cast("IO[bytes]", tempfile.SpooledTemporaryFile(_SPOOL))


def kind_of(path: str) -> str:
    """What a path of the first server asks."""
    for prefix, kind in (("/api/v3", "api"), ("/api/graphql", "graphql"), ("/api/uploads/", "upload")):
        if path.startswith(prefix):
            return kind
    return "git" if ".git/" in path else "web"


def _refused(request: Request, how: str | None) -> Answer | None:
    """The answer of a fault that leaves the request undone."""
    if how is None:
        return None
    if how.startswith("secondary"):
        return secondary(how.partition(":")[2] or 1)
    if how.isdigit():
        plain = request.kind in {"git", "storage", "web"}
        return text(int(how), "fault") if plain else error(int(how))
    return None


def _length(answer: Answer) -> int | None:
    if isinstance(answer.body, bytes):
        return len(answer.body)
    return answer.body[2] if isinstance(answer.body, tuple) else None


def _split(answer: Answer, size: int) -> Iterator[bytes]:
    if isinstance(answer.body, bytes):
        for start in range(0, len(answer.body), size):
            yield answer.body[start : start + size]
    elif isinstance(answer.body, tuple):
        path, start, left = answer.body
        with path.open("rb") as file:
            file.seek(start)
            while left and (piece := file.read(min(left, size))):
                left -= len(piece)
                yield piece
    else:
        yield from answer.body
