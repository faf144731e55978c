"""Upload sessions over GitHub, by several servers over one repository: nothing is on the branch before they are published."""

from __future__ import annotations

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.makers import make_sdist, make_wheel
from tests.server.over_github import JSON, _quick, world  # noqa: F401 - fixtures
from tests.server.running import soon
from tests.server.session_client import MEDIA_TYPE, META, SessionClient
from tests.server.test_server import form
from wharf.assets.asset_store import Progress
from wharf.assets.upload_session import new_session
from wharf.github import session_memory, session_writes
from wharf.operations.publish_inputs import Input
from wharf.operations.publish_to_server import begin_sessions, plan_for_server, publish_staged, send_files
from wharf.repository.server_address import parse_server
from wharf.repository.server_index import Notices, open_server
from wharf.repository.server_settings import ServerSettings
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.server.over_github import World
    from tests.simulator import Release


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_writes, "SETTLE", 0.0)


@contextlib.contextmanager
def servers(world: World, count: int = 1, **more: Any) -> Iterator[list[SessionClient]]:  # noqa: F811
    """Servers over the repository, and a client of alice for each."""
    with contextlib.ExitStack() as stack:
        yield [SessionClient(stack.enter_context(world.serving(**more)), ("x", world.alice)) for _ in range(count)]


def at(client: SessionClient, document: dict[str, Any]) -> dict[str, Any]:
    """A document of one server as another one would have given it: both stand behind one balancer."""
    text = str(client.http.base_url).rstrip("/")

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: moved(each) for key, each in value.items()}
        if isinstance(value, str) and value.startswith("http://"):
            return f"{text}/{value.split('/', 3)[3]}"
        return value

    found: dict[str, Any] = moved(document)
    return found


def drafts(world: World) -> list[Release]:  # noqa: F811
    return [each for each in world.repo.releases if each.draft]


@pytest.mark.slow
def test_a_release_by_two_servers_by_turns(world: World, tmp_path: Path) -> None:  # noqa: F811
    writer = world.hub.token("machine", {"acme/pkgs": "write"})
    wheel, sdist = make_wheel(tmp_path / "new", "fresh"), make_sdist(tmp_path / "new", "fresh")
    with servers(world, 2, token=writer) as (one, two):
        begun = one.begin("Fresh", "1.0")
        assert begun.status_code == 201, begun.text
        session = begun.json()
        assert len(drafts(world)) == 1
        again = two.begin("fresh", "1.0.0")
        assert again.status_code == 409
        assert again.headers["location"].endswith(session["links"]["session"].rpartition("/")[2])
        for path, first, second in ((wheel, one, two), (sdist, two, one)):
            announced = first.announce(at(first, session), path)
            assert announced.status_code == 202, announced.text
            file = announced.json()
            assert second.send(at(second, file), path.read_bytes()).status_code == 200
            completed = first.complete(at(first, file))
            assert (completed.status_code, completed.json()["status"]) == (201, "completed")
        status = two.get(at(two, session)["links"]["session"]).json()
        assert {name: each["status"] for name, each in status["files"].items()} == {
            wheel.name: "completed",
            sdist.name: "completed",
        }
        stage = at(two, session)["links"]["stage"]
        page = two.http.get(f"{stage}fresh/", auth=None, headers=JSON)
        assert {each["filename"] for each in page.json()["files"]} == {wheel.name, sdist.name}
        link = next(each["url"] for each in page.json()["files"] if each["filename"] == wheel.name)
        assert two.http.get(page.url.join(link), auth=None).content == wheel.read_bytes()
        assert two.http.get("/simple/fresh/").status_code == 404
        uploads = world.hub.count("upload")
        published = two.publish(at(two, session))
        assert (published.status_code, published.json()["status"]) == (201, "published"), published.text
        assert world.hub.count("upload") == uploads, "the files are not sent again"
        assert drafts(world) == []
        soon(lambda: two.http.get("/simple/fresh/").status_code == 200)
        assert one.status(at(one, session)) == "published"
        assert one.http.get(at(one, session)["links"]["stage"], auth=None).status_code == 404
        assert one.publish(at(one, session)).status_code == 201
    commits = [line for line in world.repo.releases if not line.draft]
    assert [each.tag_name for each in commits][-1] == "fresh-1.0"


