"""HTTP as clients speak it, oddly too: raw sockets against a server, with what has to come back."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
import socket
import threading
import time
import xmlrpc.client
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.makers import make_wheel
from tests.matrix import first
from tests.server.running import soon
from tests.server.test_server import LIMIT, client, form, put, serving, token
from wharf.server.app import make_app
from wharf.server.http import protocol
from wharf.server.http import request_body as bodies
from wharf.server.http.cors import Cors
from wharf.server.http.uvicorn_config import config
from wharf.server.logs.access_log import AccessLog
from wharf.server.logs.operator_log import REFUSALS, OperatorLog, RefusalLog, shown
from wharf.server.options import Options
from wharf.server.rules import Rules
from wharf.server.web import spooled_file, upload_slots
from wharf.server.web import upload_api as uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    from wharf.repository.opening import Repository

__all__ = ["client", "put", "token"]  # fixtures

H2C = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"


@contextmanager
def connection(client: httpx.Client) -> Iterator[socket.socket]:
    with socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=60) as raw:
        yield raw


def answers(client: httpx.Client, *parts: bytes | str, count: int = 1) -> list[str]:
    """The first so many status lines of what comes back, and "closed" if nothing more does."""
    with connection(client) as raw:
        for part in parts:
            raw.sendall(part.encode("latin-1") if isinstance(part, str) else part)
            time.sleep(0.02)  # a segment of its own
        got = b""
        while got.count(b"HTTP/1.1 ") < count and (more := raw.recv(65536)):
            got += more
        return [
            line for line in got.decode("latin-1").replace("HTTP/1.1 ", "\r\nHTTP/1.1 ").split("\r\n") if "HTTP/1.1 " in line
        ]


def basic(token: tuple[str, str]) -> str:
    return f"Authorization: Basic {base64.b64encode(':'.join(token).encode()).decode()}\r\n"


# Which requests are HTTP


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET /simple/ HTTP/1.1\r\nHost: localhost", 200),
        ("GET /simple/ HTTP/1.1\r\nHost: localhost.:8000", 200),
        ("GET /simple/ HTTP/1.1\r\nHOST: LocalHost.", 200),
        ("GET /simple/ HTTP/1.1\r\nhost: [::1]:80", 200),
        ("GET //simple/ HTTP/1.1\r\nHost: localhost", 200),
        ("GET ///simple/ HTTP/1.1\r\nHost: localhost", 200),
        ("GET //simple HTTP/1.1\r\nHost: localhost", 301),
        ("GET //healthz HTTP/1.1\r\nHost: localhost", 200),
        ("GET /simple/ HTTP/1.0\r\nHost: localhost", 200),
        ("GET /healthz HTTP/1.0\r\nX: y", 200),
        ("GET /healthz HTTP/1.1\r\nX: y", 400),
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost", 400),
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nhost: evil.example", 400),
        ("GET /healthz HTTP/1.0\r\nHost: localhost\r\nHost: other", 400),
        ("GET http://localhost/healthz HTTP/1.1\r\nHost: LocalHost", 200),
        ("GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost", 400),
        ("GET http://u@localhost/healthz HTTP/1.1\r\nHost: localhost", 400),
        ("POST /legacy/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked", 400),
        ("POST /legacy/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n-1", 400),
        ("POST /legacy/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + "f" * 17, 400),
        ("GET /healthz HTTP/1.1\r\nHost: a b", 400),
        ("GET /healthz HTTP/1.1\r\nHost: a/b", 400),
        ("GET /healthz HTTP/1.1\r\nHost: user@localhost", 400),
        ("GET /healthz HTTP/1.1\r\nHost: a, b", 400),
        ("CONNECT localhost:80 HTTP/1.1\r\nHost: localhost", 400),
        ("OPTIONS * HTTP/1.1\r\nHost: localhost", 404),
        ("GET /\xff HTTP/1.1\r\nHost: localhost", 400),
        ("GET /simple/ HTTP/1.1\r\nHost : localhost", 400),
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", 400),
        ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade", 200),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400),
    ],
)  # fmt: skip
@pytest.mark.parametrize("open_reading", first(1, [True, False]))
def test_a_request_is_for_one_host_or_it_is_refused(
    repository: Repository, head: str, status: int, open_reading: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    if not open_reading and "simple" in head and status < 400:
        status = 401
    with serving(repository, Rules(open_reading=open_reading, upload_limit=LIMIT)) as client:
        assert f" {status} " in answers(client, f"{head}\r\n\r\n")[0]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("split", [None, 0, 10])
def test_an_offer_of_another_protocol_changes_nothing(
    client: httpx.Client, token: tuple[str, str], tmp_path: Path, split: int | None, capfd: pytest.CaptureFixture[str]
) -> None:
    request = client.build_request("POST", "/legacy/", **form(make_wheel(tmp_path)))
    body = request.read()
    kind = f"Content-Type: {request.headers['content-type']}\r\nContent-Length: {len(body)}\r\n"
    head = f"POST /legacy/ HTTP/1.1\r\nHost: localhost\r\n{basic(token)}{H2C}{kind}\r\n".encode()
    after = b"GET /simple/demo/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
    parts = [head + body + after] if split is None else [head + body[:split], body[split:] + after]
    assert answers(client, *parts, count=2) == ["HTTP/1.1 200 OK", "HTTP/1.1 200 OK"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("head", ["HTTP/1.1\r\nConnection: Upgrade, Close", "HTTP/1.0\r\nConnection: upgrade"])
def test_who_offers_another_protocol_and_wants_an_end_gets_it(client: httpx.Client, head: str) -> None:
    request = f"GET /healthz {head}\r\nHost: localhost\r\nUpgrade: h2c\r\n\r\n"
    assert answers(client, request, count=2) == ["HTTP/1.1 200 OK"]


def test_an_idle_connection_outlives_a_load_balancer_s() -> None:
    options = Options(host="127.0.0.1", port=0, upload_limit=1)
    assert options.keep_alive > 60
    assert config(Cors(_nobody, []), host="127.0.0.1", port=0).timeout_keep_alive == options.keep_alive


async def _nobody(*_: object) -> None: ...


# What a person sees


def test_a_refusal_is_told_in_the_status_line(client: httpx.Client, token: tuple[str, str], tmp_path: Path) -> None:
    """On the same connection the next answer has its own."""
    first = client.post("/legacy/", auth=token, **form(make_wheel(tmp_path)))
    second = client.post("/legacy/", auth=token, **form(make_wheel(tmp_path, content="other")))
    third = client.get("/simple/demo/")
    assert (first.reason_phrase, third.reason_phrase) == ("OK", "OK")
    assert second.reason_phrase.startswith("File already exists. ")
    assert second.reason_phrase == second.text.strip()


@pytest.mark.parametrize("name", ["naïve\r\nX-Evil: 1", "\x1b[31m", "x" * 2000, "\u2028", "wharf\tand\x00more"])
def test_a_status_line_is_one_line_of_ascii_whatever_clients_send(
    client: httpx.Client, token: tuple[str, str], tmp_path: Path, name: str
) -> None:
    answer = client.post("/legacy/", auth=token, **form(make_wheel(tmp_path), name=name))
    assert answer.status_code == 400
    assert "x-evil" not in answer.headers
    assert answer.reason_phrase.isascii()
    assert answer.reason_phrase.isprintable()
    assert len(answer.reason_phrase) <= 600


@pytest.mark.parametrize(
    "path", ["/", "/simple", "/simple/", "/pypi", "/pypi/", "/upload", "/upload/", "//upload", "/legacy/x"]
)
@pytest.mark.parametrize("root", first(1, ["", "/packages"]))
def test_who_posts_elsewhere_is_told_where_uploads_go(repository: Repository, path: str, root: str) -> None:
    with serving(repository, Rules(open_reading=False, upload_limit=LIMIT, root_path=root)) as client:
        line = f"POST {root}{path} HTTP/1.1\r\nHost: pkg.example:8\r\nContent-Length: 0\r\n\r\n"
        (answer,) = answers(client, line)
        assert answer.endswith(f" Uploads go to http://pkg.example:8{root}/legacy/.")


@pytest.mark.parametrize(
    ("path", "pages"),
    [("/pypi", "/simple/"), ("/simple/", "/simple/"), ("/RPC2", "/simple/"), ("/staging/simple/", "/staging/simple/")],
)
def test_who_searches_is_told_where_the_projects_are(client: httpx.Client, path: str, pages: str) -> None:
    """`pip search` shows the fault; it ends with a traceback after any other answer."""
    server = str(client.base_url).rstrip("/")
    with xmlrpc.client.ServerProxy(server + path) as index, pytest.raises(xmlrpc.client.Fault) as caught:
        index.search({"name": "demo"}, "or")
    assert caught.value.faultString.endswith(f" {server}{pages}")


# Conditions and parts


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Match": "{etag}"}, 200),
        ({"If-Match": '"other", {etag}'}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-Match": "W/{etag}"}, 412),
        ({"If-Match": '"other"', "If-None-Match": "{etag}"}, 412),
        ({"If-Match": "{etag}", "If-None-Match": "W/{etag}"}, 304),
        ({"If-None-Match": "W/{etag}"}, 304),
        ({"If-None-Match": '"other"'}, 200),
    ],
)
def test_conditions_hold_for_pages_files_and_metadata(
    client: httpx.Client, put: Callable[..., None], tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    wheel = make_wheel(tmp_path)
    put(wheel)
    soon(lambda: client.get("/simple/demo/").status_code == 200)
    file = f"/files/{hashlib.sha256(wheel.read_bytes()).hexdigest()}/{wheel.name}"
    for path in ("/simple/demo/", "/simple/", file, f"{file}.metadata"):
        for method in ("GET", "HEAD", "GET"):  # the last finds its answer ready
            etag = client.head(path).headers["etag"]
            asked = {name: value.format(etag=etag) for name, value in headers.items()}
            assert client.request(method, path, headers=asked).status_code == status, (method, path)
    assert client.get("/simple/nothing/", headers={"If-Match": "*"}).status_code == 404


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    first(6, [
        ("bytes=0-4, 9000000-", 206, slice(0, 5)),
        (f"bytes=0-4, {'9' * 30}-", 206, slice(0, 5)),
        (f"bytes=2-{'9' * 30}", 206, slice(2, None)),
        (f"bytes=-{'9' * 30}", 206, slice(None)),
        (f"bytes={'0' * 30}2-3", 206, slice(2, 4)),
        (f"bytes={'9' * 30}-", 416, None),
        ("bytes=9000000-9000001,2-3,-0", 206, slice(2, 4)),
        ("BYTES = 2-3", 206, slice(2, 4)),
        ("bytes=-9000000", 206, slice(None)),
        ("bytes=9000000-,9000001-", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=4-2", 200, slice(None)),
        ("bytes=0-1,x", 200, slice(None)),
        ("bytes=" + ",".join(["0-1"] * 30), 200, slice(None)),
        ("bytes=" + "9" * 5000 + "-", 200, slice(None)),
        ("items=0-1", 200, slice(None)),
    ]),
)  # fmt: skip
def test_parts_that_a_file_has_are_sent_whatever_else_was_asked_for(
    client: httpx.Client, put: Callable[..., None], tmp_path: Path, asked: str, status: int, part: slice | None
) -> None:
    wheel = make_wheel(tmp_path)
    put(wheel)
    data = wheel.read_bytes()
    address = f"/files/{hashlib.sha256(data).hexdigest()}/{wheel.name}"
    soon(lambda: client.head(address).status_code == 200)
    answer = client.get(address, headers={"Range": asked})
    assert answer.status_code == status
    if part is not None:
        assert answer.content == data[part]
    head = client.head(address, headers={"Range": asked})
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(data)))


# Uploads as clients send them


def sent(wheel: Path, drop: str = "", **fields: Any) -> dict[str, Any]:
    data = {":action": "file_upload", "protocol_version": "1", **fields}
    data.pop(drop, None)
    return {"data": data, "files": [("content", (wheel.name, wheel.read_bytes()))]}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({}, "OK"),
        ({"files": ("gpg_signature", ("demo.whl.asc", b"-----BEGIN PGP SIGNATURE-----"))}, "'demo.whl.asc' was dropped"),
        ({"data": {"attestations": "[{}]"}}, "The attestations were dropped"),
        ({"data": {"gpg_signature": "x"}}, "OK"),
        ({"files": ("other", ("x.txt", b"x"))}, "The field 'other' was dropped."),
        ({"drop": ":action"}, "OK"),
        ({"drop": ":action", "params": {":action": "file_upload"}}, "OK"),
        ({"data": {"blake2_256_digest": "0" * 128}}, "blake2_256_digest was ignored: it has 128 digits instead of 64."),
        ({"data": {"md5_digest": "n/a", "sha256_digest": " "}}, "md5_digest was ignored"),
        ({"data": {":action": "", "name": " Demo\r\n", "version": "", "protocol_version": " 1 "}}, "OK"),
        ({"data": {"name": ["demo", "demo"], "version": ["1.0", ""]}}, "OK"),
        ({"data": {"description": "d" * 9_000_000, "classifiers": "x"}}, "OK"),
        ({"path": "/legacy"}, "OK"),
    ],
)
def test_an_upload_is_taken_whatever_else_is_in_its_form(
    client: httpx.Client, token: tuple[str, str], tmp_path: Path, more: dict[str, Any], says: str
) -> None:
    upload = sent(make_wheel(tmp_path), more.get("drop", ""), **more.get("data", {}))
    upload["files"] += [more["files"]] if "files" in more else []
    answer = client.post(more.get("path", "/legacy/"), auth=token, params=more.get("params"), **upload)
    assert (answer.status_code, says in answer.text) == (200, True), answer.text
    assert client.get("/simple/demo/").status_code == 200


@pytest.mark.parametrize("clothes", ["{}\n", " {} ", "\t{}\r\n"])
def test_a_token_that_was_pasted_with_a_line_end_is_that_token(
    client: httpx.Client, token: tuple[str, str], tmp_path: Path, clothes: str
) -> None:
    secret = clothes.format(token[1])
    assert client.post("/legacy/", auth=("__token__", secret), **sent(make_wheel(tmp_path))).status_code == 200


def test_a_login_that_fails_says_why_and_what_to_do(repository: Repository) -> None:
    """Uploaders send an empty password where the variable for it is not set, or a job does not get the secret."""
    empty, unknown = "The password is empty", "The server does not know this token"
    with serving(repository, Rules(open_reading=False, upload_limit=LIMIT)) as client:
        for login, says in (
            (_basic("__token__:"), empty),
            (_basic("ci: \n"), empty),
            (_basic(":"), empty),
            ("Bearer", empty),
            (_basic("wharf_of-another-server:"), unknown),
            (_basic("x:wrong"), unknown),
            ("Basic !!!", unknown),
        ):
            for method, path in (("POST", "/legacy/"), ("GET", "/simple/")):
                answer = client.request(method, path, headers={"Authorization": login})
                assert (answer.status_code, answer.text.startswith(says)) == (401, True), (login, answer.text)
                assert "`wharf token create NAME` makes a" in answer.text
                assert answer.headers["www-authenticate"].startswith("Basic ")


def _basic(login: str) -> str:
    return f"Basic {base64.b64encode(login.encode()).decode()}"


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
@pytest.mark.parametrize("chunked", [True, False])
def test_who_sends_a_body_that_is_too_long_reads_why(
    repository: Repository, token: tuple[str, str], version: str, chunked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the connection is to be closed behind the answer."""
    monkeypatch.setattr(uploads, "FORM_LIMIT", 1000)
    size = 20 << 20
    with serving(repository, Rules(open_reading=True, upload_limit=1000)) as client, connection(client) as raw:
        length = "Transfer-Encoding: chunked" if chunked and version == "HTTP/1.1" else f"Content-Length: {size}"
        head = (
            f"POST /legacy/ {version}\r\nHost: localhost\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=x"
        )
        raw.sendall(f"{head}\r\n{basic(token)}{length}\r\n\r\n".encode())
        data = bytes(1 << 20)
        piece = b"%x\r\n%s\r\n" % (len(data), data) if "chunked" in length else data
        for _ in range(20):
            raw.sendall(piece)
        if "chunked" in length:
            raw.sendall(b"0\r\n\r\n")
        got = b""
        while more := raw.recv(65536):
            got += more
    assert got.startswith(b"HTTP/1.1 413 The upload is larger than this server takes (1000 bytes a file).")


