"""A public index for tests: pages with relative links, and a note of every request that came, with all its headers."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message
    from pathlib import Path


class Public(ThreadingHTTPServer):
    """Serves the wheels that are put into `wheels`, on this machine under another name than 127.0.0.1."""

    daemon_threads = False
    block_on_close = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.wheels: list[Path] = []
        self.asked: list[tuple[str, Message]] = []

    @property
    def address(self) -> str:
        """Of its list of projects."""
        return f"http://localhost:{self.server_address[1]}/root/simple/"

    @property
    def paths(self) -> list[str]:
        """What was asked for."""
        return [path for path, _ in self.asked]

    def found(self, path: str) -> tuple[str, bytes] | None:
        """Content type and body of what lies there."""
        folder, _, name = path.removeprefix("/root/").partition("/")
        if folder == "packages":
            data = next((wheel.read_bytes() for wheel in self.wheels if wheel.name == name), None)
            return None if data is None else ("application/octet-stream", data)
        mine = [wheel for wheel in self.wheels if wheel.name.startswith(f"{name.removesuffix('/')}-")]
        links = "".join(f'<a href="../../packages/{each.name}#sha256={_sha256(each)}">{each.name}</a><br>' for each in mine)
        return ("text/html", f"<!DOCTYPE html><body>{links}</body>".encode()) if mine and name.endswith("/") else None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    server: Public
    timeout = 60

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers))
        found = self.server.found(self.path.partition("?")[0])
        if found is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", found[0])
        self.send_header("Content-Length", str(len(found[1])))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(found[1])

    do_HEAD = do_GET  # noqa: N815 - the name that http.server asks for

    def log_message(self, format: str, *words: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def public_index() -> Iterator[Public]:
    """One that runs."""
    server = Public()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