@pytest.mark.slow
def test_a_file_that_another_server_took_a_moment_ago_has_its_name_reserved(
    world: World,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session_memory, "FRESH", 60.0)  # the server that publishes remembers the session without that file
    wheel, sdist = make_wheel(tmp_path / "new", "fresh"), make_sdist(tmp_path / "new", "fresh")
    told: list[tuple[int, str]] = []

    def upload() -> None:
        answer = one.http.post("/legacy/", auth=one.auth, **form(sdist))
        told.append((answer.status_code, answer.text))

    with servers(world, 2) as (one, two):
        session = one.staged(wheel, name="fresh")
        two.upload(at(two, session), sdist)
        world.hub.before(r"POST .*graphql", upload)
        published = one.publish(session)
        assert (published.status_code, {*published.json()["files"]}) == (201, {wheel.name, sdist.name})
    assert [(status, "is being published" in text) for status, text in told] == [(409, True)], told


@pytest.mark.slow
def test_a_session_costs_few_calls_more_than_a_publish(world: World, tmp_path: Path) -> None:  # noqa: F811
    paths = [make_wheel(tmp_path / "many", "many", tag=f"cp3{number}-none-any") for number in range(20)]

    def calls() -> dict[str, int]:
        made = [call for call in world.hub.calls if call.kind in {"api", "upload", "graphql"}]
        creating = sum(call.method in {"POST", "PATCH"} and call.kind != "graphql" for call in made)
        return {"all": len(made), "creating": creating}

    with servers(world) as (client,):
        client.staged(name="warm", version="1.0")
        world.hub.calls.clear()
        session = client.begin("many", "1.0").json()
        with ThreadPoolExecutor(8) as pool:
            files = [*pool.map(lambda path: client.announce(session, path).json(), paths)]
        announced = calls()
        for file, path in zip(files, paths, strict=True):
            client.send(file, path.read_bytes()).raise_for_status()
            client.complete(file).raise_for_status()
        sent = calls()
        assert client.publish(session).status_code == 201
        by_session = calls()
    world.hub.calls.clear()
    others = [make_wheel(tmp_path / "many", "other", tag=f"cp3{number}-none-any") for number in range(20)]
    world.put(*others)
    by_publish = calls()
    assert announced["all"] <= 3 + 20 * 3  # as many as gather share a write, which is read again afterwards
    assert sent["all"] - announced["all"] <= 22, "a file costs its upload"
    assert by_session["all"] - sent["all"] <= 16
    assert by_session["creating"] - by_publish["creating"] <= 20 + 3


@pytest.mark.slow
def test_a_file_is_an_upload_of_its_own(world: World, tmp_path: Path) -> None:  # noqa: F811
    with servers(world) as (client,):
        session = client.begin().json()
        assert "_wharf_batch" not in session["links"]
        there = {"links": {"_wharf_batch": f"{session['links']['session']}/batch"}}
        assert client.batch(there, make_wheel(tmp_path)).status_code == 404


@pytest.mark.slow
def test_a_server_without_a_right_to_write_shows_no_stage(world: World, tmp_path: Path) -> None:  # noqa: F811
    del tmp_path
    with servers(world) as (client,):
        session = client.begin().json()
        assert "stage" not in session["links"]
        assert "session-token" not in session
        assert any("shows no stage" in each for each in session["notices"])
    with servers(world, token=None, wait=False) as (client,):
        soon(lambda: client.get("/simple/").status_code == 200)
        status = client.get(at(client, session)["links"]["session"]).json()
        assert status["status"] == "open"
        assert "stage" not in status["links"]


@pytest.mark.slow
def test_who_may_not_write_learns_nothing(world: World) -> None:  # noqa: F811
    with servers(world) as (client,):
        session = client.begin("fresh", "1.0").json()
        bob = SessionClient(client.http, ("x", world.bob))
        assert bob.begin("fresh", "1.0").status_code == 403
        for method, name in (("GET", "session"), ("DELETE", "session"), ("POST", "publish"), ("POST", "extend")):
            answer = client.http.request(method, session["links"][name], auth=bob.auth)
            assert answer.status_code == 403, (method, name, answer.text)
        # A token that is taken away is refused with its next request.
        world.hub.tokens[world.alice].rights["acme/pkgs"] = "read"
        assert client.post(session["links"]["extend"], {"meta": {"api-version": "2.0"}, "extend-for": 60}).status_code in {
            403,
            404,
        }
        assert len(drafts(world)) == 1