@pytest.mark.slow
def test_a_body_that_nobody_wants_is_not_read_for_ever(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "UNWANTED", 1 << 20)
    monkeypatch.setattr(protocol, "PATIENCE", 0.2)
    head = b"POST /legacy/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"
    for piece in (bytes(65536), b"x"):  # all at once, and drop by drop
        with connection(client) as raw:
            raw.sendall(head)
            assert raw.recv(12) == b"HTTP/1.1 401"
            with pytest.raises(ConnectionError):
                send_for_long(raw, piece)


def send_for_long(raw: socket.socket, piece: bytes) -> None:
    for _ in range(2000):
        raw.sendall(piece)
        if len(piece) == 1:
            time.sleep(0.005)


def stalled(token: tuple[str, str], length: int = 100_000) -> bytes:
    head = f"POST /legacy/ HTTP/1.1\r\nHost: localhost\r\n{basic(token)}Content-Length: {length}\r\n"
    part = '--x\r\nContent-Disposition: form-data; name="content"; filename="a"\r\n\r\n'
    return f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n{part}".encode()


@pytest.mark.slow
@pytest.mark.parametrize("drip", [False, True])
def test_an_upload_that_stalls_is_given_up(
    client: httpx.Client, token: tuple[str, str], monkeypatch: pytest.MonkeyPatch, drip: bool
) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", 0.2)
    with connection(client) as raw:
        raw.sendall(stalled(token))
        ended = threading.Event()

        def drop() -> None:
            with contextlib.suppress(OSError):  # the server has closed it
                while drip and not ended.wait(0.05):
                    raw.sendall(b"x")

        thread = threading.Thread(target=drop)
        thread.start()
        try:
            assert raw.recv(100).startswith(b"HTTP/1.1 408 The body of the request takes too long to arrive.")
        finally:
            ended.set()
            thread.join()


