"""An upstream index on this machine of which a test says everything: what it has, what goes wrong, how slow it is.

    with Upstream() as upstream:
        file = upstream.add(make_wheel(folder, "demo", "99.0"), yanked="broken")
        ... upstream.simple ...
        upstream.faults["*/simple/demo/"] = Fault(status=503)
        assert upstream.paths == []

It answers as public indexes do: JSON or HTML as the client prefers, gzip, ETag and 304, ranges of files, core metadata.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, cast

from packaging.utils import canonicalize_name

from tests.upstream_pages import HTML, JSON, PLAIN, File, Project, listed, project_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from email.message import Message
    from pathlib import Path
    from typing import Self

_PIECE = 1 << 16
_ROOT = "/root/"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens in place of an answer, or to it."""

    status: int | None = None
    """This status; without `body`, an empty one."""
    location: str | None = None
    """A redirect (302, unless `status` is another one)."""
    body: bytes | None = None
    """These bytes, with status 200 unless `status` says otherwise."""
    kind: str | None = None
    """The content type."""
    headers: tuple[tuple[str, str], ...] = ()
    """More headers; they come last."""
    hang: bool = False
    """The request is read and never answered."""
    hold: int | None = None
    """After so many bytes of the body, the answer waits for `release()`."""
    cut: int | None = None
    """After so many bytes of the body, the connection ends."""
    endless: bool = False
    """The body has no end (and no length)."""
    drip: float = 0.0
    """Seconds before each single byte of the body."""


@dataclass
class Asked:
    """A request as it came: its path as it was written, and all its headers. `sent` are the bytes of the body that went out."""

    method: str
    path: str
    headers: Message
    sent: int = 0
    status: int = 0


@dataclass
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes | Path = b""
    first: int = 0
    length: int = 0
    extra: tuple[tuple[str, str], ...] = field(default=())


