"""The session of a release is found without beginning one, by whoever may write the project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.makers import make_wheel
from tests.server.session_client import SessionClient, sessions
from wharf.model import Status
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.set_status import set_status
from wharf.repository.tokens import NewToken

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from wharf.repository.opening import Repository

WHERE = "/-/upload/2.0/"


def find(client: SessionClient, **query: str) -> httpx.Response:
    return client.http.get(WHERE, params={"name": "demo", "version": "1.0", **query}, auth=client.auth)


def test_a_session_is_found_by_any_spelling_of_its_release_until_it_ends(repository: Repository) -> None:
    with sessions(repository) as client:
        assert (find(client).status_code, find(client).json()["code"]) == (404, "not-found")
        assert repository.sessions.all() == []
        begun = client.begin().json()
        for query in ({}, {"name": "DEMO"}, {"version": "1.0.0"}):
            found = find(client, **query)
            assert (found.status_code, found.headers["location"]) == (200, begun["links"]["session"])
            assert found.json()["links"] == begun["links"]
        for query in ({"version": "2.0"}, {"name": "other"}):
            assert find(client, **query).status_code == 404
        client.delete(begun["links"]["session"])
        assert find(client).status_code == 404
        assert len(repository.sessions.all()) == 1


def test_the_session_of_an_archived_project_is_found(repository: Repository, tmp_path: Path) -> None:
    publish(repository, [Input.of(make_wheel(tmp_path, "other", "0.9"))], actor="ada")
    with sessions(repository) as client:
        other = client.begin("other").json()
        set_status(repository, "other", Status(marker="archived"))
        assert find(client, name="other").headers["location"] == other["links"]["session"]


@pytest.mark.parametrize("query", [{"name": "-"}, {"version": "x"}, {"name": ""}, {"version": "\x00"}, {"name": "a" * 5000}])
def test_what_is_no_release_is_refused(repository: Repository, query: dict[str, str]) -> None:
    with sessions(repository) as client:
        assert find(client, **query).status_code == 400


@pytest.mark.parametrize(
    ("new", "status"),
    [
        (None, 401),
        (NewToken(name="t", scope="read"), 403),
        (NewToken(name="t", scope="publish", projects=["other"]), 403),
        (NewToken(name="t", scope="publish", indexes=["staging"]), 403),
        (NewToken(name="t", scope="publish", projects=["demo"]), 200),
        (NewToken(name="t", scope="manage"), 200),
    ],
)
def test_who_may_not_write_learns_of_no_session(repository: Repository, new: NewToken | None, status: int) -> None:
    with sessions(repository) as client:
        client.begin()
        auth: Any = None if new is None else ("x", repository.tokens.add(new).reveal())
        told = {
            (answer.status_code, "" if status == 200 else answer.text)
            for answer in (
                client.http.get(WHERE, params={"name": "demo", "version": version}, auth=auth) for version in ("1.0", "2.0")
            )
        }
        assert told == ({(200, ""), (404, "")} if status == 200 else {(status, next(iter(told))[1])})
