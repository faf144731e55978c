"""Upload sessions that meet at one moment: two servers over one folder, a publish that takes long, and many clients."""

from __future__ import annotations

import base64
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from tests.makers import make_sdist, make_wheel
from tests.server.running import soon
from tests.server.session_client import BATCH_TYPE, SessionClient, path_of, sessions
from tests.server.test_server import form
from wharf.assets.session_folder import FolderSessions
from wharf.errors import StorageError
from wharf.operations import upload_session_publish
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings
from wharf.server.sessions import session_api
from wharf.server.web import upload_slots

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wharf.assets.upload_session import UploadSession
    from wharf.repository.opening import Repository


@pytest.fixture
def client(repository: Repository) -> Iterator[SessionClient]:
    with sessions(repository) as client:
        yield client


def test_any_server_over_the_folder_takes_any_request(client: SessionClient, store: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    with open_repository(Settings(place=store)) as again, sessions(again) as other:
        session = client.begin().json()
        here = {name: path_of(url) for name, url in session["links"].items()}
        assert other.begin().status_code == 409
        file = other.announce({"links": here}, wheel).json()
        assert (
            client.send({"mechanism": {"file_url": path_of(file["mechanism"]["file_url"])}}, wheel.read_bytes()).status_code
            == 200
        )
        assert other.complete(file).status_code == 201
        assert other.http.get(here["stage"]).status_code == 200
        assert client.publish(session).status_code == 201
        assert other.post(here["publish"]).status_code == 201
        assert other.get(here["session"]).json()["status"] == "published"


def test_of_two_who_publish_at_once_both_learn_that_it_is_published(
    client: SessionClient, repository: Repository, store: Path, tmp_path: Path
) -> None:
    session = client.staged(make_wheel(tmp_path))
    with open_repository(Settings(place=store)) as again, sessions(again) as other, ThreadPoolExecutor(2) as pool:
        links = {"links": {"publish": path_of(session["links"]["publish"])}}
        answers = list(pool.map(lambda one: one.publish(links).status_code, (client, other)))
    assert 201 in answers
    assert set(answers) <= {201, 202}
    soon(lambda: client.status(session) == "published")
    assert len(list(repository.branch.history())) == 1


def test_who_publishes_while_somebody_only_looks_publishes_after_that(
    client: SessionClient, repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    session = client.staged(make_wheel(tmp_path))
    tried, real = threading.Event(), FolderSessions.publishing

    @contextmanager
    def publishing(self: FolderSessions, session_id: str) -> Iterator[bool]:
        with real(self, session_id) as mine:
            if not mine:
                tried.set()
            yield mine

    monkeypatch.setattr(FolderSessions, "publishing", publishing)
    with ThreadPoolExecutor(1) as pool, repository.sessions.publishing(session["links"]["session"].rpartition("/")[2]) as mine:
        assert mine
        answer = pool.submit(client.publish, session)
        assert tried.wait(60)
        assert client.status(session) == "open"
    assert (answer.result().status_code, answer.result().json()["status"]) == (201, "published")


def test_each_answer_tells_of_the_stage_of_its_own_session(client: SessionClient, monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2)

    def shows(_: FolderSessions, session: UploadSession) -> bool:
        both.wait(60)
        return session.version == "1.0"

    monkeypatch.setattr(FolderSessions, "shows", shows)
    with ThreadPoolExecutor(2) as pool:
        for name in ("first", "second", "third"):
            begun = pool.map(client.begin, (name, name), ("1.0", "2.0"))
            assert ["stage" in each.json()["links"] for each in begun] == [True, False]


@pytest.mark.slow
def test_a_publish_that_takes_long_is_told_by_the_session(
    client: SessionClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    free, begun = threading.Event(), threading.Event()
    carry_out = upload_session_publish._carry_out

    def slowly(*given: object) -> None:
        begun.set()
        assert free.wait(60)
        carry_out(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(upload_session_publish, "_carry_out", slowly)
    monkeypatch.setattr(session_api, "ANSWER_WITHIN", 0.05)
    wheel = make_wheel(tmp_path)
    session = client.staged(wheel)
    accepted = client.publish(session)
    assert accepted.status_code == 202
    assert accepted.headers["location"] == session["links"]["session"]
    assert accepted.headers["retry-after"]
    assert accepted.json()["status"] == "processing"
    assert begun.wait(60)
    assert client.publish(session).status_code == 202
    link = accepted.json()["files"][wheel.name]["link"]
    for refused in (
        client.delete(session["links"]["session"]),
        client.delete(link),
        client.announce(session, make_sdist(tmp_path)),
    ):
        assert refused.status_code == 409
    assert client.begin().status_code == 409
    assert client.http.get(session["links"]["stage"]).status_code == 200
    for name in ("demo-1.0-py3-none-any.whl", "Demo-1.0.0-py3-none-any.whl"):
        wheel = wheel.rename(tmp_path / name)
        refused = client.http.post("/legacy/", auth=client.auth, **form(wheel))
        assert (refused.status_code, "is being published" in refused.text) == (409, True), refused.text
    assert client.http.post("/legacy/", auth=client.auth, **form(make_wheel(tmp_path, "other"))).status_code == 200
    free.set()
    soon(lambda: client.status(session) == "published")
    assert client.get("/simple/demo/").status_code == 200  # who is told so finds it


@pytest.mark.slow
def test_a_publish_that_fails_when_nobody_waits_is_told_by_the_session(
    client: SessionClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    free = threading.Event()

    def fail(*_: object) -> None:
        assert free.wait(60)
        raise StorageError("/secret/path is full.", "Free some.", told="The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(upload_session_publish, "_carry_out", fail)
        patch.setattr(session_api, "ANSWER_WITHIN", 0.05)
        session = client.staged(make_wheel(tmp_path))
        assert client.publish(session).status_code == 202
        assert client.http.post("/legacy/", auth=client.auth, **form(make_wheel(tmp_path))).status_code == 409
        free.set()
        soon(lambda: client.status(session) == "error")
        assert client.http.post("/legacy/", auth=client.auth, **form(make_wheel(tmp_path))).status_code == 200, "it is free"
    now = client.get(session["links"]["session"]).json()
    assert now["notices"] == ["The disk is full."]
    client.upload(session, make_sdist(tmp_path))
    assert client.status(session) == "error"
    assert client.publish(session).status_code == 201
    assert "notices" not in client.get(session["links"]["session"]).json()


@pytest.mark.slow
def test_files_come_side_by_side(client: SessionClient, tmp_path: Path) -> None:
    paths = [make_wheel(tmp_path, build=str(number)) for number in range(1, 9)]
    session = client.begin().json()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: client.upload(session, path), paths))
    assert client.publish(session).status_code == 201


@pytest.mark.parametrize("deleted", ["file", "session"])
def test_a_file_that_is_deleted_while_it_comes_is_not_kept(
    client: SessionClient, store: Path, tmp_path: Path, deleted: str
) -> None:
    wheel = make_wheel(tmp_path)
    session = client.begin().json()
    file = client.announce(session, wheel).json()
    data = wheel.read_bytes()
    answers: list[int] = []
    link = session["links"]["session"] if deleted == "session" else file["links"]["file-upload-session"]

    def in_two_parts() -> Iterator[bytes]:
        yield data[:100]
        folder = store / "sessions" / session["links"]["session"].rpartition("/")[2] / "files"
        soon(lambda: any(folder.iterdir()))
        answers.append(client.delete(link).status_code)
        yield data[100:]

    with httpx.Client(base_url=client.http.base_url, timeout=60) as http:
        sent = http.post(
            file["mechanism"]["file_url"],
            content=in_two_parts(),
            headers={"Content-Length": str(len(data))},
            auth=client.auth,
        )
    assert answers == [204]
    assert sent.status_code in {404, 409}
    assert not [path for path in (store / "sessions").rglob("*") if path.parent.name == "files"]


@pytest.mark.slow
@pytest.mark.parametrize("way", ["one file", "many files"])
def test_uploads_that_never_end_are_bounded(client: SessionClient, tmp_path: Path, way: str) -> None:
    session, wheel = client.begin().json(), make_wheel(tmp_path)
    file = client.announce(session, wheel).json()
    url = urlsplit(file["mechanism"]["file_url"] if way == "one file" else session["links"]["_wharf_batch"])
    login = base64.b64encode(":".join(map(str, client.auth)).encode()).decode()
    head = (
        f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Basic {login}\r\n"
        f"Content-Type: {BATCH_TYPE}\r\nContent-Length: {wheel.stat().st_size}\r\n\r\nPK"
    )
    with ExitStack() as stack:
        for _ in range(upload_slots.AT_ONCE // upload_slots.SHARE + 10):
            half_open = stack.enter_context(socket.create_connection((url.hostname, url.port)))
            half_open.sendall(head.encode())
        soon(lambda: client.send(file, wheel.read_bytes()).status_code == 429)
        assert client.status(session) == "open"
    soon(lambda: client.send(file, wheel.read_bytes()).status_code == 200)
