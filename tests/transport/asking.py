"""A client of a server that a test speaks for, as wharf makes it for GitHub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.github.test_api import TOKEN
from tests.raw_server import JSON, Server, answer
from wharf.github.api import GitHub
from wharf.github.request_turns import Waiting
from wharf.repository_address import Address
from wharf.secret import Secret

if TYPE_CHECKING:
    import io

OK = answer(b'{"a": 1}')
MIB = 1 << 20
CHUNKED = f"HTTP/1.1 200 OK\r\n{JSON}\r\ntransfer-encoding: chunked\r\n\r\n".encode()


def client(server: Server, token: str | None = TOKEN, *, host: str = "127.0.0.1", scheme: str = "http") -> GitHub:
    address = Address(host=f"{host}:{server.port}", owner="acme", name="pkgs", scheme=scheme)
    waiting = Waiting(sleep=lambda _seconds: None)
    return GitHub(address, None if token is None else Secret(token), waiting=waiting)


def signed(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}/x"


def upload(github: GitHub, file: io.RawIOBase | io.BytesIO, size: int) -> int:
    url = f"http://{github.address.host}/api/uploads/repos/acme/pkgs/releases/1/assets"
    return github.upload(url, "a.whl", file, size).status  # type: ignore[arg-type]