class Upstream:
    """Runs within the context, in threads of its own. What is set on it holds from the next request on.

    `latency` are seconds that each new connection and each answer takes longer, `bandwidth` the bytes a second that all answers
    share. `certificate`: it speaks HTTPS.
    """

    def __init__(
        self, *, host: str = "localhost", latency: float = 0.0, bandwidth: float | None = None, certificate: Path | None = None
    ) -> None:
        self.projects: dict[str, Project] = {}
        self.asked: list[Asked] = []
        self.faults: dict[str, Fault] = {}
        """By the path that was asked for, without its query; `*` stands for anything. The first that matches holds."""
        self.formats: tuple[str, ...] = (JSON, HTML, PLAIN)
        """Those that it can give; the last one is for whoever wants none of them."""
        self.cache_control: str | None = "max-age=600, public"
        self.etags = True
        self.compresses = True
        self.ranges = True
        self.packages = "../../packages/"
        """Where the pages say that the files are. They are also found with folders before their names."""
        self.settled = False
        """Nothing is added or changed any more: a page is made once."""
        self._made: dict[tuple[str, str], bytes] = {}
        self.latency, self.bandwidth = latency, bandwidth
        self._host = host
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self._line = threading.Lock()
        self._free = 0.0
        self._released = threading.Event()
        self._ended = False
        self._refusing = False
        self._accepting: threading.Thread | None = None
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listening = _bound(0)
        self.port: int = self._listening.getsockname()[1]

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"{'http' if self._context is None else 'https'}://{self._host}:{self.port}"

    @property
    def simple(self) -> str:
        """The address of its list of projects."""
        return f"{self.url}{_ROOT}simple/"

    @property
    def paths(self) -> list[str]:
        """What was asked for."""
        return [each.path for each in self.asked]

    @property
    def names(self) -> set[str]:
        """The names of all projects that anything was asked of: pages, files, metadata."""
        return {_named(path) for path in self.paths} - {""}

    def add(self, path: Path, *, project: str | None = None, **said: Any) -> File:
        """Show a wheel or an sdist; `said` are fields of File. `project` is needed if the filename does not tell it."""
        file = File.of(path, **said)
        name = project or project_of(file.filename)
        self.projects.setdefault(canonicalize_name(name), Project(name)).files.append(file)
        return file

    def add_all(self, paths: Iterable[Path]) -> None:
        """Show several."""
        for path in paths:
            self.add(path)

    def links_to(self, other: Upstream) -> None:
        """From now on, `other` has the files: the pages here link there."""
        self.packages, other.projects = f"{other.url}{_ROOT}packages/", self.projects

    def release(self) -> None:
        """Let the answers go on that a fault holds, and all later ones."""
        self._released.set()

    def down(self) -> None:
        """End all connections and refuse new ones, until `up()`."""
        self._stop_listening()
        self._listening = _bound(self.port)  # nobody else gets the port

    def up(self) -> None:
        """Listen again."""
        self._listen()

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended = True
        self._released.set()
        self._stop_listening()
        for thread in self._threads:
            thread.join(60)

    def _listen(self) -> None:
        self._listening.listen(512)
        self._listening.settimeout(0.02)  # closing a socket wakes nobody who waits for it
        self._accepting = threading.Thread(target=self._accept)
        self._refusing = False
        self._accepting.start()

    def _stop_listening(self) -> None:
        self._refusing = True
        if self._accepting is not None:
            self._accepting.join()
        self._listening.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._refusing:
            try:
                connection = self._listening.accept()[0]
            except TimeoutError:
                continue
            connection.settimeout(60)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            time.sleep(self.latency)
            if self._context is None:
                _Handler(connection, ("", 0), cast("Any", self))
            else:
                with self._context.wrap_socket(connection, server_side=True) as wrapped:
                    _Handler(wrapped, ("", 0), cast("Any", self))
        self._open.discard(connection)
        connection.close()

    def _wait_for_line(self, size: int) -> None:
        """Until `size` bytes are through the line that all answers share."""
        if self.bandwidth is None:
            return
        with self._line:
            self._free = max(self._free, time.monotonic()) + size / self.bandwidth
            free = self._free
        time.sleep(max(0.0, free - time.monotonic()))

    # What it answers

    def _fault(self, path: str) -> Fault | None:
        return next((fault for pattern, fault in list(self.faults.items()) if fnmatchcase(path, pattern)), None)

    def _found(self, asked: Asked) -> _Answer:
        path = asked.path.partition("?")[0]
        if path == f"{_ROOT}simple/":
            return self._page(asked, lambda form: listed(self.projects.values(), as_json=form == JSON))
        if path.startswith(f"{_ROOT}simple/") and path.endswith("/"):
            name = path.removeprefix(f"{_ROOT}simple/").removesuffix("/")
            project = self.projects.get(name)
            if project is not None:
                return self._page(asked, lambda form: project.page(self.packages, as_json=form == JSON))
            if canonicalize_name(name) in self.projects:
                return _Answer(301, {"Location": f"{_ROOT}simple/{canonicalize_name(name)}/"})
        if path.startswith(f"{_ROOT}packages/"):
            return self._package(asked, path.rpartition("/")[2])
        return _Answer(404, {"Content-Type": "text/plain"}, b"404 Not Found")

    def _form(self, asked: Asked) -> str:
        accepted = {}
        for each in asked.headers.get("Accept", "*/*").split(","):
            kind, _, parameters = each.strip().partition(";")
            weight = parameters.replace(" ", "").partition("q=")[2] or "1"
            accepted[kind.strip()] = float(weight)
        best = max(self.formats, key=lambda form: accepted.get(form, 0.0))
        return best if accepted.get(best, 0.0) > 0 else self.formats[-1]

    def _page(self, asked: Asked, make: Callable[[str], bytes]) -> _Answer:
        form = self._form(asked)
        headers = {"Content-Type": form, "Vary": "Accept, Accept-Encoding"}
        if self.cache_control is not None:
            headers["Cache-Control"] = self.cache_control
        zipped = self.compresses and "gzip" in asked.headers.get("Accept-Encoding", "")
        if zipped:
            headers["Content-Encoding"] = "gzip"
        key = (asked.path, f"{form} {zipped}")
        body = self._made.get(key) if self.settled else None
        if body is None:
            body = gzip.compress(make(form), 6, mtime=0) if zipped else make(form)
            self._made[key] = body
        if self.etags:
            headers["ETag"] = f'"{hashlib.md5(body).hexdigest()}"'
            if headers["ETag"] in asked.headers.get("If-None-Match", ""):
                headers.pop("Content-Encoding", None)
                return _Answer(304, headers)
        return _Answer(200, headers, body, length=len(body))

    def _package(self, asked: Asked, name: str) -> _Answer:
        files = {each.filename: each for project in list(self.projects.values()) for each in project.files}
        file, metadata = files.get(name), files.get(name.removesuffix(".metadata"))
        headers = {"Content-Type": "application/octet-stream", "Cache-Control": "max-age=365000000, immutable, public"}
        if file is None:
            data = None if metadata is None else metadata.core_metadata
            return _Answer(404, headers) if data is None else _Answer(200, headers, data, length=len(data))
        size = file.path.stat().st_size
        headers["ETag"] = f'"{file.sha256}"'
        if not self.ranges:
            return _Answer(200, headers, file.path, length=size)
        headers["Accept-Ranges"] = "bytes"
        wanted = asked.headers.get("Range", "")
        if (
            not wanted.startswith("bytes=")
            or "," in wanted
            or asked.headers.get("If-Range", headers["ETag"]) != headers["ETag"]
        ):
            return _Answer(200, headers, file.path, length=size)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        begin = int(first) if first else max(0, size - int(last))
        end = min(int(last), size - 1) if first and last else size - 1
        if begin > end:
            return _Answer(416, {"Content-Range": f"bytes */{size}"})
        headers["Content-Range"] = f"bytes {begin}-{end}/{size}"
        return _Answer(206, headers, file.path, begin, end - begin + 1)


