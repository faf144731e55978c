"""Upload sessions over HTTP: the whole walk, and what each step says."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import pytest

from tests.makers import make_sdist, make_wheel
from tests.server.running import soon
from tests.server.session_client import LIMIT, MEDIA_TYPE, META, SessionClient, path_of, sessions
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.repository.tokens import NewToken

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wharf.repository.opening import Repository


@pytest.fixture
def client(repository: Repository) -> Iterator[SessionClient]:
    with sessions(repository) as client:
        yield client


def _seconds(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def test_a_release_from_its_session_to_its_page(client: SessionClient, tmp_path: Path) -> None:
    paths = make_wheel(tmp_path), make_sdist(tmp_path)
    begun = client.begin("Demo", "1.0.0")
    session = begun.json()
    assert begun.status_code == 201
    assert begun.headers["content-type"] == MEDIA_TYPE
    assert begun.headers["location"] == session["links"]["session"]
    assert session["meta"] == {"api-version": "2.0"}
    assert session["mechanisms"] == ["http-post-bytes"]
    assert (session["status"], session["files"]) == ("open", {})
    assert session["session-token"] in session["links"]["stage"]
    assert timedelta(days=6) < _seconds(session["expires-at"]) - datetime.now(UTC) <= timedelta(days=7)
    assert client.get("/simple/demo/").status_code == 404

    for path in paths:
        announced = client.announce(session, path)
        file = announced.json()
        assert announced.status_code == 202
        assert announced.headers["retry-after"]
        assert announced.headers["location"] == file["links"]["file-upload-session"]
        assert (file["status"], file["mechanism"]["identifier"]) == ("pending", "http-post-bytes")
        assert client.send(file, path.read_bytes()).status_code == 200
        assert client.get(file["links"]["file-upload-session"]).json()["status"] == "pending"
        completed = client.complete(file)
        assert completed.status_code == 201
        assert completed.headers["location"] == file["links"]["file-upload-session"]
        assert completed.json()["status"] == "completed"
        assert client.complete(file).status_code == 201

    now = client.get(session["links"]["session"]).json()
    assert {name: each["status"] for name, each in now["files"].items()} == {path.name: "completed" for path in paths}
    for each in now["files"].values():
        assert client.get(each["link"]).json()["status"] == "completed"
    assert client.get("/simple/demo/").status_code == 404

    published = client.publish(session)
    assert published.status_code == 201
    assert published.headers["location"] == session["links"]["session"]
    assert published.json()["status"] == "published"
    assert "stage" not in published.json()["links"]
    soon(lambda: client.get("/simple/demo/").status_code == 200)
    page = client.http.get("/simple/demo/", headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    assert {each["filename"]: each["hashes"]["sha256"] for each in page.json()["files"]} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths
    }
    assert client.status(session) == "published"
    assert client.publish(session).status_code == 201


def test_all_of_a_release_is_one_commit(client: SessionClient, repository: Repository, tmp_path: Path) -> None:
    session = client.staged(make_wheel(tmp_path), make_sdist(tmp_path))
    done = client.publish(session)
    assert (done.status_code, done.json()["_wharf_commit"]) == (201, repository.branch.tip())
    assert len(list(repository.branch.history())) == 1
    assert "_wharf_commit" not in client.publish(session).json()


def test_a_session_adds_to_a_release_that_is_there(client: SessionClient, repository: Repository, tmp_path: Path) -> None:
    wheel, sdist = make_wheel(tmp_path), make_sdist(tmp_path)
    publish(repository, [Input.of(wheel)], actor="ada")
    session = client.begin().json()
    taken = client.announce(session, wheel)
    assert taken.status_code == 409
    assert "published already" in taken.json()["detail"]
    client.upload(session, sdist)
    assert client.publish(session).status_code == 201
    project = repository.branch.snapshot().project("demo")
    assert project is not None
    assert {each.filename for each in project.files} == {wheel.name, sdist.name}
    assert client.begin().status_code == 201


def test_the_same_bytes_that_came_another_way_meanwhile_are_no_conflict(
    client: SessionClient, repository: Repository, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path)
    session = client.staged(wheel)
    publish(repository, [Input.of(wheel)], actor="ada")
    assert client.publish(session).status_code == 201
    assert client.status(session) == "published"


@pytest.mark.slow
def test_other_bytes_that_came_another_way_meanwhile_are_a_conflict_at_the_publish(
    client: SessionClient, repository: Repository, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    wheel, other = make_wheel(tmp_path), make_wheel(tmp_path / "other", files={"demo/new.py": "x = 1\n"})
    sdist = make_sdist(tmp_path)
    session = client.staged(wheel, sdist)
    publish(repository, [Input.of(other)], actor="ada")
    refused = client.publish(session)
    assert refused.status_code == 409
    assert wheel.name in refused.json()["detail"]
    assert client.status(session) == "open"
    link = client.get(session["links"]["session"]).json()["files"][wheel.name]["link"]
    assert client.delete(link).status_code == 204
    assert client.publish(session).status_code == 201


def test_two_who_begin_one_release_share_the_session(client: SessionClient, repository: Repository) -> None:
    first = client.begin("demo", "1.0").json()
    other = SessionClient(client.http, ("__token__", repository.tokens.create("other", "publish").reveal()))
    second = other.begin("DEMO", "1.0.0")
    assert second.status_code == 409
    assert second.headers["location"] == first["links"]["session"]
    assert second.headers["content-type"] == "application/problem+json"
    assert other.get(second.headers["location"]).json()["session-token"] == first["session-token"]
    limited = repository.tokens.add(_token("limited", projects=("else-*",)))
    stranger = SessionClient(client.http, ("__token__", limited.reveal()))
    refused = stranger.begin()
    assert refused.status_code == 403
    assert "location" not in refused.headers
    assert client.delete(first["links"]["session"]).status_code == 204
    third = client.begin()
    assert third.status_code == 201
    assert third.json()["links"]["session"] != first["links"]["session"]
    assert third.json()["session-token"] != first["session-token"]


def _token(name: str, projects: tuple[str, ...]) -> NewToken:
    return NewToken(name=name, scope="publish", projects=projects)


def test_a_canceled_session_tells_its_end_and_keeps_nothing(client: SessionClient, store: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    session = client.staged(wheel)
    link = client.get(session["links"]["session"]).json()["files"][wheel.name]["link"]
    assert client.delete(session["links"]["session"]).status_code == 204
    assert client.delete(session["links"]["session"]).status_code == 204
    now = client.get(session["links"]["session"]).json()
    assert (now["status"], now["files"]) == ("canceled", {})
    assert list(now["links"]) == ["session"]
    assert client.get(link).json()["status"] == "canceled"
    for refused in (client.publish(session), client.announce(session, wheel), client.post(session["links"]["extend"], _for(1))):
        assert refused.status_code == 409
    assert not [path for path in (store / "sessions").rglob("*") if path.parent.name == "files"]


def _for(seconds: int) -> dict[str, object]:
    return {**META, "extend-for": seconds}


def test_a_session_is_extended_as_far_as_it_may(client: SessionClient) -> None:
    session = client.begin().json()
    before = _seconds(session["expires-at"])
    longer = client.post(session["links"]["extend"], _for(3600))
    assert longer.status_code == 200
    assert _seconds(longer.json()["expires-at"]) == before + timedelta(hours=1)
    longest = client.post(session["links"]["extend"], _for(10**15)).json()
    assert _seconds(longest["expires-at"]) == before + timedelta(days=23)
    assert client.post(session["links"]["extend"], _for(0)).json()["expires-at"] == longest["expires-at"]


def test_a_deleted_file_is_canceled_and_may_come_again(client: SessionClient, tmp_path: Path) -> None:
    session, wheel = client.begin().json(), make_wheel(tmp_path)
    first = client.upload(session, wheel)["links"]["file-upload-session"]
    assert client.delete(first).status_code == 204
    assert client.delete(first).status_code == 204
    assert client.get(first).json()["status"] == "canceled"
    assert client.get(session["links"]["session"]).json()["files"] == {}
    second = client.upload(session, wheel)["links"]["file-upload-session"]
    assert second != first
    third = client.upload(session, wheel)["links"]["file-upload-session"]
    assert client.get(second).json()["status"] == "canceled"
    assert client.get(third).json()["status"] == "completed"
    assert client.publish(session).status_code == 201


def test_another_name_for_the_same_file_takes_its_place(client: SessionClient, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    session = client.staged(wheel)
    other = wheel.rename(tmp_path / wheel.name.replace("-1.0-", "-1.0.0-"))
    announced = client.announce(session, other)
    assert announced.status_code == 202
    assert list(client.get(session["links"]["session"]).json()["files"]) == [other.name]
    refused = client.publish(session)
    assert refused.status_code == 409
    assert f"{other.name} (pending)" in refused.json()["detail"]


def test_below_the_name_of_an_index_and_behind_a_prefix(repository: Repository, tmp_path: Path) -> None:
    repository.of_index("staging").branch.begin("ada")
    with sessions(repository, root_path="/deep") as client:
        client.base = "/deep/staging"
        session = client.begin().json()
        assert path_of(session["links"]["session"]).startswith("/deep/staging/-/upload/2.0/")
        client.upload(session, make_wheel(tmp_path))
        assert client.http.get(session["links"]["stage"]).status_code == 200
        at_root = session["links"]["session"].replace("/staging/", "/")
        assert client.get(at_root).status_code == 404
        assert client.publish(session).status_code == 201
        client.base = "/deep/nothing"
        assert client.begin().status_code == 404
    assert repository.branch.snapshot().project("demo") is None
    assert repository.of_index("staging").branch.snapshot().project("demo") is not None


def test_a_server_that_begins_again_continues(repository: Repository, tmp_path: Path) -> None:
    wheel, sdist = make_wheel(tmp_path), make_sdist(tmp_path)
    with sessions(repository) as client:
        session = client.begin().json()
        pending = client.announce(session, wheel).json()
        client.send(pending, wheel.read_bytes()).raise_for_status()
        client.upload(session, sdist)
        auth = client.auth
        links = {name: path_of(url) for name, url in session["links"].items()}
        complete = path_of(pending["links"]["complete"])
    with sessions(repository) as client:
        client.auth = auth
        assert client.post(complete).status_code == 201
        assert client.post(links["publish"]).status_code == 201
    project = repository.branch.snapshot().project("demo")
    assert project is not None
    assert {each.filename for each in project.files} == {wheel.name, sdist.name}


def test_a_file_at_the_limit_is_taken_and_a_larger_one_is_not(client: SessionClient, tmp_path: Path) -> None:
    session, wheel = client.begin().json(), make_wheel(tmp_path)
    refused = client.announce(session, wheel, size=LIMIT + 1)
    assert refused.status_code == 413
    assert client.announce(session, wheel, size=LIMIT).status_code == 202


def test_the_links_of_a_page_lead_to_files(client: SessionClient, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    session = client.staged(wheel)
    page = client.http.get(
        urljoin(session["links"]["stage"], "demo/"), headers={"Accept": "application/vnd.pypi.simple.v1+json"}
    )
    url = urljoin(str(page.url), page.json()["files"][0]["url"])
    assert client.http.get(url).content == wheel.read_bytes()
