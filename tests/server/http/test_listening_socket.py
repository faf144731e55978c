"""What a server is told when it starts, what it says then, and how it ends: options, addresses, signals."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from tests.makers import make_wheel
from tests.server.running import soon
from tests.server.session_client import SessionClient
from wharf.errors import UsageError
from wharf.server.http import listening_socket
from wharf.server.options import Options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAB = "https://lab.example.org"


def options(**given: object) -> Options:
    return Options(**{"host": "127.0.0.1", "port": 8000, "upload_limit": 1, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"root_path": "packages"}, "slash"),
        *(
            ({"allowed_hosts": ("ok.example", name)}, "--allowed-host pkg.example.org")
            for name in ("https://x", "x:8443", "*.example.org", "a b", "m\xfcnchen.example", "")
        ),
        ({"trusted_proxies": ("proxy",)}, "--trusted-proxy 10.0.0.5"),
        ({"cors_origins": ("*",)}, "--auth public"),
        ({"cors_origins": ("*",), "auth": "tokens"}, "--auth public"),
        ({"cors_origins": (f"{LAB}/",)}, "without a slash"),
        ({"cors_origins": ("lab.example.org",)}, f"--cors-origin {LAB}"),
        ({"cors_origins": ("https://ada@lab.example.org",)}, f"--cors-origin {LAB}"),
        ({"cors_origins": ("null",)}, f"--cors-origin {LAB}"),
        *(
            ({"cors_origins": (odd,)}, f"--cors-origin {LAB}")
            for odd in ("http://[::1", f"{LAB}:99999", f"{LAB}:x", "https://", "")
        ),
    ],
)
def test_options_that_cannot_be(given: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError) as raised:
        options(**given)
    assert says in raised.value.sentences


def test_options_that_can_be() -> None:
    assert options(cors_origins=(LAB, "http://127.0.0.1:8080")).cors_origins
    assert options(cors_origins=("*",), auth="public").cors_origins


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"host": "0.0.0.0"}, None),
        ({"host": "::"}, None),
        ({"host": "0.0.0.0", "allowed_hosts": ("pkg.example",)}, "http://pkg.example:8000"),
        ({"allowed_hosts": ("pkg.example",)}, "https://pkg.example"),
        ({"allowed_hosts": ("pkg.example",), "root_path": "/packages/"}, "https://pkg.example/packages"),
        ({"root_path": "/packages"}, None),
        ({"trusted_proxies": ("10.0.0.5",)}, None),
    ],
)
def test_the_address_that_clients_use_is_named_or_not_known(given: dict[str, object], address: str | None) -> None:
    assert options(**given).seen_by_clients("http://127.0.0.1:8000") == address


@pytest.mark.parametrize(
    ("host", "number", "says"),
    [
        ("127.0.0.1", errno.EADDRINUSE, "--port 0 takes a free port"),
        ("10.9.9.9", errno.EADDRNOTAVAIL, "10.9.9.9 is not an address of this machine"),
        ("127.0.0.1", errno.EACCES, "as in --port 8000"),
        ("127.0.0.1", errno.ENOBUFS, "another port with --port"),
    ],
)
def test_each_failure_to_listen_has_its_own_way_out(host: str, number: int, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket.socket, "bind", fail)
    with pytest.raises(UsageError) as raised:
        listening_socket.listen(host, 80)
    assert says in raised.value.hint
    assert ("--port 0" in raised.value.hint) is (number == errno.EADDRINUSE)


def test_a_host_that_is_none() -> None:
    with pytest.raises(UsageError) as raised:
        listening_socket.listen("no such host.invalid", 0)
    assert "neither an address nor a name" in raised.value.message


def test_as_many_files_may_be_open_as_the_user_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [(1024, resource.RLIM_INFINITY)]

    def set_limit(_what: int, wanted: tuple[int, int]) -> None:
        if wanted[0] == resource.RLIM_INFINITY:
            raise ValueError("more than the system allows")
        limits.append(wanted)

    monkeypatch.setattr(resource, "getrlimit", lambda _what: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", set_limit)
    listening_socket.allow_open_files()
    assert limits[-1] == (10_240, resource.RLIM_INFINITY)
    limits[:] = [(1024, 4096)]
    listening_socket.allow_open_files()
    assert limits[-1] == (4096, 4096)
    limits[:] = [(4096, 4096)]
    listening_socket.allow_open_files()
    assert limits == [(4096, 4096)]


def wharf(store: Path, *words: str) -> bytes:
    command = [sys.executable, "-m", "wharf", "--repo", str(store), *words]
    return subprocess.run(command, check=True, capture_output=True).stdout


@contextmanager
def served(store: Path, *words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "wharf", "--repo", str(store), "serve", "--port", "0", "--json", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"], process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_store_that_a_server_makes_is_announced(store: Path) -> None:
    """It may be a name that was mistyped."""
    command = [sys.executable, "-m", "wharf", "--repo", str(store), "serve", "--port", "0"]
    for told in ("a new store, empty yet", "empty yet"):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            process.terminate()
        assert line.startswith(f"Serving the index 'main' of {store} ({told}) at ")


@pytest.mark.slow
def test_a_closed_terminal_ends_no_server(store: Path) -> None:
    with served(store) as (url, process):
        process.send_signal(signal.SIGHUP)
        assert httpx.get(f"{url}/healthz").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60) == ("", "Stopping.\n")


@pytest.mark.slow
def test_a_download_that_is_cut_off_by_the_end_is_no_fault(tmp_path: Path, store: Path) -> None:
    wheel = make_wheel(tmp_path, files={"demo/large": os.urandom(40 << 20)})
    subprocess.run(
        [sys.executable, "-m", "wharf", "--repo", str(store), "publish", str(wheel)], check=True, capture_output=True
    )
    with served(store) as (url, process):
        page = httpx.get(f"{url}/simple/demo/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}).json()
        path = page["files"][0]["url"].removeprefix("../..")
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as slow:
            slow.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert slow.recv(100).startswith(b"HTTP/1.1 200 OK")
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, "")
        assert err == "Stopping. 1 answer is under way, and may take 10 seconds more.\n"


@pytest.mark.slow
def test_uploads_with_large_forms_take_little_memory(store: Path) -> None:
    """Sixty at once, each with 30 MB of fields, that do not end."""
    token = json.loads(wharf(store, "token", "create", "ci", "--scope", "publish", "--json"))["token"]
    with served(store) as (url, process):
        port = int(url.rpartition(":")[2])
        before = memory(process.pid)
        held = []
        field = b'--x\r\nContent-Disposition: form-data; name="description"\r\n\r\n' + b"d" * 7_500_000 + b"\r\n"
        head = f"POST /legacy/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        head += "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 31000000\r\n\r\n"
        for _ in range(60):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(
                f"{head}Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 31000000\r\n\r\n".encode()
            )
            for _ in range(4):
                connection.sendall(field)
            held.append(connection)
        soon(lambda: httpx.get(f"{url}/healthz").status_code == 200)
        assert memory(process.pid) - before < 128 << 20
        for connection in held:
            connection.close()


@pytest.mark.slow
def test_a_thousand_half_open_uploads_take_little_memory(tmp_path: Path, store: Path) -> None:
    """Three of four are forms, the others are files of an upload session. None ends; the server answers others meanwhile."""
    names = ("one", "two", "three")  # one uploader has at most half of the room
    tokens = [json.loads(wharf(store, "token", "create", name, "--scope", "publish", "--json"))["token"] for name in names]
    *holding, token = tokens
    wharf(store, "publish", str(make_wheel(tmp_path)))
    with served(store) as (url, process), httpx.Client(base_url=url, timeout=60) as http, ExitStack() as held, many_files():
        sessions = SessionClient(http, ("__token__", token))
        session = sessions.begin("beside").raise_for_status().json()
        wheel = make_wheel(tmp_path, "beside", files={"beside.bin": "x" * 2_000_000})
        file = sessions.announce(session, wheel).raise_for_status().json()
        form = b'--x\r\nContent-Disposition: form-data; name="content"; filename="demo-2.0-py3-none-any.whl"\r\n\r\n'
        heads = (
            ("/legacy/", "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 9000000\r\n", form),
            (urlsplit(file["mechanism"]["file_url"]).path, f"Content-Length: {wheel.stat().st_size}\r\n", b""),
        )
        before = memory(process.pid)
        for number in range(1000):
            path, headers, begin = heads[number % 4 == 0]
            bearer = f"Authorization: Bearer {holding[number // 4 % 2]}\r\n"
            line = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{bearer}{headers}\r\n"
            raw = held.enter_context(socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))))
            with suppress(ConnectionError):  # it was refused before its body came
                raw.sendall(line.encode() + begin + b"x" * 250_000)
        assert http.get("/simple/demo/").status_code == 200
        soon(lambda: http.post("/legacy/", auth=("__token__", token), data={"x": "y"}).status_code == 503)
        assert memory(process.pid) - before < 128 << 20
        held.close()
        soon(lambda: sessions.send(file, wheel.read_bytes()).status_code == 200)
        sessions.complete(file).raise_for_status()
        assert sessions.publish(session).raise_for_status().json()["status"] == "published"
        soon(lambda: http.get("/simple/beside/").status_code == 200)


@contextmanager
def many_files() -> Iterator[None]:
    """As many open files in this process as the system gives it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def memory(pid: int) -> int:
    """Bytes that a process holds, where the system tells."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        pytest.skip("this system does not tell how much memory a process holds")


@pytest.mark.slow
def test_the_access_log_and_refusals_go_to_the_terminal(store: Path) -> None:
    with served(store, "--access-log", "--auth", "public") as (url, process):
        httpx.get(f"{url}/simple/")
        httpx.get(f"{url}/healthz", auth=("x", "wharf_0123456789abcdef"))
        httpx.post(f"{url}/legacy/", auth=("x", "wharf_0123456789abcdef"))
        time.sleep(0)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("GET", "/simple/", 200), ("GET", "/healthz", 200), ("POST", "/legacy/", 401),
    ]  # fmt: skip
    assert err.splitlines()[0].startswith("refused: POST /legacy/ from 127.0.0.1: 401 The server does not know this token")
    assert "0123456789abcdef" not in out + err
