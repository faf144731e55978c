# ruff: noqa: F811 - fixtures are arguments of their own name
"""Texts of drafts have no compare-and-swap: what one server writes, another one can overwrite after it was looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.makers import make_sdist, make_wheel
from tests.matrix import first
from tests.server.over_github import JSON, _quick, world  # noqa: F401 - fixtures
from tests.server.running import soon
from tests.server.sessions.test_over_github import _no_pause, at, drafts, servers  # noqa: F401 - fixtures
from wharf.github import session_memory

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.over_github import World
    from tests.server.session_client import SessionClient

WRITE = r"PATCH .*/releases/\d+$"


@pytest.mark.slow
@pytest.mark.parametrize("far", first(1, ["completed", "announced", "sent"]))
@pytest.mark.parametrize("publisher", ["who lost it", "the other one"])
def test_a_file_that_was_taken_is_published_or_the_publish_is_refused(
    world: World, tmp_path: Path, far: str, publisher: str
) -> None:
    """One server reads the text. Another one announces a file, looks, and answers. Then the first one writes."""
    mine, other = make_wheel(tmp_path / "new", "fresh"), make_sdist(tmp_path / "new", "fresh")
    with servers(world, 2) as (one, two):
        session: dict[str, Any] = one.begin("fresh").raise_for_status().json()
        lost: dict[str, Any] = {}

        def overtake() -> None:
            lost.update(two.announce(at(two, session), other).raise_for_status().json())
            if far != "announced":
                two.send(at(two, lost), other.read_bytes()).raise_for_status()
            if far == "completed":
                two.complete(at(two, lost)).raise_for_status()

        world.hub.before(WRITE, overtake)
        one.upload(session, mine)
        steps = []
        if far == "announced":
            steps.append(two.send(at(two, lost), other.read_bytes()))
        if far != "completed":
            steps.append(two.complete(at(two, lost)))
        client = two if publisher == "who lost it" else one
        published = client.publish(at(client, session))
        told = all(each.is_success for each in steps)
        if published.status_code != 201:
            assert published.status_code == 409, published.text
            assert other.name in published.text
            again = two.announce(at(two, session), other)
            assert again.status_code == 202, again.text
            assert two.get(again.json()["links"]["file-upload-session"]).json()["status"] == "completed"
            assert client.publish(at(client, session)).status_code == 201
            told = True
        soon(lambda: mine.name in _files(one))
        assert (other.name in _files(one)) == told
        assert drafts(world) == []


@pytest.mark.slow
@pytest.mark.parametrize("earlier", ["deleted", "replaced"])
def test_earlier_changes_of_a_session_do_not_hide_what_is_lost(world: World, tmp_path: Path, earlier: str) -> None:
    """The session has less files than were announced. That says nothing of a file of which the entry is lost."""
    mine, other = make_wheel(tmp_path / "new", "fresh"), make_sdist(tmp_path / "new", "fresh")
    again = make_wheel(tmp_path / "again", "fresh", content="# other\n")
    with servers(world, 2) as (one, two):
        session: dict[str, Any] = one.begin("fresh").raise_for_status().json()
        there = one.upload(session, mine)
        if earlier == "deleted":
            one.delete(there["links"]["file-upload-session"]).raise_for_status()
        else:
            one.upload(session, again)
        world.hub.before(WRITE, lambda: two.upload(at(two, session), other))
        last = make_wheel(tmp_path / "last", "fresh", tag="cp311-none-any")
        one.upload(session, last)
        refused = one.publish(session)
        assert (refused.status_code, other.name in refused.text) == (409, True), refused.text
        found = one.announce(session, other).raise_for_status().json()
        assert one.get(found["links"]["file-upload-session"]).json()["status"] == "completed"
        assert one.publish(session).status_code == 201
        soon(lambda: {last.name, other.name} <= {*_files(one)})
        assert (mine.name in _files(one)) == (earlier == "replaced")
        assert drafts(world) == []


@pytest.mark.slow
def test_an_upload_whose_entry_is_lost_is_begun_again(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both servers gave the number 0: its address never leads to the file of somebody else."""
    monkeypatch.setattr(session_memory, "FRESH", 0.0)
    mine, other = make_wheel(tmp_path / "new", "fresh"), make_sdist(tmp_path / "new", "fresh")
    with servers(world, 2) as (one, two):
        session: dict[str, Any] = one.begin("fresh").raise_for_status().json()
        lost: dict[str, Any] = {}
        world.hub.before(WRITE, lambda: lost.update(two.announce(at(two, session), other).raise_for_status().json()))
        one.upload(session, mine)
        assert two.send(at(two, lost), other.read_bytes()).status_code == 404
        assert two.complete(at(two, lost)).status_code == 404
        two.upload(at(two, session), other)
        assert two.publish(at(two, session)).status_code == 201
        soon(lambda: {mine.name, other.name} <= {*_files(one)})


def _files(client: SessionClient) -> list[str]:
    page = client.http.get("/simple/fresh/", headers=JSON)  # not there before this server has seen the commit
    return [each["filename"] for each in page.json()["files"]] if page.status_code == 200 else []
