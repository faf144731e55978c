"""What upload sessions refuse: by which status, in which words, and what stays as it was."""

from __future__ import annotations

import errno
import gc
import hashlib
import json
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from tests.makers import make_sdist, make_wheel
from tests.matrix import first
from tests.server.running import soon
from tests.server.session_client import BATCH_TYPE, LIMIT, MEDIA_TYPE, META, SessionClient, batch_of, sessions
from wharf.assets import session_folder
from wharf.errors import StorageError
from wharf.model import Status
from wharf.operations import upload_session_files
from wharf.operations.set_status import set_status
from wharf.repository.tokens import NewToken
from wharf.secret import Secret
from wharf.server.http import request_body
from wharf.server.sessions.incoming_batch import IncomingBatch
from wharf.server.web import spooled_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from wharf.repository.opening import Repository

SHA = {"sha256": "0" * 64}
RELEASE = {**META, "name": "demo", "version": "1.0"}
FILE = {**META, "filename": "demo-1.0-py3-none-any.whl", "size": 3, "hashes": SHA, "mechanism": "http-post-bytes"}


@pytest.fixture
def client(repository: Repository) -> Iterator[SessionClient]:
    with sessions(repository) as client:
        yield client


def is_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The document of a refusal, which is a problem (RFC 9457) with the members that the API has in addition."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said: dict[str, Any] = answer.json()
    assert said["status"] == status
    assert said["title"]
    assert said["detail"].endswith(".")
    assert said["meta"] == {"api-version": "2.0"}
    assert said["errors"][0]["message"] == said["detail"]
    return said


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        json.dumps({**RELEASE, "meta": {}}).encode(),
        json.dumps({**RELEASE, "meta": "2.0"}).encode(),
        json.dumps({**RELEASE, "meta": {"api-version": 2.0}}).encode(),
        json.dumps({**RELEASE, "meta": {"api-version": "2.1"}}).encode(),
        json.dumps({**RELEASE, "name": None}).encode(),
        json.dumps({**RELEASE, "name": "de mo"}).encode(),
        json.dumps({**RELEASE, "name": "../demo"}).encode(),
        json.dumps({**RELEASE, "name": "d" * 300}).encode(),
        json.dumps({**RELEASE, "name": "\ud800"}).encode(),
        json.dumps({**RELEASE, "version": "one"}).encode(),
        json.dumps({**RELEASE, "version": "1" * 300}).encode(),
        json.dumps({**RELEASE, "version": 1}).encode(),
        json.dumps({**RELEASE, "x": float("nan")}).encode(),
        json.dumps({**RELEASE, "x": float("inf")}).encode(),
        json.dumps(RELEASE).encode()[:-1] + b',"x":1e999}',
        json.dumps(RELEASE).encode()[:-1] + b',"x":' + b"9" * 5000 + b"}",
        json.dumps(RELEASE).encode()[:-1] + b',"name":"other"}',
    ],
)
def test_a_document_that_is_none_begins_no_session(client: SessionClient, repository: Repository, document: bytes) -> None:
    answer = client.http.post("/-/upload/2.0/", content=document, headers={"Content-Type": MEDIA_TYPE}, auth=client.auth)
    assert "sys." not in is_problem(answer, 400)["detail"]
    assert not repository.sessions.all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"filename": "other-1.0-py3-none-any.whl"}, 400),
        ({"filename": "demo-2.0-py3-none-any.whl"}, 400),
        ({"filename": "demo-1.0.exe"}, 400),
        ({"filename": "../demo-1.0.tar.gz"}, 400),
        ({"filename": 1}, 400),
        ({"size": 0}, 400),
        ({"size": -1}, 400),
        ({"size": "3"}, 400),
        ({"size": True}, 400),
        ({"size": 3.5}, 400),
        ({"size": LIMIT + 1}, 413),
        ({"hashes": {}}, 400),
        ({"hashes": "0" * 64}, 400),
        ({"hashes": {"md5": "0" * 32}}, 400),
        ({"hashes": {"md5": "0" * 32, "sha1": "0" * 40}}, 400),
        ({"hashes": {"sha256": "0" * 63}}, 400),
        ({"hashes": {"sha256": "z" * 64}}, 400),
        ({"hashes": {"sha256": None}}, 400),
        ({"hashes": {**SHA, "crc32": "0" * 8}}, 400),
        ({"hashes": {"shake_128": "00"}}, 400),
        ({"hashes": {f"sha{number}": "0" * 64 for number in range(30)}}, 400),
        ({"mechanism": "vnd-acme-post"}, 422),
        ({"mechanism": None}, 400),
    ],
)
def test_a_file_that_cannot_be_announced(client: SessionClient, changed: dict[str, object], status: int) -> None:
    session = client.begin().json()
    is_problem(client.post(session["links"]["upload"], {**FILE, **changed}), status)
    assert client.get(session["links"]["session"]).json()["files"] == {}


