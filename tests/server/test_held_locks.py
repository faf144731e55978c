"""A server while another process holds a lock of its store: each request is answered in time, and says to try again."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_held_locks import held
from tests.makers import make_wheel
from tests.server.management.api import BASE, MAIN, fill, problem
from tests.server.running import soon
from tests.server.session_client import LIMIT, SessionClient, sessions
from tests.server.test_server import form, serving
from wharf.server.daemon_threads import DaemonThreads
from wharf.server.rules import Rules
from wharf.server.web.upload_groups import UploadGroups
from wharf.system import file_lock
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from wharf.repository.opening import Repository


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_lock, "IN_REQUEST", 0.05)


@pytest.fixture
def client(repository: Repository) -> Iterator[SessionClient]:
    with sessions(repository) as client:
        yield client


def is_locked(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert "keeps the store locked. Try again" in answer.text
    assert "/lock" not in answer.text, "paths are for the operator"


@pytest.mark.usefixtures("hurried")
def test_an_upload_is_answered_and_comes_through_later(
    client: SessionClient, store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    upload = form(make_wheel(tmp_path))
    with held(store / "lock"):
        is_locked(client.http.post("/legacy/", auth=client.auth, **upload))
    assert str(store / "lock") in caplog.text, "the operator learns which lock it is"
    assert client.http.post("/legacy/", auth=client.auth, **upload).status_code == 200


@pytest.mark.slow
@pytest.mark.usefixtures("hurried")
def test_uploads_of_several_tokens_do_not_wait_for_each_other_s_waits(
    repository: Repository, store: Path, tmp_path: Path
) -> None:
    tokens = [repository.tokens.create(f"job{number}", "publish").reveal() for number in range(6)]
    uploads = [form(make_wheel(tmp_path / f"{number}", f"demo{number}")) for number in range(6)]
    with serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as http, ThreadPoolExecutor(6) as pool:
        with held(store / "lock"):
            asked = [
                pool.submit(http.post, "/legacy/", auth=("x", token), **up) for token, up in zip(tokens, uploads, strict=True)
            ]
            for each in asked:
                is_locked(each.result())
        asked = [pool.submit(http.post, "/legacy/", auth=("x", token), **up) for token, up in zip(tokens, uploads, strict=True)]
        assert [each.result().status_code for each in asked] == [200] * 6


def test_an_upload_that_others_were_before_waits_no_longer_than_the_first(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of a second one counts from when it came, and not from the end of the wait of the first."""
    token = repository.tokens.create("ci", "publish").reveal()
    ends: list[float] = []
    waits, go = threading.Event(), threading.Event()

    def take(*_: object) -> None:
        ends.append(file_lock._patience.get().end)
        waits.set()
        assert go.wait(60)

    monkeypatch.setattr(file_lock, "take", take)
    join = UploadGroups.join
    joined: list[object] = []

    async def joins(self: object, key: object, member: object) -> object:
        joined.append(member)
        return await join(self, key, member)  # type: ignore[arg-type]

    monkeypatch.setattr(UploadGroups, "join", joins)
    with serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as http, ThreadPoolExecutor(2) as pool:
        first = pool.submit(http.post, "/legacy/", auth=("x", token), **form(make_wheel(tmp_path / "a")))
        assert waits.wait(60)
        second = pool.submit(http.post, "/legacy/", auth=("x", token), **form(make_wheel(tmp_path / "b", "other")))
        soon(lambda: joined)
        came = elapsed()
        go.set()
        assert (first.result().status_code, second.result().status_code) == (200, 200)
    assert ends[1] <= came + file_lock.IN_REQUEST


def test_the_wait_for_a_thread_is_part_of_the_time() -> None:
    async def main() -> None:
        threads, go = DaemonThreads("test", 1), threading.Event()
        first = asyncio.create_task(threads.run(lambda: go.wait(60)))
        second = asyncio.create_task(threads.run(lambda: file_lock._patience.get().end))
        await asyncio.sleep(0)
        asked = elapsed()
        go.set()
        assert await first
        assert await second <= asked + file_lock.IN_REQUEST

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize("lock", ["sessions/lock", "lock"])
@pytest.mark.usefixtures("hurried")
def test_each_step_of_a_session_is_answered_and_can_be_done_again(
    client: SessionClient, store: Path, tmp_path: Path, lock: str
) -> None:
    wheel = make_wheel(tmp_path)
    session = client.begin().raise_for_status().json()
    if lock == "sessions/lock":
        with held(store / lock):
            is_locked(client.begin("other"))
            is_locked(client.announce(session, wheel))
    file = client.announce(session, wheel).raise_for_status().json()
    if lock == "sessions/lock":
        with held(store / lock):
            is_locked(client.send(file, wheel.read_bytes()))
    client.send(file, wheel.read_bytes()).raise_for_status()
    client.complete(file).raise_for_status()
    with held(store / lock):
        is_locked(client.publish(session))
    assert client.publish(session).status_code == 201
    assert client.status(session) == "published"


@pytest.mark.slow
@pytest.mark.usefixtures("hurried")
def test_the_management_api_answers_too(repository: Repository, store: Path, tmp_path: Path) -> None:
    fill(repository, tmp_path)
    auth = ("x", repository.tokens.create("boss", "manage").reveal())
    wanted = {"from": "staging", "releases": [{"project": "demo", "version": "2.0"}]}
    with serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as http:
        with held(store / "lock"):
            is_locked(http.post(f"{MAIN}/promote", json=wanted, auth=auth))
            assert problem(http.post(f"{MAIN}/promote", json=wanted, auth=auth), 503, "locked")
        with held(store / "tokens.json.lock"):
            is_locked(http.post(f"{BASE}/tokens", json={"name": "job"}, auth=auth))
        assert http.post(f"{MAIN}/promote", json=wanted, auth=auth).status_code == 200
        assert http.post(f"{BASE}/tokens", json={"name": "job"}, auth=auth).is_success