@pytest.mark.slow
def test_a_canceled_session_leaves_nothing(world: World, tmp_path: Path) -> None:  # noqa: F811
    with servers(world, 2) as (one, two):
        session = one.staged(make_wheel(tmp_path / "new", "fresh"), name="fresh")
        assert one.delete(session["links"]["session"]).status_code == 204
        assert drafts(world) == []
        assert one.status(session) == "canceled"
        assert two.get(at(two, session)["links"]["session"]).status_code == 404
        assert two.begin("fresh").status_code == 201


@pytest.mark.slow
def test_a_file_that_is_replaced_and_one_that_is_refused(world: World, tmp_path: Path) -> None:  # noqa: F811
    first, second = (make_wheel(tmp_path / each, "fresh", content=each) for each in ("a", "b"))
    with servers(world) as (client,):
        session = client.begin("fresh").json()
        client.upload(session, first)
        file = client.announce(session, second).json()
        assert client.send(file, first.read_bytes()).status_code == 400
        assert client.publish(session).status_code == 409
        client.send(file, second.read_bytes()).raise_for_status()
        client.complete(file).raise_for_status()
        assert client.publish(session).status_code == 201
    assert [each.data.read_bytes() for each in world.repo.releases[-1].assets] == [second.read_bytes()]


@pytest.mark.slow
def test_a_publish_that_is_refused_leaves_the_session_as_it_was(world: World, tmp_path: Path) -> None:  # noqa: F811
    ours, theirs = (make_wheel(tmp_path / each, "fresh", content=each) for each in ("a", "b"))
    with servers(world, 2) as (one, two):
        session = one.staged(ours, name="fresh")
        world.put(theirs)
        refused = two.publish(at(two, session))
        assert refused.status_code == 409, refused.text
        assert one.status(session) == "open"
        assert two.delete(at(two, session)["links"]["session"]).status_code == 204
        assert drafts(world) == []


@pytest.mark.slow
def test_limits_of_github_are_answered(world: World, tmp_path: Path) -> None:  # noqa: F811
    with servers(world) as (client,):
        session = client.begin("fresh").json()
        world.hub.limits.contents_minute = 0
        refused = client.announce(session, make_wheel(tmp_path, "fresh"))
        assert refused.status_code in {429, 503}
        assert int(refused.headers["retry-after"]) > 0
        world.hub.limits.contents_minute = 80
        world.hub.clock.forward(120)
        assert client.announce(session, make_wheel(tmp_path, "fresh")).status_code == 202


@pytest.mark.slow
def test_a_server_with_its_own_token_deletes_what_ran_out(world: World) -> None:  # noqa: F811
    """It looks when it starts. One that has no token deletes nothing with the token of a client."""
    writer = world.hub.token("machine", {"acme/pkgs": "write"})
    with world.open(writer, "elsewhere") as repository:
        now = datetime.now(UTC)
        for version, began in (("2.0", now), ("1.0", now - timedelta(days=8))):
            session = new_session(index="main", project="fresh", version=version, creator="alice", now=began)
            repository.sessions.create(session)
    with world.serving(None, wait=False) as client:
        alices = SessionClient(client, ("x", world.alice))
        soon(lambda: alices.get("/simple/").status_code == 200)
        assert len(drafts(world)) == 2
    with world.serving(writer):
        soon(lambda: [each.tag_name for each in drafts(world)] == ["fresh-2.0"])


@pytest.mark.slow
def test_a_token_that_a_server_borrows_is_not_used_for_sessions(world: World) -> None:  # noqa: F811
    writer = world.hub.token("machine", {"acme/pkgs": "write"})
    with world.open(writer, "elsewhere") as repository:
        session = repository.sessions.create(
            new_session(index="main", project="fresh", version="1.0", creator="alice", now=datetime.now(UTC))
        )
        assert repository.sessions.by_token(session.token) == session
    with world.open(None) as repository:
        assert repository.github is not None
        repository.github.use(Secret(writer))
        for store in (repository.sessions, repository.of_index("main").sessions):
            assert (store.all(), store.by_token(session.token), store.get(session.id)) == ([], None, None)
            assert not store.shows(session)
        with repository.acting_as(Secret(writer)) as alices:
            assert alices.sessions.get(session.id) == session


