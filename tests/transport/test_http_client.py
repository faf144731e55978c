"""HTTP beneath the wire to GitHub, on real sockets: what a request holds, what an answer may be, how a connection ends."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import shutil
import signal
import socket
import subprocess
import threading
import tracemalloc
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.github.test_api import TOKEN, whole
from tests.raw_server import JSON, Line, Server, always, answer, proxy
from wharf.errors import AnswerTooLargeError, StorageError, UncertainError, UsageError
from wharf.github import wire
from wharf.github.api import GitHub
from wharf.github.quota import Waiting
from wharf.repository_address import Address
from wharf.secret import Secret
from wharf.transport import connections, environment, http_client

if TYPE_CHECKING:
    from collections.abc import Callable

OK = answer(b'{"a": 1}')
PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")
MIB = 1 << 20


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def client(server: Server, token: str | None = TOKEN, *, host: str = "127.0.0.1", scheme: str = "http") -> GitHub:
    address = Address(host=f"{host}:{server.port}", owner="acme", name="pkgs", scheme=scheme)
    waiting = Waiting(sleep=lambda _seconds: None)
    return GitHub(address, None if token is None else Secret(token), waiting=waiting)


def signed(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}/x"


def upload(github: GitHub, file: io.RawIOBase | io.BytesIO, size: int) -> int:
    url = f"http://{github.address.host}/api/uploads/repos/acme/pkgs/releases/1/assets"
    return github.upload(url, "a.whl", file, size).status  # type: ignore[arg-type]


# What gets into a request.


def test_neither_cookies_nor_netrc_say_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = Path.home() / ".netrc"
    netrc.write_text("machine 127.0.0.1 login ada password hunter2\ndefault login ada password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with Server(always(answer(b"{}", "set-cookie: session=1; Path=/"))) as server:
        for token in (None, TOKEN):
            with client(server, token) as github:
                github.call("GET", "{repo}")
                github.call("GET", "{repo}")
                with github.open(signed(server)) as download:
                    b"".join(download.chunks)
    assert len(server.heads) == 6
    for number, head in enumerate(server.heads):
        words = [line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("authorization:")]
        assert words == ([f"Bearer {TOKEN}"] if number in {3, 4} else [])
        assert "\r\ncookie:" not in head.lower()


def test_an_upload_says_its_length_and_is_not_held_in_memory() -> None:
    class Zeros(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            self.left -= (given := min(size, self.left))
            return bytes(given)

        def seek(self, _at: int, _whence: int = 0) -> int:
            self.left = 64 * MIB
            return 0

    with Server(always(answer(b"{}", status="201 Created"))) as server, client(server) as github:
        github.call("GET", "{repo}", allow={201})
        tracemalloc.start()
        try:
            assert upload(github, Zeros(), 64 * MIB) == 201
            assert tracemalloc.get_traced_memory()[1] < 8 * MIB
        finally:
            tracemalloc.stop()
    head = server.heads[1].lower()
    assert f"content-length: {64 * MIB}\r\n" in head
    assert "transfer-encoding" not in head


def test_the_answer_to_an_upload_may_come_before_its_end() -> None:
    def talk(line: Line) -> None:
        line.hear(body=False)
        line.say(answer(b'{"message": "not this"}', "connection: close", status="422 No"))
        line.socket.shutdown(socket.SHUT_WR)
        line.wait_for_end()

    with Server(talk) as server, client(server) as github, pytest.raises(StorageError, match="not this"):
        upload(github, io.BytesIO(bytes(8 * MIB)), 8 * MIB)


# Certificates and proxies.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of localhost, signed by itself, and its key, in one file."""
    program = shutil.which("openssl")
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("openssl is not installed (Debian: apt install openssl)")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost")
    names = ("-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE")
    key = path.with_name("key")
    subprocess.run(
        [program, "req", "-x509", *kind, *names, "-out", path, "-keyout", key],
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    text = path.read_text()
    path.write_text(text + key.read_text())
    found = subprocess.run([program, "x509", "-hash", "-noout", "-in", path], check=True, capture_output=True, text=True)
    (path.parent / "folder").mkdir()
    (path.parent / "folder" / f"{found.stdout.strip()}.0").write_text(text)
    return path


def test_a_certificate_is_believed_if_the_environment_names_it(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(always(OK), certificate=certificate) as server:
        for variable, path in (("SSL_CERT_FILE", certificate), ("SSL_CERT_DIR", certificate.parent / "folder")):
            monkeypatch.setenv(variable, str(path))
            with client(server, host="localhost", scheme="https") as github:
                assert github.call("GET", "{repo}").data == {"a": 1}
            monkeypatch.delenv(variable)


def test_another_certificate_is_not_believed_and_nothing_is_sent(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(always(OK), certificate=certificate) as server:
        for host in ("localhost", "127.0.0.1"):  # unknown, and of another name
            for method in ("GET", "POST"):
                with client(server, host=host, scheme="https") as github, pytest.raises(StorageError) as caught:
                    github.call(method, "{repo}")
                assert not isinstance(caught.value, UncertainError)
                assert "certificate" in caught.value.message.lower()
                assert "SSL_CERT_FILE" in caught.value.hint
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert server.heads == []


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_proxy_gets_its_password_and_nothing_else(
    variable: str, scheme: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with proxy() as (between, seen), Server(always(OK), certificate=certificate) as server:
        monkeypatch.setenv(variable, f"{scheme}ada:p%40ss@127.0.0.1:{between.port}")
        with client(server, host="localhost", scheme="https") as github:
            assert github.call("GET", "{repo}").data == {"a": 1}
    (asked,) = between.heads
    assert asked.startswith(f"CONNECT localhost:{server.port} ")
    assert b64encode(b"ada:p@ss").decode() in asked
    assert TOKEN not in asked
    assert TOKEN.encode() not in seen
    (head,) = server.heads
    assert f"Bearer {TOKEN}" in head
    assert "proxy" not in head.lower()


@pytest.mark.parametrize("value", ["localhost", "*", "example.org, localhost", "LOCALHOST", "[::1],localhost"])
def test_no_proxy_is_used_where_the_environment_says_so(value: str, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("NO_PROXY", value)
    with proxy() as (between, _), Server(always(OK), certificate=certificate) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{between.port}")
        with client(server, host="localhost", scheme="https") as github:
            assert github.call("GET", "{repo}").data == {"a": 1}
    assert between.heads == []


@pytest.mark.parametrize(
    "said", [answer(status="407 Proxy Authentication Required"), answer(status="502 Bad Gateway"), b"x\r\n\r\n", b""]
)
def test_a_proxy_that_does_not_let_through_is_told_without_its_password(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy(said) as (between, _):
        monkeypatch.setenv("HTTPS_PROXY", f"http://ada:hunter2hunter2@127.0.0.1:{between.port}")
        for method in ("GET", "POST"):
            with client(between, host="localhost", scheme="https") as github, pytest.raises(StorageError) as caught:
                github.call(method, "{repo}")
            assert not isinstance(caught.value, UncertainError)
            assert "hunter2" not in whole(caught.value) + caught.value.hint
            assert "HTTPS_PROXY" in caught.value.hint
    assert not [head for head in between.heads if not head.startswith("CONNECT ")]


@pytest.mark.parametrize(
    ("variable", "value"),
    [("SSL_CERT_DIR", "/nonexistent"), ("HTTPS_PROXY", "ftp://x"), ("HTTPS_PROXY", "http://[x"), ("ALL_PROXY", "http://")],
)
def test_an_environment_that_leads_nowhere_is_told(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with Server(always(OK)) as server, client(server, scheme="https") as github, pytest.raises(UsageError) as caught:
        github.call("GET", "{repo}")
    assert variable in caught.value.message + caught.value.hint


# How answers come.


def test_interim_answers_are_passed_over() -> None:
    def talk(line: Line) -> None:
        while True:
            line.hear()
            line.say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 102 x\r\n\r\n" + OK)

    with Server(talk) as server, client(server) as github:
        for method in ("GET", "POST"):
            assert github.call(method, "{repo}").data == {"a": 1}
    assert len(server.lines) == 1


@pytest.mark.parametrize("data", [b"x: y\r\n", b"x"], ids=["lines", "line"])
def test_the_head_of_an_answer_is_not_read_without_end(data: bytes) -> None:
    sent = [0]

    def talk(line: Line) -> None:
        line.hear()
        line.say(b"HTTP/1.1 200 OK\r\n")
        while True:
            line.say(data * 10_000)
            sent.append(len(data) * 10_000)

    with Server(talk) as server, client(server) as github:
        with pytest.raises(UncertainError):
            github.call("POST", "{repo}")
        with pytest.raises(StorageError):
            github.call("GET", "{repo}")
        with pytest.raises(StorageError), github.open(signed(server)):
            pass
    assert sum(sent) < 100 * MIB


HEAD = f"HTTP/1.1 200 OK\r\n{JSON}\r\n".encode()


@pytest.mark.parametrize(
    "said",
    [b"", b"\x00\x01\x02\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"SSH-2.0-x\r\n", b"HTTP/1.1 200", b"HTTP/1.1 204 x\r\n",
     HEAD, HEAD + b"link: </x>; rel", HEAD + b"no colon\r\ncontent-length: 2\r\n\r\n{}", HEAD + b"content-length: x\r\n\r\n{}",
     HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}", HEAD + b"transfer-encoding: x, chunked\r\n\r\n0\r\n\r\n"],
)  # fmt: skip
def test_what_is_no_whole_answer_is_none(said: bytes) -> None:
    def talk(line: Line) -> None:
        line.hear()
        line.say(said)

    with Server(talk) as server, client(server) as github:
        with pytest.raises(UncertainError):
            github.call("POST", "{repo}")
        with pytest.raises(StorageError) as caught:
            github.call("GET", "{repo}")
        assert not isinstance(caught.value, UncertainError)
        with pytest.raises(StorageError, match="GitHub's storage"), github.open(signed(server)):
            pass


CHUNKED = f"HTTP/1.1 200 OK\r\n{JSON}\r\ntransfer-encoding: chunked\r\n\r\n".encode()


def test_a_body_may_come_in_chunks() -> None:
    with Server(always(CHUNKED + b'3\r\n{"a\r\n5;x=y\r\n": 1}\r\n0\r\nx: y\r\n\r\n')) as server, client(server) as github:
        assert github.call("GET", "{repo}").data == {"a": 1}
        with github.open(signed(server)) as download:
            assert (download.size, b"".join(download.chunks)) == (None, b'{"a": 1}')
        assert github.call("GET", "{repo}").data == {"a": 1}
    assert len(server.lines) == 1


@pytest.mark.parametrize("rest", [b'8\r\n{"a": 1}\r\n', b"8\r\n{", b"x\r\n", b"-1\r\n", b"1" * 100_000], ids=str)
def test_chunks_that_do_not_end_are_no_answer(rest: bytes) -> None:
    def talk(line: Line) -> None:
        line.hear()
        line.say(CHUNKED + rest)

    with Server(talk) as server, client(server) as github:
        with pytest.raises(UncertainError):
            github.call("POST", "{repo}")
        with pytest.raises(StorageError):
            github.call("GET", "{repo}")
        with pytest.raises(StorageError), github.open(signed(server)) as download:
            list(download.chunks)


def test_a_body_that_unpacks_to_much_more_is_not_unpacked_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(bytes(256 * MIB), 1)
    monkeypatch.setattr(wire, "MAX_BODY", MIB)
    with Server(always(answer(packed, "content-encoding: gzip"))) as server, client(server) as github:
        tracemalloc.start()
        try:
            with pytest.raises(AnswerTooLargeError):
                github.call("GET", "{repo}")
            assert tracemalloc.get_traced_memory()[1] < 4 * MIB
        finally:
            tracemalloc.stop()


def test_a_download_comes_no_faster_than_it_is_read() -> None:
    sent: list[int] = []

    def talk(line: Line) -> None:
        line.hear()
        line.say(f"HTTP/1.1 200 OK\r\ncontent-length: {256 * MIB}\r\n\r\n".encode())
        for _ in range(256):
            line.say(bytes(MIB))
            sent.append(MIB)

    with Server(talk) as server, client(server) as github:
        with github.open(signed(server)) as download:
            assert download.size == 256 * MIB
            assert len(next(download.chunks)) <= MIB
        assert sum(sent) < 64 * MIB


# How connections are kept.


def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    closed = threading.Event()

    def talk(line: Line) -> None:
        line.hear()
        line.say(OK)
        line.socket.shutdown(socket.SHUT_RDWR)
        line.socket.close()
        closed.set()

    with Server(talk) as server, client(server) as github:
        for _ in range(3):
            closed.clear()
            assert github.call("POST", "{repo}").data == {"a": 1}
            assert closed.wait(20)
    assert len(server.lines) == 3


def test_a_connection_is_used_again_unless_it_was_quiet_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(always(OK)) as server, client(server) as github:
        for method in ("GET", "POST", "GET"):
            github.call(method, "{repo}")
        assert len(server.lines) == 1
        monkeypatch.setattr(connections, "_KEPT", 0.0)
        github.call("GET", "{repo}")
        assert len(server.lines) == 2


def test_a_connection_that_is_closed_at_the_next_request_is_tried_again_where_that_is_safe() -> None:
    def talk(line: Line) -> None:
        line.hear()
        line.say(OK)
        line.hear()

    for method, ends in (("GET", contextlib.nullcontext()), ("POST", pytest.raises(UncertainError))):
        with Server(talk) as server, client(server) as github:
            github.call("GET", "{repo}")
            with ends:
                assert github.call(method, "{repo}").data == {"a": 1}
            assert len(server.heads) == 2 + (method == "GET")


def test_more_threads_than_connections_wait_for_each_other() -> None:
    together, most, lock = 0, 0, threading.Lock()

    def talk(line: Line) -> None:
        nonlocal together, most
        while True:
            line.hear()
            with lock:
                together += 1
                most = max(most, together)
            line.say(OK[:-1])
            with lock:
                together -= 1
            line.say(OK[-1:])

    with Server(talk) as server, client(server) as github, ThreadPoolExecutor(60) as pool:
        assert {reply.status for reply in pool.map(lambda _: github.call("GET", "{repo}"), range(300))} == {200}
    assert most <= environment.CONNECTIONS


def test_what_is_not_read_to_its_end_takes_no_connection_away() -> None:
    def talk(line: Line) -> None:
        line.hear()
        line.say(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n" + bytes(1000))
        line.wait_for_end()

    with Server(talk) as server, client(server) as github:
        for _ in range(environment.CONNECTIONS + 5):
            with github.open(signed(server)) as download:
                next(download.chunks)
    assert len(server.lines) == environment.CONNECTIONS + 5


def test_an_interruption_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Line] = []

    def talk(line: Line) -> None:
        while True:
            line.hear()
            asked.append(line)
            if len(asked) == 1:
                os.kill(os.getpid(), signal.SIGINT)
                line.wait_for_end()
            line.say(OK)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Server(talk) as server, client(server) as github:
            with pytest.raises(KeyboardInterrupt):
                github.call("POST", "{repo}")
            assert github.call("POST", "{repo}").data == {"a": 1}
        assert len(server.lines) == 2
    finally:
        signal.signal(signal.SIGINT, before)


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


def test_a_proxy_that_answers_by_drops_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CONNECTING", 0.2)
    dropped: list[bytes] = []
    with Server(drip(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", b"\r\n", dropped)) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.port}")
        with client(server, host="localhost", scheme="https") as github, pytest.raises(StorageError, match="took too long"):
            github.call("GET", "{repo}")
    assert len(dropped) < DROPS