def test_unfinished_uploads_are_bounded_together_and_for_each_uploader(
    client: httpx.Client, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_slots, "AT_ONCE", 2)
    one, two, three = (("__token__", repository.tokens.create(f"ci{n}", "publish").reveal()) for n in range(3))

    def gets(token: tuple[str, str], status: int) -> bool:
        answer = client.post("/legacy/", auth=token, **sent(make_wheel(tmp_path)))
        return (answer.status_code, answer.headers.get("retry-after")) == (status, None if status == 200 else "5")

    with connection(client) as first_stalls, connection(client) as second_stalls:
        first_stalls.sendall(stalled(one))
        soon(lambda: gets(one, 429))
        assert gets(two, 200)
        second_stalls.sendall(stalled(two))
        soon(lambda: gets(three, 503))
        assert gets(one, 429)
    soon(lambda: gets(one, 200))


def test_an_upload_leaves_room_on_the_disk(
    client: httpx.Client, token: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    monkeypatch.setattr(spooled_file, "FLOOR", 1 << 62)
    answer = client.post("/legacy/", auth=token, **sent(make_wheel(tmp_path)))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert list((store / "staging").iterdir()) == []


def test_what_is_cut_off_is_no_upload(client: httpx.Client, token: tuple[str, str], tmp_path: Path) -> None:
    """A length that is too short ends the body within the file."""
    request = client.build_request("POST", "/legacy/", **sent(make_wheel(tmp_path)))
    body, kind = request.read(), {"Content-Type": request.headers["content-type"]}
    answer = client.post("/legacy/", auth=token, content=body[:-100], headers=kind)
    assert (answer.status_code, "it breaks off." in answer.text) == (400, True)


# What the operator is told


def test_a_refusal_is_told_once_each_and_not_without_end() -> None:
    said: list[str] = []
    now = [0.0]
    refusals = RefusalLog(said.append, clock=lambda: now[0])
    scope = {"method": "POST", "path": "/legacy/\x1b[2J\n", "client": ("10.0.0.5", 1)}
    for _ in range(REFUSALS + 70):
        refusals.refused(scope, 403, "This token\nmay only read: wharf_abcdefghijklmnop.", "ci")
    assert len(said) == REFUSALS
    assert said[0] == r"refused: POST /legacy/\x1b[2J\n from 10.0.0.5 by ci: 403 This token\nmay only read: ***"
    now[0] = 61.0
    refusals.refused(scope, 403, "no", None)
    assert said[REFUSALS:] == ["refused: 70 more within a minute", r"refused: POST /legacy/\x1b[2J\n from 10.0.0.5: 403 no"]


def test_refused_logins_and_uploads_are_told(repository: Repository, token: tuple[str, str], tmp_path: Path) -> None:
    said: list[str] = []
    rules = Rules(open_reading=False, upload_limit=LIMIT)
    with serving(repository, rules, make=lambda: make_app(repository, rules, refusals=RefusalLog(said.append))) as client:
        assert client.get("/simple/").status_code == 401
        assert said == []  # clients ask without a token first
        client.get("/simple/", auth=("x", "wharf_wrong-and-secret-token"))
        client.post("/legacy/", auth=token, **form(make_wheel(tmp_path), name="other"))
        client.post("/legacy/")
    assert [line.partition(" from 127.0.0.1")[0] for line in said] == [
        "refused: GET /simple/", "refused: POST /legacy/", "refused: POST /legacy/",
    ]  # fmt: skip
    assert " by ci: 400 The form says name='other'" in said[1]
    assert "wrong-and-secret" not in "".join(said)


@pytest.mark.parametrize("as_json", [True, False])
def test_the_access_log_names_the_token_and_never_shows_it(
    repository: Repository, token: tuple[str, str], as_json: bool
) -> None:
    lines: list[str] = []
    rules = Rules(open_reading=False, upload_limit=LIMIT)

    def make() -> AccessLog:
        front = make_app(repository, rules)
        return AccessLog(front, front.who, lines.append, as_json=as_json)

    with serving(repository, rules, make=make) as client:
        client.get(f"/simple/?token={token[1]}", auth=token)
        client.get(
            f"/{token[1]}/simple/", headers={"User-Agent": f"pip {token[1]} a{token[1]}", "Referer": f"https://x/{token[1]}"}
        )
        client.get(f"/a{token[1]}/simple/")
    assert token[1] not in "".join(lines)
    assert all(line.isprintable() for line in lines)
    one, two, _ = lines
    if as_json:
        assert '"token": "ci", "method": "GET", "path": "/simple/", "status": 200, "bytes": ' in one
        assert '"token": null, "method": "GET", "path": "/***/simple/", "status": 400' in two
    else:
        assert " 127.0.0.1 ci GET /simple/ 200 " in one
        assert " 127.0.0.1 - GET /***/simple/ 400 " in two


def test_a_line_of_the_access_log_has_the_same_words_whatever_clients_send(repository: Repository) -> None:
    lines: list[str] = []
    rules = Rules(open_reading=True, upload_limit=LIMIT)

    def make() -> AccessLog:
        front = make_app(repository, rules)
        return AccessLog(front, front.who, lines.append, as_json=False)

    with serving(repository, rules, make=make) as client:
        client.get("/simple/x%20200%205%200.1ms/", headers={"User-Agent": 'pip {"ci":null} 1.0" 200 "'})
    (line,) = lines
    before, agent, after = line.split('"')
    assert len(before.split()) == 8
    assert (agent, after) == ("pip {'ci':null} 1.0' 200 '", "")


def test_what_is_logged_is_told_line_by_line() -> None:
    said: list[str] = []
    record = logging.LogRecord("wharf", logging.ERROR, "", 0, "%s", ("/a\nserver: all is well\x1b[2J",), None)
    OperatorLog(said.append).emit(record)
    assert said == ["/a", r"  server: all is well\x1b[2J"]


def test_words_of_others_are_shown_in_one_line_without_tokens() -> None:
    assert shown("https://ada:ghp_0123456789abcdef@host/x") == "https://***host/x"
    assert shown("a\u202eb\x07") == "a\\u202eb\\x07"
    assert len(shown("x" * 10_000)) == 300


# Pages of other sites


def test_pages_of_named_origins_may_read(repository: Repository) -> None:
    rules = Rules(open_reading=True, upload_limit=LIMIT)
    lab = "https://lab.example.org"
    with serving(repository, rules, make=lambda: Cors(make_app(repository, rules), [lab])) as client:
        for path in ("/simple/", "/healthz", "/simple/nothing/"):
            answer = client.get(path, headers={"Origin": lab})
            assert answer.headers["access-control-allow-origin"] == lab
            assert "ETag" in answer.headers["access-control-expose-headers"]
            for origin in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {}):
                answer = client.get(path, headers=origin)
                assert "access-control-allow-origin" not in answer.headers
                assert "Origin" in answer.headers["vary"]
        ask = {"Origin": lab, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
        first = client.options("/simple/", headers=ask)
        assert (first.status_code, first.headers["access-control-allow-methods"]) == (204, "GET, HEAD")
        assert "authorization" in first.headers["access-control-allow-headers"].lower()
        assert first.headers["vary"] == "Origin"
        assert client.options("/simple/", headers={**ask, "Origin": "https://evil.example"}).status_code == 403
        assert client.post("/legacy/", headers={"Origin": lab}).status_code == 403
        assert client.get("/simple/", headers={"Origin": lab, "Host": "evil.example"}).status_code == 421
    with serving(repository, rules, make=lambda: Cors(make_app(repository, rules), ["*"])) as client:
        answer = client.get("/simple/", headers={"Origin": "https://anywhere.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "Origin" not in answer.headers["vary"].replace("Accept", "")
    with serving(repository, rules) as client:
        assert "access-control-allow-origin" not in client.get("/simple/", headers={"Origin": lab}).headers
        assert client.options("/simple/", headers=ask).status_code == 405