@pytest.mark.slow
def test_every_address_answers_a_problem_for_what_it_does_not_take(client: SessionClient, tmp_path: Path) -> None:
    session = client.begin().json()
    links = session["links"]
    file = client.announce(session, make_wheel(tmp_path)).json()
    documents = ("/-/upload/2.0/", links["publish"], links["extend"], links["upload"], file["links"]["complete"])
    for url in documents:
        is_problem(client.post(url, headers={"Content-Type": "application/json"}), 415)
        is_problem(client.post(url, headers={"Accept": "text/html"}), 406)
        is_problem(client.post(url, headers={"Content-Encoding": "gzip"}), 415)
        is_problem(client.post(url, {"x": "y" * (70 << 10)}), 413)
        is_problem(client.post(url, {}), 400)
        assert "POST" in client.http.put(url, auth=client.auth).headers["allow"]
        is_problem(client.http.put(url, auth=client.auth), 405)
    for url in (links["session"], file["links"]["file-upload-session"]):
        is_problem(client.post(url), 405)
    key = file["links"]["file-upload-session"].rpartition("/")[2]
    for path in (
        "0" * 32,
        "nothing",
        "a/b/c/d/e",
        f"{links['session'].rpartition('/')[2]}/files/0-{'0' * 32}",
        f"{links['session'].rpartition('/')[2]}/files/{key}0",
    ):
        is_problem(client.get(f"/-/upload/2.0/{path}"), 404)
    for accept in ("", "*/*", f"text/html, {MEDIA_TYPE};q=0.5"):
        assert client.http.get(links["session"], headers={"Accept": accept}, auth=client.auth).status_code == 200


@pytest.mark.parametrize("accept", ["*/*", "application/json, text/plain;q=0.9"])  # of twine and uv
@pytest.mark.parametrize("below", first(1, ["", "/main"]))
def test_who_sends_a_form_is_told_where_uploads_go(client: SessionClient, accept: str, below: str) -> None:
    url, form = f"{below}/-/upload/2.0/", {"content": b"PK"}
    answer = client.http.post(url, files=form, headers={"Accept": accept}, auth=client.auth)
    assert f" {client.http.base_url}{below}/legacy/." in is_problem(answer, 415)["detail"]


@pytest.mark.parametrize("way", ["form", "bytes", "batch"])
def test_a_token_that_ends_while_the_bytes_come_is_refused(
    client: SessionClient, repository: Repository, tmp_path: Path, way: str
) -> None:
    wheel = make_wheel(tmp_path, content="x" * 100_000)
    session = client.begin().json()
    fields = {":action": "file_upload", "protocol_version": "1", "filetype": "bdist_wheel", "metadata_version": "2.1"}
    whole = client.http.build_request("POST", "/legacy/", data=fields, files={"content": (wheel.name, wheel.read_bytes())})
    url, kind, body = {
        "form": ("/legacy/", whole.headers["Content-Type"], whole.read()),
        "bytes": ("", "application/octet-stream", wheel.read_bytes()),
        "batch": (session["links"]["_wharf_batch"], BATCH_TYPE, batch_of(wheel)),
    }[way]
    url = url or client.announce(session, wheel).json()["mechanism"]["file_url"]
    (token,) = [each.name for each in repository.tokens.all()]

    def slowly() -> Iterator[bytes]:
        yield body[:50_000]
        repository.tokens.revoke(token)
        yield body[50_000:]

    assert client.http.post(url, content=slowly(), headers={"Content-Type": kind}, auth=client.auth).status_code in {401, 403}
    assert repository.branch.tip() is None
    (kept,) = repository.sessions.all()
    assert not [each for each in kept.files.values() if each.sha256]