class _Handler(BaseHTTPRequestHandler):
    server: Upstream  # type: ignore[assignment]
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        asked = Asked(self.command, self.path, self.headers)
        self.server.asked.append(asked)
        fault = self.server._fault(self.path.partition("?")[0]) or Fault()
        if fault.hang:
            self.server._released.wait(300)
            self.close_connection = True
            return
        time.sleep(self.server.latency)
        self._say(asked, self._with(fault, asked), fault)

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 - the names that http.server asks for

    def _with(self, fault: Fault, asked: Asked) -> _Answer:
        if fault.location is not None:
            return _Answer(fault.status or 302, {"Location": fault.location})
        answer = self.server._found(asked)
        if fault.body is not None:
            answer = _Answer(fault.status or 200, answer.headers, fault.body, length=len(fault.body))
            for name in ("ETag", "Content-Encoding", "Content-Range"):
                answer.headers.pop(name, None)
        elif fault.status is not None:
            answer = _Answer(fault.status, {})
        if fault.kind is not None:
            answer.headers["Content-Type"] = fault.kind
        answer.extra = fault.headers
        return answer

    def _say(self, asked: Asked, answer: _Answer, fault: Fault) -> None:
        asked.status = answer.status
        self.send_response(answer.status)
        for name, value in (*answer.headers.items(), *answer.extra):
            self.send_header(name, value)
        if fault.endless:
            self.send_header("Connection", "close")
        elif answer.status != 304 and "Content-Length" not in {name for name, _ in answer.extra}:
            self.send_header("Content-Length", str(answer.length))
        if fault.cut is not None:
            self.close_connection = True
        self.end_headers()
        if self.command == "HEAD":
            return
        for piece in _pieces(answer, fault):
            if fault.hold is not None and asked.sent == fault.hold:
                self.wfile.flush()
                self.server._released.wait(300)
            if fault.drip:
                time.sleep(fault.drip)
            self.server._wait_for_line(len(piece))
            self.wfile.write(piece)
            asked.sent += len(piece)
            if self.server._ended:
                return

    def log_message(self, format: str, *words: object) -> None:  # noqa: A002
        """Say nothing."""


def _pieces(answer: _Answer, fault: Fault) -> Iterable[bytes]:
    """The body in parts: one ends where the fault holds the answer, or cuts it off."""
    whole = [_read(answer)] if answer.length <= _PIECE else _parts(answer)
    if fault.endless:
        whole = chain(whole, repeat(b" " * _PIECE))
    at, stops = 0, sorted({each for each in (fault.hold, fault.cut) if each is not None})
    for part in whole:
        rest = part
        while rest:
            stop = next((each for each in stops if each > at), None)
            size = min(len(rest), *([] if stop is None else [stop - at]), *([1] if fault.drip else [len(rest)]))
            yield rest[:size]
            at, rest = at + size, rest[size:]
            if at == fault.cut:
                return


def _read(answer: _Answer) -> bytes:
    return b"".join(_parts(answer))


def _parts(answer: _Answer) -> Iterable[bytes]:
    if isinstance(answer.body, bytes):
        yield answer.body
        return
    with answer.body.open("rb") as file:
        file.seek(answer.first)
        left = answer.length
        while left and (part := file.read(min(_PIECE, left))):
            left -= len(part)
            yield part


def _named(path: str) -> str:
    """The name of the project that a path is about, or an empty text."""
    kind, _, name = path.partition("?")[0].removeprefix(_ROOT).partition("/")
    if kind == "simple":
        return canonicalize_name(name.rstrip("/"))
    name = name.removesuffix(".metadata")
    return canonicalize_name(name.partition("-")[0] if ".whl" in name else name.rpartition("-")[0])


def _bound(port: int) -> socket.socket:
    """A socket that holds a port and does not listen: connections to it are refused."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", port))
    return held
