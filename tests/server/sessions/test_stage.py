"""The stage of a session: what whoever knows its address sees, and who else sees nothing of it."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import httpx
import pytest

from tests.makers import make_sdist, make_wheel
from tests.server.running import running
from tests.server.session_client import MEDIA_TYPE, SessionClient, path_of, sessions
from wharf.secret import for_log, without_tokens
from wharf.server.app import make_app
from wharf.server.logs.access_log import AccessLog
from wharf.server.logs.operator_log import OperatorLog
from wharf.server.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wharf.repository.opening import Repository

JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}


@pytest.fixture
def client(repository: Repository) -> Iterator[SessionClient]:
    with sessions(repository, open_reading=False) as client:
        yield client


def test_it_shows_the_completed_files_to_whoever_has_its_address(client: SessionClient, tmp_path: Path) -> None:
    wheel, sdist = make_wheel(tmp_path, requires_python=">=3.9"), make_sdist(tmp_path)
    session = client.staged(wheel)
    client.announce(session, sdist)
    stage = session["links"]["stage"]
    assert client.http.get("/simple/demo/").status_code == 401
    listed = client.http.get(stage, headers=JSON)
    assert listed.headers["cache-control"] == "no-store"
    assert listed.headers["referrer-policy"] == "no-referrer"
    assert listed.json()["projects"] == [{"name": "demo"}]
    page = client.http.get(urljoin(stage, "demo/"), headers=JSON)
    (file,) = page.json()["files"]
    assert (file["filename"], file["size"], file["requires-python"]) == (wheel.name, wheel.stat().st_size, ">=3.9")
    got = client.http.get(urljoin(str(page.url), file["url"]))
    assert got.content == wheel.read_bytes()
    assert got.headers["cache-control"] == "no-store"
    head = client.http.head(urljoin(str(page.url), file["url"]))
    assert head.headers["content-length"] == str(wheel.stat().st_size)
    assert wheel.name in client.http.get(urljoin(stage, "demo/")).text
    assert client.http.get(urljoin(stage, "Demo/")).status_code == 301
    assert client.http.post(stage).status_code == 405
    assert client.http.delete(stage, auth=client.auth).status_code == 405
    for odd in ("other/", "demo", "demo/x/", "../files/", "../other/", f"../files/{'0' * 64}/{wheel.name}"):
        assert client.http.get(urljoin(stage, odd)).status_code in {301, 404}
    assert client.http.get(urljoin(stage, "demo/"), headers={"Accept": "image/png"}).status_code == 406


def _stage(client: SessionClient, session: dict[str, dict[str, str]], way: str) -> str:
    stage = path_of(session["links"]["stage"])
    if way == "published":
        client.publish(session).raise_for_status()
    elif way == "canceled":
        client.delete(session["links"]["session"]).raise_for_status()
    elif way == "guessed":
        token = stage.split("/")[3]
        stage = stage.replace(token, token[:-1] + ("A" if token[-1] != "A" else "B"))
    elif way == "short":
        stage = "/-/stage/x/simple/"
    elif way == "empty":
        stage = "/-/stage//simple/"
    return stage


@pytest.mark.parametrize("way", ["published", "canceled", "guessed", "short", "empty"])
def test_a_token_that_shows_nothing_has_one_answer_with_or_without_a_login(
    client: SessionClient, tmp_path: Path, way: str
) -> None:
    wheel = make_wheel(tmp_path)
    stage = _stage(client, client.staged(wheel), way)
    sha256 = "0" * 64
    answers = {
        (got.status_code, got.content, got.reason_phrase)
        for below in ("", "demo/", "demo", "../", f"../files/{sha256}/{wheel.name}", "../files/x", "?format=x")
        for auth in (client.auth, None)
        for got in [client.http.get(f"{stage}{below}".replace("/simple/../", "/"), auth=auth)]
    }
    assert len(answers) == 1
    assert next(iter(answers))[0] == 404
    assert client.http.post(stage).status_code == 404


@pytest.mark.parametrize(
    "below", ["needed/", "../files/x", f"../files/{'0' * 64}/demo-1.0-py3-none-any.whl", "../", "../legacy/"]
)
def test_what_a_stage_does_not_have_is_not_told_as_its_end(client: SessionClient, tmp_path: Path, below: str) -> None:
    """pip asks it for what the release requires, too, and shows with -v why there is none."""
    stage = client.staged(make_wheel(tmp_path))["links"]["stage"]
    answer = client.http.get(urljoin(stage, below))
    assert (answer.status_code, "no such stage" in answer.reason_phrase) == (404, False)


def test_a_session_that_ran_out_shows_nothing(client: SessionClient, repository: Repository, tmp_path: Path) -> None:
    session = client.staged(make_wheel(tmp_path))
    id_ = session["links"]["session"].rpartition("/")[2]
    repository.sessions.update(id_, lambda each: dataclasses.replace(each, expires=each.created))
    assert client.http.get(session["links"]["stage"]).status_code == 404
    assert client.get(session["links"]["session"]).status_code == 404
    assert client.publish(session).status_code == 404
    assert client.begin().status_code == 201


def test_a_stage_is_of_one_session(client: SessionClient, tmp_path: Path) -> None:
    one = client.staged(make_wheel(tmp_path))
    two = client.staged(make_wheel(tmp_path, "other"), name="other")
    assert client.http.get(one["links"]["stage"], headers=JSON).json()["projects"] == [{"name": "demo"}]
    assert client.http.get(two["links"]["stage"], headers=JSON).json()["projects"] == [{"name": "other"}]
    assert client.http.get(urljoin(one["links"]["stage"], "other/")).status_code == 404


def test_its_token_is_in_no_log(repository: Repository, tmp_path: Path) -> None:
    lines: list[str] = []
    token = repository.tokens.create("ci", "publish").reveal()
    app = make_app(repository, Rules(open_reading=True, upload_limit=1 << 20))
    for as_json in (False, True):
        with running(AccessLog(app, app.who, lines.append, as_json=as_json)) as url, httpx.Client(base_url=url) as http:
            client = SessionClient(http, ("__token__", token))
            session = client.staged(make_wheel(tmp_path))
            http.get(session["links"]["stage"])
            http.get(urljoin(session["links"]["stage"], "demo/"))
            client.delete(session["links"]["session"])
    assert any("/-/stage/***/simple/demo/" in line for line in lines)
    assert session["session-token"] not in "\n".join(lines)


def test_its_token_is_hidden_in_what_is_told_of_an_error() -> None:
    token = "x" * 43
    said: list[str] = []
    OperatorLog(said.append).handle(_record(f"GET /-/stage/{token}/simple/demo/: a fault"))
    assert said == ["GET /-/stage/***/simple/demo/: a fault"]
    for mistyped in ("/staging/-/stage/", "/-/stage//", "/-//stage/", "/-/STAGE/"):
        assert token not in for_log(f"{mistyped}{token}/simple/")
    assert token not in without_tokens(f"http://127.0.0.1/-/stage/{token}/simple/ is not there")


def _record(text: str) -> logging.LogRecord:
    return logging.LogRecord("wharf", logging.ERROR, __file__, 1, text, None, None)


def test_the_status_tells_the_stage_only_to_who_may_publish(client: SessionClient, repository: Repository) -> None:
    session = client.begin().json()
    client.auth = ("__token__", repository.tokens.create("reader", "read").reveal())
    refused = client.http.get(session["links"]["session"], headers={"Accept": MEDIA_TYPE}, auth=client.auth)
    assert refused.status_code == 403
    assert session["session-token"] not in refused.text