@pytest.mark.slow  # all objects are looked at
@pytest.mark.parametrize("what", ["long document", "batch that breaks off", "long request of the API"])
def test_nothing_of_a_refused_request_stays_in_memory(client: SessionClient, tmp_path: Path, what: str) -> None:
    broken = batch_of(make_wheel(tmp_path))[:-1]
    session = client.begin().raise_for_status().json()
    before = _requests()
    for _ in range(5):
        if what == "long document":
            answer = client.post("/-/upload/2.0/", "x" * (64 << 10))
        elif what == "batch that breaks off":
            answer = client.send_batch(session, broken)
        else:
            answer = client.http.request("GET", "/-/api/v1/indexes", content=b" " * (257 << 10))
        assert answer.status_code == (400 if what == "batch that breaks off" else 413)
    soon(lambda: _requests() - before < 3)  # that of the last one may be there, and the server may still end the one before


def _requests() -> int:
    """How many are in memory, also those of other servers of this process."""
    gc.collect()
    return sum(isinstance(each, IncomingBatch | Request) for each in gc.get_objects())


@pytest.mark.slow
def test_every_request_needs_a_right_of_this_moment(client: SessionClient, repository: Repository, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    session = client.begin().json()
    file = client.announce(session, wheel).json()
    links, mine = session["links"], client.auth

    def all_of_them(status: int) -> None:
        for answer in (
            client.begin(),
            client.get(links["session"]),
            client.delete(links["session"]),
            client.publish(session),
            client.post(links["extend"], {**META, "extend-for": 1}),
            client.announce(session, wheel),
            client.get(file["links"]["file-upload-session"]),
            client.delete(file["links"]["file-upload-session"]),
            client.send(file, wheel.read_bytes()),
            client.complete(file),
            client.batch(session, wheel),
        ):
            is_problem(answer, status)
            assert ("www-authenticate" in answer.headers) == (status == 401)
            assert "session" not in answer.json()["detail"]

    client.auth = ("__token__", "wharf_" + "x" * 43)
    all_of_them(401)
    client.auth = ("__token__", repository.tokens.create("reader", "read").reveal())
    all_of_them(403)
    client.http.headers["Origin"] = "https://evil.example"
    client.auth = mine
    all_of_them(403)
    del client.http.headers["Origin"]
    limited = repository.tokens.add(NewToken(name="limited", scope="publish", projects=("other-*",)))
    client.auth = ("__token__", limited.reveal())
    all_of_them(403)
    elsewhere = repository.tokens.add(NewToken(name="elsewhere", scope="publish", indexes=("staging",)))
    client.auth = ("__token__", elsewhere.reveal())
    all_of_them(403)
    client.auth = mine
    repository.tokens.revoke("ci0")
    all_of_them(401)
    client.auth = ("__token__", repository.tokens.create("later", "publish").reveal())
    assert client.status(session) == "open"


def test_an_address_of_the_past_takes_no_session_and_has_no_stage(client: SessionClient) -> None:
    session = client.begin().json()
    token = session["session-token"]
    for past in ("/@2026-11-30", "/main@2026-11-30"):
        assert client.post(f"{past}/-/upload/2.0/", RELEASE).status_code == 405
        assert client.http.get(f"{past}/-/stage/{token}/simple/").status_code >= 400


def test_a_server_beside_a_command_takes_no_session(repository: Repository) -> None:
    with sessions(repository, password=Secret("x" * 40)) as client:
        assert client.begin().status_code in {401, 403, 405}
        client.auth = ("__token__", "x" * 40)
        assert client.begin().status_code in {403, 405}
    assert not repository.sessions.all()


@pytest.mark.slow
@pytest.mark.parametrize("marker", ["archived", "quarantined"])
def test_a_project_that_takes_no_files(client: SessionClient, repository: Repository, tmp_path: Path, marker: str) -> None:
    session = client.staged(make_wheel(tmp_path))
    assert client.publish(session).status_code == 201
    later = client.staged(make_sdist(tmp_path))
    set_status(repository, "demo", Status(marker=marker, reason="moved to other"), actor="ada")
    assert "moved to other" in is_problem(client.begin(version="2.0"), 403)["detail"]
    assert "moved to other" in is_problem(client.publish(later), 403)["detail"]
    assert client.status(later) == "open"
    begun = client.begin(version="1.0.0")  # so `wharf publish --cancel` finds it
    assert (begun.status_code, begun.headers["location"]) == (409, later["links"]["session"])
    assert client.delete(later["links"]["session"]).status_code == 204
    assert client.begin(version="1.0.0").status_code == 403


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hashes", "data", "words"),
    [
        ({"sha512": "0" * 128}, None, "sha512"),
        ({"sha256": "0" * 64, "md5": "0" * 32}, None, "sha256 and another md5"),
        ({"shake_256": "0" * 64}, None, "shake_256"),
        (None, b"x", "bytes instead of"),
        (None, b"", "bytes instead of"),
    ],
)
def test_bytes_that_are_not_as_announced(
    client: SessionClient, tmp_path: Path, store: Path, hashes: dict[str, str] | None, data: bytes | None, words: str
) -> None:
    wheel = make_wheel(tmp_path)
    session = client.begin().json()
    file = client.announce(session, wheel, **({} if hashes is None else {"hashes": hashes})).json()
    assert words in is_problem(client.send(file, wheel.read_bytes() if data is None else data), 400)["detail"]
    assert not list((store / "sessions").rglob("*.new"))
    assert client.get(file["links"]["file-upload-session"]).json()["status"] == "pending"
    is_problem(client.publish(session), 409)
    is_problem(client.complete(file), 400)
    status = client.get(session["links"]["session"]).json()
    assert status["files"][wheel.name]["status"] == "error"
    assert status["files"][wheel.name]["notices"]
    is_problem(client.complete(file), 409)
    is_problem(client.send(file, wheel.read_bytes()), 409)
    is_problem(client.announce(session, wheel), 409)
    is_problem(client.publish(session), 409)
    assert client.delete(file["links"]["file-upload-session"]).status_code == 204
    client.upload(session, wheel)
    assert client.publish(session).status_code == 201


