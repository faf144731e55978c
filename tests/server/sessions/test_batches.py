"""Many files of a session in one request: all of them are taken, or none of them is."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.makers import make_sdist, make_wheel
from tests.server.running import soon
from tests.server.session_client import BATCH_TYPE, LIMIT, META, SessionClient, batch_of, said_of, sessions
from wharf.assets import session_requests
from wharf.assets.upload_session import SessionFile
from wharf.errors import InvalidDistributionError
from wharf.operations.upload_session_batch import ComingFile
from wharf.operations.upload_session_files import Digests
from wharf.server.sessions import incoming_batch, incoming_bytes
from wharf.server.sessions.incoming_batch import IncomingBatch
from wharf.server.web import spooled_file, upload_slots

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from wharf.repository.opening import Repository


@pytest.fixture
def client(repository: Repository) -> Iterator[SessionClient]:
    with sessions(repository) as client:
        yield client


def files_of(client: SessionClient, session: dict[str, Any]) -> dict[str, str]:
    """The files that a session tells of, with their states."""
    files = client.get(session["links"]["session"]).raise_for_status().json()["files"]
    return {name: each["status"] for name, each in files.items()}


def kept(store: Path) -> list[Path]:
    """The bytes that lie in the folder of sessions."""
    return [path for path in (store / "sessions").rglob("*") if path.parent.name == "files"]


def wheels(folder: Path, count: int, content: int = 0) -> list[Path]:
    """Wheels of one release, each with so many characters that do not compress."""
    return [make_wheel(folder, tag=f"cp3{number}-none-any", content=os.urandom(content // 2).hex()) for number in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("content", [0, 400_000], ids=["in one piece", "in many pieces"])
def test_a_release_in_one_request_is_staged_and_published_as_any_other(
    client: SessionClient, repository: Repository, store: Path, tmp_path: Path, content: int
) -> None:
    paths = [*wheels(tmp_path, 4, content), make_sdist(tmp_path)]
    session, before = client.begin().json(), len(list(repository.branch.history()))
    answer = client.batch(session, *paths)
    assert answer.status_code == 200
    assert answer.json()["status"] == "open"
    assert {name: each["status"] for name, each in answer.json()["files"].items()} == {path.name: "completed" for path in paths}
    assert files_of(client, session) == {path.name: "completed" for path in paths}
    page = client.http.get(f"{session['links']['stage']}demo/").text
    assert all(path.name in page for path in paths)
    assert client.http.get("/simple/demo/").status_code == 404
    done = client.publish(session)
    assert done.status_code == 201
    assert "_wharf_batch" not in done.json()["links"]
    for path in paths:
        assert path.name in client.http.get("/simple/demo/").text
    assert len(list(repository.branch.history())) == before + 1
    assert not kept(store)


def _case(name: str, folder: Path) -> tuple[list[Path], list[dict[str, object]]]:
    """A good file and another one, with what is said of both."""
    good, other = make_sdist(folder), make_wheel(folder)
    cases: dict[str, dict[str, object]] = {
        "another digest": {"hashes": {"sha256": "0" * 64}},
        "another project": {"filename": "other-1.0-py3-none-any.whl"},
        "another version": {"filename": "demo-2.0-py3-none-any.whl"},
        "no distribution": {"filename": "demo-1.0-py3-none-any.exe"},
        "too large": {"size": LIMIT + 1},
        "twice": {"filename": good.name},
        "fewer bytes": {"size": other.stat().st_size + 1},
        "more bytes": {"size": other.stat().st_size - 1},
    }
    return [good, other], [said_of(good), said_of(other, **cases[name])]


@pytest.mark.parametrize(
    ("case", "status", "words"),
    [
        ("another digest", 400, "another sha256"),
        ("another project", 400, "Begin a session for each release"),
        ("another version", 400, "Begin a session for each release"),
        ("no distribution", 400, "exe"),
        ("too large", 413, "more bytes than this server takes"),
        ("twice", 400, "in the request twice"),
        ("fewer bytes", 400, "ends before"),
        ("more bytes", 400, "more bytes than its files"),
    ],
)
def test_one_file_that_is_refused_is_named_and_none_is_taken(
    client: SessionClient, store: Path, tmp_path: Path, case: str, status: int, words: str
) -> None:
    session = client.begin().json()
    paths, said = _case(case, tmp_path)
    answer = client.send_batch(session, batch_of(*paths, said=said))
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    if not case.endswith(" bytes"):  # nobody knows then which file it is
        (error,) = answer.json()["errors"]
        assert (error["source"], error["message"]) == (said[1]["filename"], answer.json()["detail"])
    assert files_of(client, session) == {}
    assert not kept(store)
    assert client.batch(session, *paths).status_code == 200


def test_every_file_that_is_refused_is_told(client: SessionClient, repository: Repository, tmp_path: Path) -> None:
    first, second, third = wheels(tmp_path, 3)
    client.publish(client.staged(first, second)).raise_for_status()
    session = client.begin().json()
    answer = client.batch(session, third, first, second)
    assert answer.status_code == 409
    assert [each["source"] for each in answer.json()["errors"]] == [first.name, second.name]
    assert "2 files are refused" in answer.json()["detail"]
    assert files_of(client, session) == {}


def test_every_file_that_is_no_distribution_is_told(client: SessionClient, store: Path, tmp_path: Path) -> None:
    good, *bad = wheels(tmp_path, 3)
    for each in bad:
        each.write_bytes(b"PK is not enough")
    session = client.begin().json()
    answer = client.batch(session, good, *bad)
    assert answer.status_code == 400
    assert [each["source"] for each in answer.json()["errors"]] == [each.name for each in bad]
    assert files_of(client, session) == {}
    assert not kept(store)


FILE: dict[str, object] = {"filename": "demo-1.0-py3-none-any.whl", "size": 2, "hashes": {"sha256": "0" * 64}}


def line(*files: object, **more: object) -> bytes:
    """The first line of a body."""
    return json.dumps({**META, "files": files, **more}).encode() + b"\n"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"\n", 400),
        (b"PK" * 100_000, 400),
        (b"{" * (70 << 10) + b"\n", 400),
        (b"\xff\n", 400),
        (b"null\n", 400),
        (line(FILE).rstrip(), 400),
        (line(FILE), 400),
        (line(FILE) + b"P", 400),
        (line(FILE) + b"PKK", 400),
        (line(FILE, meta={}) + b"PK", 400),
        (line(), 400),
        (line(1), 400),
        (line(files={}), 400),
        (line({**FILE, "size": 0}), 400),
        (line(*[FILE] * 101), 413),
        (line({**FILE, "size": 65 << 20}), 413),
    ],
)
def test_a_body_that_is_no_batch(client: SessionClient, store: Path, body: bytes, status: int) -> None:
    session = client.begin().json()
    answer = client.send_batch(session, body)
    assert answer.status_code == status, answer.text
    assert answer.json()["errors"][0]["message"] == answer.json()["detail"]
    assert files_of(client, session) == {}
    assert not kept(store)


def test_a_body_that_is_too_long_is_not_read(client: SessionClient, monkeypatch: pytest.MonkeyPatch) -> None:
    session = client.begin().json()
    url = urlsplit(session["links"]["_wharf_batch"])
    with _raw(client, url, session_requests.MOST_BYTES * 2) as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def _raw(client: SessionClient, url: Any, length: int) -> socket.socket:
    """A connection that announces a body of that length, and has sent nothing of it."""
    login = base64.b64encode(":".join(map(str, client.auth)).encode()).decode()
    connection = socket.create_connection((url.hostname, url.port), timeout=60)
    connection.sendall(
        f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Basic {login}\r\n"
        f"Content-Type: {BATCH_TYPE}\r\nContent-Length: {length}\r\n\r\n".encode()
    )
    return connection


@pytest.mark.parametrize("kind", ["one file", "a batch"])
def test_uploads_that_stall_leave_room_for_other_uploaders(
    client: SessionClient, repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    monkeypatch.setattr(upload_slots, "AT_ONCE", 2)
    session, wheel = client.begin().json(), make_wheel(tmp_path)
    file = client.announce(session, wheel).json()
    url = urlsplit(file["mechanism"]["file_url"] if kind == "one file" else session["links"]["_wharf_batch"])
    two, three = (
        SessionClient(client.http, ("__token__", repository.tokens.create(name, "publish").reveal()))
        for name in ("two", "three")
    )

    def gets(one: SessionClient, status: int) -> bool:
        answer = one.send(file, wheel.read_bytes())
        return (answer.status_code, answer.headers.get("retry-after")) == (status, "5")

    with _raw(client, url, 1000), _raw(two, url, 1000):
        soon(lambda: gets(client, 429))
        soon(lambda: gets(two, 429))
        assert gets(three, 503)
    soon(lambda: client.send(file, wheel.read_bytes()).status_code == 200)


@pytest.mark.slow
@pytest.mark.parametrize("content", [0, 400_000], ids=["in one piece", "in many pieces"])
def test_a_client_that_dies_half_way_leaves_nothing(client: SessionClient, store: Path, tmp_path: Path, content: int) -> None:
    session, paths = client.begin().json(), wheels(tmp_path, 3, content)
    body = batch_of(*paths)
    with _raw(client, urlsplit(session["links"]["_wharf_batch"]), len(body)) as connection:
        connection.sendall(body[:-10])
        if content:
            soon(lambda: bool(kept(store)))
    soon(lambda: not kept(store))
    assert files_of(client, session) == {}
    assert client.batch(session, *paths).status_code == 200


def test_the_same_file_again_stays_and_another_one_takes_its_place(client: SessionClient, store: Path, tmp_path: Path) -> None:
    session = client.begin().json()
    first, second = wheels(tmp_path / "a", 2)
    (changed,) = wheels(tmp_path / "b", 1, 100)
    assert changed.name == first.name
    before = client.batch(session, first).json()["files"][first.name]
    again = client.batch(session, first, second).json()["files"]
    assert again[first.name] == before
    after = client.batch(session, changed, second).json()["files"]
    assert after[changed.name]["hashes"] == said_of(changed)["hashes"]
    assert after[second.name] == again[second.name]
    assert len(kept(store)) == 2
    assert client.publish(session).status_code == 201
    assert changed.stat().st_size == int(client.http.get("/simple/demo/", headers=JSON_PAGE).json()["files"][0]["size"])


JSON_PAGE = {"Accept": "application/vnd.pypi.simple.v1+json"}


def test_a_file_that_is_on_its_way_is_not_taken_from_another_client(client: SessionClient, tmp_path: Path) -> None:
    session = client.begin().json()
    first, second = wheels(tmp_path, 2)
    file = client.announce(session, first).json()
    answer = client.batch(session, first, second)
    assert answer.status_code == 409
    assert [each["source"] for each in answer.json()["errors"]] == [first.name]
    assert files_of(client, session) == {first.name: "pending"}
    client.send(file, first.read_bytes()).raise_for_status()
    client.complete(file).raise_for_status()
    assert client.batch(session, first, second).status_code == 200


@pytest.mark.slow
def test_batches_come_side_by_side(client: SessionClient, repository: Repository, tmp_path: Path) -> None:
    paths, session = wheels(tmp_path, 24), client.begin().json()
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda some: client.batch(session, *some).status_code, [paths[at : at + 3] for at in range(24)])
        )
    assert answers == [200] * 24, "those that come twice are the same files"
    assert files_of(client, session) == {path.name: "completed" for path in paths}
    assert client.publish(session).status_code == 201
    assert len(list(repository.branch.history())) == 1


@pytest.mark.slow
def test_a_batch_for_a_session_that_ends_while_it_comes_is_not_kept(client: SessionClient, store: Path, tmp_path: Path) -> None:
    session = client.begin().json()
    body = batch_of(*wheels(tmp_path, 8, 400_000))

    def in_two_parts() -> Iterator[bytes]:
        yield body[: len(body) // 2]
        soon(lambda: bool(kept(store)))
        with httpx.Client(base_url=client.http.base_url) as other:
            other.delete(session["links"]["session"], auth=client.auth).raise_for_status()
        yield body[len(body) // 2 :]

    assert client.send_batch(session, in_two_parts()).status_code in {404, 409}
    assert not kept(store)


def test_a_session_that_is_over_takes_no_batch(client: SessionClient, tmp_path: Path) -> None:
    (wheel,) = wheels(tmp_path, 1)
    session = client.begin().json()
    client.delete(session["links"]["session"]).raise_for_status()
    assert client.batch(session, wheel).status_code == 409
    session = client.staged(wheel)
    client.publish(session).raise_for_status()
    assert client.batch(session, wheel).status_code == 409


def test_bounds_of_the_session_and_of_the_disk_hold(
    client: SessionClient, store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    session, paths = client.begin().json(), wheels(tmp_path, 3)
    with monkeypatch.context() as patched:
        patched.setattr(spooled_file, "FLOOR", 1 << 60)
        assert client.batch(session, *paths).status_code == 503
    with monkeypatch.context() as patched:
        patched.setattr("wharf.operations.upload_session_files.MOST_FILES", 2)
        assert client.batch(session, *paths).status_code == 403
    assert not kept(store)
    assert client.batch(session, *paths).status_code == 200


@pytest.mark.parametrize("kind", ["a form", "one file", "a batch"])
def test_room_on_the_disk_is_looked_at_while_bytes_come(
    client: SessionClient, store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    monkeypatch.setattr(spooled_file, "LOOK_EVERY", 1000)
    session, (wheel,) = client.begin().json(), wheels(tmp_path, 1, 600_000)
    head, body, url = b"", batch_of(wheel), session["links"]["_wharf_batch"]
    if kind == "one file":
        body, url = wheel.read_bytes(), client.announce(session, wheel).json()["mechanism"]["file_url"]
    if kind == "a form":
        head = b'--x\r\nContent-Disposition: form-data; name="content"; filename="a.whl"\r\n\r\n'
        body, url = wheel.read_bytes() + b"\r\n--x--\r\n", "/legacy/"
    begun, room = threading.Event(), spooled_file.check_room

    def looked(*args: Any) -> None:
        room(*args)
        begun.set()
        monkeypatch.setattr(spooled_file, "FLOOR", 1 << 60)  # others took all of it

    monkeypatch.setattr(spooled_file, "check_room", looked)
    for user in (incoming_bytes, incoming_batch):
        monkeypatch.setattr(user, "check_room", looked)

    def in_two_parts() -> Iterator[bytes]:
        yield head + body[:300_000]
        assert begun.wait(60)
        yield body[300_000:]

    types = {"a form": "multipart/form-data; boundary=x", "a batch": BATCH_TYPE}
    headers = {"Content-Type": types.get(kind, "application/octet-stream")}
    answer = client.http.post(url, content=in_two_parts(), headers=headers, auth=client.auth)
    assert answer.status_code == 503, answer.text
    assert not kept(store)
    assert list((store / "staging").iterdir()) == []


def test_any_server_over_the_folder_takes_a_part_and_any_publishes(
    client: SessionClient, repository: Repository, tmp_path: Path
) -> None:
    first, second, third = wheels(tmp_path, 3)
    session = client.begin().json()
    client.batch(session, first).raise_for_status()
    with sessions(repository) as other, sessions(repository) as fresh:
        there = {**session, "links": {name: urlsplit(link).path for name, link in session["links"].items()}}
        other.batch(there, second, third).raise_for_status()
        assert len(files_of(fresh, there)) == 3
        assert fresh.publish(there).status_code == 201
    assert client.status(session) == "published"


def test_its_address_takes_nothing_else(client: SessionClient, tmp_path: Path) -> None:
    (wheel,) = wheels(tmp_path, 1)
    session = client.begin().json()
    answer = client.http.post(session["links"]["_wharf_batch"], json={}, auth=client.auth)
    assert answer.status_code == 415
    assert BATCH_TYPE in answer.json()["detail"]
    assert client.get(session["links"]["_wharf_batch"]).status_code == 405
    assert client.batch({"links": {"_wharf_batch": f"/-/upload/2.0/{'0' * 32}/batch"}}, wheel).status_code == 404


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=5), st.lists(st.integers(0, 200)), st.integers(-3, 3))
def test_pieces_change_nothing(tmp_path: Path, files: list[bytes], cuts: list[int], more: int) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    come = [
        ComingFile(SessionFile(number=number, filename="x", size=len(data), hashes={}), folder / str(number), Digests({}))
        for number, data in enumerate(files)
    ]
    whole = b"".join(files)
    body = whole + b"x" * more if more >= 0 else whole[:more]
    edges = sorted({0, *(min(cut, len(body)) for cut in cuts), len(body)})
    batch = IncomingBatch(come, b"")
    try:
        for begin, end in pairwise(edges):
            batch.write(body[begin:end])
        batch.end()
    except InvalidDistributionError:
        assert body != whole
    else:
        assert body == whole
        assert [each.path.read_bytes() for each in come] == files
        assert [each.digests.sha256 for each in come] == [hashlib.sha256(data).hexdigest() for data in files]
    batch.delete()
    assert not list(folder.iterdir())
