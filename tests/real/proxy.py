"""A small reverse proxy: it shows a server below a path, writes down what was asked for, and can damage what it passes on."""

from __future__ import annotations

import http.client
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from .programs import Served

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIMEOUT = 60
_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Proxy(ThreadingHTTPServer):
    """Passes everything below `prefix` on to a server; with `strip` the prefix is taken off."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, target: Served, prefix: str, *, strip: bool, damage: str | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.prefix = prefix
        self.strip = strip
        self.damage = damage
        self.asked: list[str] = []

    @property
    def served(self) -> Served:
        """The server as its clients see it."""
        return Served(f"http://127.0.0.1:{self.server_address[1]}{self.prefix}")

    def names(self) -> set[str]:
        """The last parts of all paths that were asked for."""
        return {path.rpartition("/")[2] for path in self.asked}


class _Handler(BaseHTTPRequestHandler):
    server: Proxy
    timeout = _TIMEOUT

    def do_GET(self) -> None:
        proxy = self.server
        proxy.asked.append(self.path)
        if not self.path.startswith(f"{proxy.prefix}/"):
            self.send_error(404)
            return
        path = self.path[len(proxy.prefix) :] if proxy.strip else self.path
        connection = http.client.HTTPConnection(proxy.target.address, timeout=_TIMEOUT)
        try:
            connection.request("GET", path, headers=dict(self.headers.items()))
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if proxy.damage and path.endswith(proxy.damage):
            body = body[:-1] + bytes([body[-1] ^ 1])
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _OF_ONE_CONNECTION:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: what was asked for is in `asked`."""


@contextmanager
def proxied(target: Served, prefix: str = "", *, strip: bool = True, damage: str | None = None) -> Iterator[Proxy]:
    """A proxy that runs as long as the block does. `damage` is the end of the paths whose answers are damaged."""
    with Proxy(target, prefix, strip=strip, damage=damage) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