def test_more_bytes_than_announced_are_not_read(client: SessionClient, tmp_path: Path, store: Path) -> None:
    session, wheel = client.begin().json(), make_wheel(tmp_path)
    file = client.announce(session, wheel).json()
    more = wheel.read_bytes() + b"x"
    is_problem(client.send(file, more), 413)
    url = file["mechanism"]["file_url"]
    is_problem(client.http.post(url, content=iter([more]), auth=client.auth), 413)
    assert not list((store / "sessions").rglob("*.new"))
    assert client.send(file, wheel.read_bytes()).status_code == 200


def test_all_digests_hold_for_the_right_bytes(client: SessionClient, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    data = wheel.read_bytes()
    hashes = {"shake_128": hashlib.shake_128(data).hexdigest(32), "md5": hashlib.md5(data).hexdigest()}
    hashes |= {name: hashlib.new(name, data).hexdigest().upper() for name in ("sha256", "sha512", "blake2b", "sha3_256")}
    session = client.begin().json()
    file = client.announce(session, wheel, hashes=hashes).json()
    assert client.send(file, data).status_code == 200
    assert client.complete(file).status_code == 201


def test_a_file_that_is_no_distribution(client: SessionClient, tmp_path: Path) -> None:
    odd = tmp_path / "demo-1.0-py3-none-any.whl"
    odd.write_bytes(b"not a wheel")
    session = client.begin().json()
    file = client.announce(session, odd).json()
    is_problem(client.send(file, odd.read_bytes()), 400)
    is_problem(client.complete(file), 400)


def test_a_file_under_way_cannot_be_replaced_or_published(client: SessionClient, tmp_path: Path) -> None:
    session, wheel = client.begin().json(), make_wheel(tmp_path)
    is_problem(client.publish(session), 409)
    file = client.announce(session, wheel).json()
    is_problem(client.announce(session, wheel), 409)
    said = is_problem(client.publish(session), 409)
    assert f"{wheel.name} (pending)" in said["detail"]
    client.send(file, wheel.read_bytes())
    client.complete(file)
    is_problem(client.send(file, wheel.read_bytes()), 409)
    assert client.status(session) == "open"


def test_sessions_and_files_are_bounded(client: SessionClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(session_folder, "MOST_SESSIONS", 2)
    monkeypatch.setattr(upload_session_files, "MOST_FILES", 1)
    session = client.begin().json()
    assert client.begin(version="2.0").status_code == 201
    refused = client.begin(version="3.0")
    assert "cancel some of them" in is_problem(refused, 429)["hint"]
    assert "retry-after" not in refused.headers, "no wait ends it"
    assert client.announce(session, make_wheel(tmp_path)).status_code == 202
    is_problem(client.announce(session, make_sdist(tmp_path)), 403)


def test_a_disk_without_room_is_told_before_a_byte_is_taken(
    client: SessionClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    session, wheel = client.begin().json(), make_wheel(tmp_path)
    file = client.announce(session, wheel).json()
    monkeypatch.setattr(spooled_file, "FLOOR", 1 << 60)
    is_problem(client.send(file, wheel.read_bytes()), 503)
    monkeypatch.undo()
    assert client.send(file, wheel.read_bytes()).status_code == 200


def test_a_store_that_cannot_be_written_is_told_without_its_paths(
    client: SessionClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Path
) -> None:
    session = client.begin().json()

    def fail(*_: object, **__: object) -> None:
        raise StorageError(f"{store} is read-only.", "Mount it for writing.")

    monkeypatch.setattr(session_folder.FolderSessions, "_write", fail)
    said = is_problem(client.begin(version="2.0"), 503)
    assert str(store) not in said["detail"]
    is_problem(client.announce(session, make_wheel(tmp_path)), 503)
    is_problem(client.delete(session["links"]["session"]), 503)
    monkeypatch.undo()
    assert client.status(session) == "open"


@pytest.mark.slow
def test_a_body_that_does_not_come_is_not_waited_for(
    client: SessionClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Path
) -> None:
    session, wheel = client.begin().json(), make_wheel(tmp_path)
    file = client.announce(session, wheel).json()
    monkeypatch.setattr(request_body, "PATIENCE", 0.05)  # only now: the bodies before have to arrive
    ended = threading.Event()

    def slowly() -> Iterator[bytes]:
        yield b"P"
        ended.wait(60)

    def send() -> httpx.Response:
        try:
            return client.http.post(file["mechanism"]["file_url"], content=slowly(), auth=client.auth)
        finally:
            ended.set()

    thread = threading.Timer(1.0, ended.set)
    thread.start()
    is_problem(send(), 408)
    thread.cancel()
    assert not list((store / "sessions").rglob("*.new"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def addresses(client: SessionClient, tmp_path: Path) -> list[str]:
    """Every address that takes a document; the last one takes bytes after it."""
    session = client.begin(version="1.0").json()
    file = client.announce(session, make_wheel(tmp_path)).json()
    return [
        "/-/upload/2.0/",
        *(session["links"][name] for name in ("upload", "extend", "publish")),
        file["links"]["complete"],
        session["links"]["_wharf_batch"],
    ]


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    key=st.sampled_from(["meta", "name", "version", "filename", "size", "hashes", "mechanism", "extend-for", "files"]),
    value=JSON,
    where=st.integers(0, 6),
    raw=st.none() | st.binary(max_size=64),
)
def test_nothing_that_is_sent_breaks_the_server(
    client: SessionClient, addresses: list[str], key: str, value: object, where: int, raw: bytes | None
) -> None:
    said = {**RELEASE, **FILE, "extend-for": 1, "files": [{**FILE, key: value}], key: value}
    document = json.dumps(said).encode() if raw is None else raw
    is_batch = where >= 5
    if is_batch:
        document = (document + b"\nPK.") if where == 5 else (json.dumps({**META, "files": [FILE]}).encode() + b"\n" + document)
    headers = {"Content-Type": BATCH_TYPE if is_batch else MEDIA_TYPE}
    answer = client.http.post(addresses[min(where, 5)], content=document, headers=headers, auth=client.auth)
    assert answer.status_code < 500
    if answer.status_code >= 400:
        is_problem(answer, answer.status_code)


def test_a_branch_that_the_disk_does_not_give_is_no_fault_in_the_server(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: str) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    with sessions(repository) as client:
        with monkeypatch.context() as patch:
            patch.setattr("wharf.index.ref_stamps.content", fails)
            assert client.begin().status_code == 503
        assert client.begin().status_code == 201
