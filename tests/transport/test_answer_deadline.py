"""An answer has one deadline, however slowly it comes, with TLS too, and from a proxy."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.raw_server import Line, Server
from tests.transport.asking import CHUNKED, client
from wharf.errors import StorageError, UncertainError
from wharf.transport import connections, http_client

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


DROPS = 200  # fifty in a second


def drip(first: bytes, drop: bytes, last: bytes, dropped: list[bytes]) -> Callable[[Line], None]:
    """An answer that comes to its end after some seconds."""

    def talk(line: Line) -> None:
        line.hear()
        line.say(first)
        pause = threading.Event()
        for _ in range(DROPS):
            pause.wait(0.02)
            line.say(drop)
            dropped.append(drop)
        line.say(last)

    return talk


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "drop", "last"),
    [(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", b"content-length: 0\r\n\r\n"), (CHUNKED, b"1\r\n \r\n", b"0\r\n\r\n")],
    ids=["head", "body"],
)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_an_answer_that_comes_by_drops_is_not_waited_for(
    first: bytes, drop: bytes, last: bytes, tls: bool, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "PATIENCE", 0.2)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    scheme = "https" if tls else "http"
    with (
        Server(drip(first, drop, last, []), certificate=certificate if tls else None) as server,
        client(server, host="localhost", scheme=scheme) as github,
        pytest.raises(UncertainError, match="took too long"),
    ):
        github.call("POST", "{repo}")


@pytest.mark.slow
def test_a_proxy_that_answers_by_drops_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CONNECTING", 0.2)
    dropped: list[bytes] = []
    with Server(drip(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", b"\r\n", dropped)) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.port}")
        with client(server, host="localhost", scheme="https") as github, pytest.raises(StorageError, match="took too long"):
            github.call("GET", "{repo}")
    assert len(dropped) < DROPS