@pytest.mark.slow
def test_a_name_that_github_changes(world: World, tmp_path: Path) -> None:  # noqa: F811
    path = make_wheel(tmp_path / "new", "fresh", "1!2.0+cpu")
    with servers(world, 2) as (one, two):
        session = one.staged(path, name="fresh", version="1!2.0+cpu")
        assert drafts(world)[0].assets[0].name != path.name
        assert {*two.get(at(two, session)["links"]["session"]).json()["files"]} == {path.name}
        assert two.publish(at(two, session)).status_code == 201
        assert {*one.get(session["links"]["session"]).json()["files"]} == {path.name}
        soon(lambda: path.name in two.http.get("/simple/fresh/", headers=JSON).text)


@pytest.mark.slow
def test_the_command_publishes_over_it(world: World, tmp_path: Path) -> None:  # noqa: F811
    """Eight files at a time, by its own client."""
    paths = [make_wheel(tmp_path / "new", "fresh", tag=f"cp3{number}-none-any") for number in range(9)]
    with servers(world) as (client,):
        settings = ServerSettings(address=parse_server(str(client.http.base_url), "a test"), source="a test")
        notices = Notices(warn=lambda _text: None, wait=lambda _why, _seconds: None, note=lambda _text: None)
        with open_server(settings, {"WHARF_TOKEN": world.alice}, notices) as index:
            plan = plan_for_server(index, [Input.of(path) for path in paths], strict=False, skip_existing=False)
            begun = begin_sessions(index, plan, lambda _text: None)
            send_files(index, begun, Progress())
            publish_staged(index, begun)
        assert {each.name for each in world.repo.releases[-1].assets} == {path.name for path in paths}
        assert drafts(world) == []


@pytest.mark.slow
def test_a_publish_that_a_limit_stops_is_published_later(world: World, tmp_path: Path) -> None:  # noqa: F811
    with servers(world) as (client,):
        session = client.staged(make_wheel(tmp_path / "new", "fresh"), name="fresh")
        world.hub.before(r"POST .*graphql", lambda: setattr(world.hub.limits, "contents_minute", 0))
        stopped = client.publish(session)
        assert stopped.status_code in {429, 503}, stopped.text
        assert int(stopped.headers["retry-after"]) > 0
        assert client.get(session["links"]["session"]).status_code == 429, "GitHub answers nothing during such a pause"
        world.hub.limits.contents_minute = 80
        world.hub.clock.forward(120)
        assert client.status(session) in {"open", "error"}
        assert client.publish(session).status_code == 201
        assert drafts(world) == []


@pytest.mark.slow
@pytest.mark.parametrize("way", ["form", "session", "yank"])
def test_a_wharf_token_that_ends_while_a_request_comes_is_no_fault_of_the_server(
    world: World,  # noqa: F811
    tmp_path: Path,
    way: str,
) -> None:
    with world.open(world.alice) as repository:
        tokens = repository.tokens
        client_token = tokens.create("ci", "manage").reveal()
    with world.serving(world.alice, by_github=False) as http:
        wheel = make_wheel(tmp_path, version="2.0", content="x" * 100_000)
        form = http.build_request("POST", "/legacy/", files={"content": (wheel.name, wheel.read_bytes())})
        method, url, kind, body = {
            "form": ("POST", "/legacy/", form.headers["Content-Type"], form.read()),
            "session": ("POST", "/-/upload/2.0/", MEDIA_TYPE, json.dumps({**META, "name": "demo", "version": "2.0"}).encode()),
            "yank": ("PUT", "/-/api/v1/indexes/main/projects/demo/releases/1.0/yank", "application/json", b'{"reason": "bad"}'),
        }[way]

        def slowly() -> Iterator[bytes]:
            yield body[:10]
            tokens.revoke("ci")
            yield body[10:]

        answer = http.request(method, url, content=slowly(), headers={"Content-Type": kind}, auth=("x", client_token))
    assert answer.status_code in {401, 403}  # as soon as the server looks
    assert "token" in answer.text
    assert "GitHub" not in answer.text
