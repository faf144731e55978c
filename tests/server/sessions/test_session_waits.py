# ruff: noqa: F811 - fixtures are arguments of their own name
"""Requests of upload sessions at GitHub's limits: a short pause is waited out, and a long one is told."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.makers import make_wheel
from tests.matrix import first
from tests.server.over_github import _quick, world  # noqa: F401 - fixtures
from tests.server.sessions.test_over_github import _no_pause, drafts, servers  # noqa: F401 - fixtures
from wharf.server.sessions import incoming_bytes, session_work
from wharf.server.sessions.waiting_client import WaitingClient
from wharf.server.web.quota_wait import IN_ALL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from tests.server.over_github import World
    from tests.server.session_client import SessionClient

pytestmark = pytest.mark.usefixtures("still")

CREATE, WRITE, ASSET = r"POST .*/acme/pkgs/releases$", "PATCH ", r"POST .*/assets$"


def prepared(client: SessionClient, step: str, path: Path) -> tuple[str, Callable[[], httpx.Response]]:
    """What GitHub is asked in a step, and the request that is the step; all before it is done."""
    if step == "begin":
        return CREATE, lambda: client.begin("fresh")
    session: dict[str, Any] = client.begin("fresh").raise_for_status().json()
    if step == "announce":
        return WRITE, lambda: client.announce(session, path)
    file: dict[str, Any] = client.announce(session, path).raise_for_status().json()
    if step == "delete":
        return WRITE, lambda: client.delete(file["links"]["file-upload-session"])
    if step == "extend":
        return WRITE, lambda: client.post(session["links"]["extend"], {"meta": {"api-version": "2.0"}, "extend-for": 864000})
    return ASSET, lambda: client.send(file, path.read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize("step", first(3, ["announce", "bytes", "long bytes", "begin", "delete", "extend"]))
def test_a_short_pause_is_waited_out(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if step == "long bytes":
        monkeypatch.setattr(incoming_bytes, "SMALL", 10)
    with servers(world) as (client,):
        where, send = prepared(client, step, make_wheel(tmp_path / "new", "fresh"))
        world.hub.fault(where, "secondary:15")
        answer = send()
        assert answer.is_success, answer.text
        assert world.slept == [15]
        assert sum(call.status in {403, 429} for call in world.hub.calls) == 1
        assert [path for each in tmp_path.glob("wharf-sessions-*") for path in each.iterdir()] == []


@pytest.mark.slow
@pytest.mark.parametrize("step", ["delete", "replace"])
def test_a_short_pause_leaves_no_bytes_of_a_file_that_left_the_session(world: World, tmp_path: Path, step: str) -> None:
    """Its publish would be refused, as nobody can tell such bytes from those of a file whose entry is lost."""
    wheel = make_wheel(tmp_path / "new", "fresh")
    other = make_wheel(tmp_path / "other", "fresh", content="# other\n")
    with servers(world) as (client,):
        session: dict[str, Any] = client.begin("fresh").raise_for_status().json()
        file = client.upload(session, wheel)
        world.hub.fault(r"DELETE .*/releases/assets/", "secondary:15")
        link = file["links"]["file-upload-session"]
        answer = client.delete(link) if step == "delete" else client.announce(session, other)
        assert answer.is_success, answer.text
        assert world.slept == [15]
        assert drafts(world)[0].assets == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["long", "without an end", "in a crowd"])
def test_what_cannot_be_waited_out_is_told(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    if kind == "in a crowd":
        monkeypatch.setattr(session_work, "WAITING", 0)
    with servers(world) as (client,):
        where, send = prepared(client, "bytes", make_wheel(tmp_path / "new", "fresh"))
        world.hub.fault(where, "secondary:60" if kind == "long" else "secondary:15", times=9)
        answer = send()
        assert answer.status_code == 429, answer.text
        assert int(answer.headers["retry-after"]) in {15, 60}
        assert sum(world.slept) <= (IN_ALL if kind == "without an end" else 0)


@pytest.mark.slow
@pytest.mark.parametrize("writes", range(3))
def test_a_publish_that_a_short_pause_stops_is_tried_again(world: World, tmp_path: Path, writes: int) -> None:
    """A session is published by three writes of its draft."""
    with servers(world) as (client,):
        session = client.staged(make_wheel(tmp_path / "new", "fresh"), name="fresh")
        world.hub.fault(WRITE, "secondary:15", after=writes)
        published = client.publish(session)
        assert (published.status_code, published.json()["status"]) == (201, "published"), published.text
        assert world.slept == [15]
        assert client.status(session) == "published"
        assert drafts(world) == []


def test_who_was_answered_meanwhile_is_told_by_the_session_what_came_of_the_try() -> None:
    client = WaitingClient()
    assert client.decide()  # it is told of a failure, unless there is another try
    assert client.still()
    assert client.leave()
    assert not client.decide()
    assert not client.still()
    client = WaitingClient()
    assert client.decide()
    assert not client.leave()
