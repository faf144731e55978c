"""`wharf --server URL publish`: a release is staged, and then there as a whole; what dies half-way continues."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.cli.server_world import World, serving_world
from tests.makers import make_sdist, make_wheel
from tests.server.running import soon
from wharf.assets import session_folder
from wharf.assets.asset_store import Progress
from wharf.errors import StorageError, UncertainError
from wharf.operations import batch_to_server, publish_to_server
from wharf.operations.batch_to_server import BatchSending
from wharf.operations.file_to_server import FileSending
from wharf.operations.publish_inputs import Input
from wharf.operations.publish_to_server import begin_sessions, plan_for_server, publish_staged, send_files
from wharf.repository import server_sessions
from wharf.repository.server_address import parse_server
from wharf.repository.server_client import NoRoutesError, ServerClient
from wharf.repository.server_index import Notices, ServerIndex, open_server
from wharf.repository.server_sessions import ServerSessions
from wharf.repository.server_settings import ServerSettings
from wharf.server.sessions.session_api import SessionApi

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[World]:
    with serving_world(store, monkeypatch, capsys) as world:
        yield world


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose bytes were sent to their end, those of one request together."""
    names: list[str] = []
    one, many = FileSending._once, BatchSending._once

    def noted(self: Any) -> None:
        one(self)
        names.append(self.file.filename)

    def noted_together(self: Any) -> None:
        many(self)
        names.append(" ".join(each.file.filename for each in self._files))

    monkeypatch.setattr(FileSending, "_once", noted)
    monkeypatch.setattr(BatchSending, "_once", noted_together)
    return names


@pytest.fixture(params=["together", "one by one"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether small files go in one request: a server over GitHub, or an older one, does not have that."""
    if request.param == "one by one":
        monkeypatch.setattr(server_sessions, "BATCH", "_not_there")
    return str(request.param)


def log_of(world: World) -> list[Any]:
    entries: list[Any] = world.wharf("log", "--json").document["entries"]
    return entries


@pytest.mark.slow
def test_a_publish_that_cannot_begin_a_session_for_each_release_leaves_none(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_folder, "MOST_SESSIONS", 2)
    three = [make_wheel(tmp_path, name) for name in ("one", "two", "three")]
    assert world.wharf("publish", "--json", *three, code=7).document["error"]["code"] == "too-many-sessions"
    assert not any(each.live for each in sessions(world))
    world.wharf("publish", *three[:2])


@pytest.mark.slow
@pytest.mark.usefixtures("way")
def test_releases_are_published_and_told_as_by_the_local_command(world: World, tmp_path: Path) -> None:
    files = [make_wheel(tmp_path), make_sdist(tmp_path), make_wheel(tmp_path, "other", "2.0")]
    tried = world.wharf("publish", "--dry-run", "--json", *files).document
    assert tried["commit"] is None
    assert [each["filename"] for each in tried["published"]] == sorted(path.name for path in files)
    assert log_of(world) == []
    said = world.wharf("publish", "--json", *files).document
    assert (said["repository"], said["index"], said["commit"]) == (f"{world.url}/", "main", world.repository.branch.tip())
    assert [each["filename"] for each in said["published"]] == sorted(path.name for path in files)
    assert [each["releases"] for each in log_of(world)] == [
        [{"project": "other", "version": "2.0"}],
        [{"project": "demo", "version": "1.0"}],
    ]
    again, here = (run("publish", "--json", *files).document for run in (world.wharf, world.here))
    assert {**again, "repository": ""} == {**here, "repository": ""}
    lines, lines_here = (run("publish", *files).out.splitlines() for run in (world.wharf, world.here))
    assert lines[:-1] == lines_here[:-1]
    assert lines[-1] == lines_here[-1].replace(str(world.store), f"{world.url}/")


@pytest.mark.slow
def test_the_commit_of_a_publish_is_told_without_another_question(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [make_wheel(tmp_path), make_wheel(tmp_path, "other", "2.0")]
    with monkeypatch.context() as patched:
        patched.setattr(ServerIndex, "commit", lambda _: pytest.fail("the answer to the publish has it"))
        assert world.wharf("publish", "--json", *files).document["commit"] == world.repository.branch.tip()


@pytest.mark.slow
def test_another_index_is_chosen_by_its_name_or_its_address(world: World, tmp_path: Path) -> None:
    world.here("index", "create", "staging")
    soon(lambda: not world.wharf("list", "--index", "staging", "--json", code=None).code)
    one, two = make_wheel(tmp_path), make_wheel(tmp_path, version="2.0")
    assert world.wharf("publish", "--index", "staging", "--json", one).document["index"] == "staging"
    assert world.wharf("publish", "--json", two, url=f"{world.url}/staging/simple/").document["index"] == "staging"
    assert world.wharf("list", "--json").document == {"projects": []}
    said = world.wharf("publish", "--index", "stagin", "--json", one, code=4).document["error"]
    assert said["code"] == "no-index"
    assert "Did you mean staging?" in said["hint"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "then", "words", "code"),
    [
        ({}, {"content": "other"}, (), 5),
        ({}, {"content": "other"}, ("--dry-run",), 5),
        ({}, {"content": "other"}, ("--skip-existing",), 0),
        ({}, {"broken": True}, (), 3),
        ({"status": "archived"}, {"version": "2.0"}, (), 7),
        ({"removed": True}, {"content": "other"}, (), 5),
        ({"removed": True}, {}, (), 0),
    ],
)
def test_what_is_refused_is_refused_before_a_byte_is_sent_as_by_the_local_command(
    world: World,
    tmp_path: Path,
    sent: list[str],
    first: dict[str, Any],
    then: dict[str, Any],
    words: tuple[str, ...],
    code: int,
) -> None:
    world.wharf("publish", make_wheel(tmp_path))
    if first.get("removed"):
        world.wharf("remove", "demo==1.0", "--yes")
    if "status" in first:
        world.wharf("status", "demo", first["status"], "--reason", "it is over")
    sent.clear()
    (tmp_path / "new").mkdir()
    if then.get("broken"):
        file = tmp_path / "new" / "demo-2.0-py3-none-any.whl"
        file.write_bytes(b"no wheel")
    else:
        file = make_wheel(tmp_path / "new", **then)
    far = world.wharf("publish", *words, "--json", file, code=code).document
    if code:
        near = world.here("publish", *words, "--json", file, code=code).document
        assert far == json.loads(json.dumps(near).replace(f"--repo {world.store}", f"--server {world.url}"))
        assert sent == []
    elif words:
        assert [each["filename"] for each in far["skipped"]] == [file.name]
        assert sent == []
    else:
        assert [each["filename"] for each in far["published"]] == [file.name]


@pytest.mark.slow
def test_all_releases_are_staged_before_the_first_is_published(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [make_wheel(tmp_path, "a"), make_wheel(tmp_path, "b"), make_wheel(tmp_path, "c")]
    states: list[list[str]] = []
    publish = ServerSessions.publish

    def noted(self: ServerSessions, session: Any) -> Any:
        states.append([each.state for each in sessions(world) for each in each.files.values()])
        return publish(self, session)

    monkeypatch.setattr(ServerSessions, "publish", noted)
    world.wharf("publish", *files)
    assert states[0] == ["completed"] * 3


def sessions(world: World) -> Any:
    return world.repository.sessions.all()


@pytest.mark.slow
def test_a_publish_that_broke_off_continues_and_sends_nothing_twice(
    world: World, tmp_path: Path, sent: list[str], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(publish_to_server, "AT_ONCE", 1)
    files = [make_wheel(tmp_path, tag=f"py3-none-{each}") for each in ("any", "linux_x86_64", "win_amd64")]
    pieces = FileSending.pieces

    def broken(self: Any) -> Iterator[bytes]:
        if self.file.filename == files[1].name:
            yield next(pieces(self))[:10]
            raise KeyboardInterrupt
        yield from pieces(self)

    with monkeypatch.context() as patched:
        patched.setattr(FileSending, "pieces", broken)
        world.wharf("publish", *files, code=130)
    assert sent == ([files[0].name] if way == "one by one" else [])
    assert log_of(world) == []
    said = world.wharf("publish", *files)
    assert ("demo 1.0 is staged in part already: this continues there." in said.err) == (way == "one by one")
    assert " ".join(sent) == " ".join(path.name for path in files)
    assert len(log_of(world)) == 1
    assert world.wharf("publish", "--json", *files).document["published"] == []


@pytest.mark.slow
def test_a_publish_that_ends_when_all_is_staged_continues_and_sends_nothing(
    world: World, tmp_path: Path, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [make_wheel(tmp_path, tag=f"cp3{each}-none-any") for each in range(3)]

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ServerSessions, "publish", killed)
        world.wharf("publish", *files, code=130)
    assert sent == [" ".join(each.name for each in files)]
    sent.clear()
    assert "demo 1.0 is staged already" in world.wharf("publish", *files).err
    assert sent == []
    assert len(log_of(world)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["answer is lost", "proxy takes no such request", "another one is quicker"])
def test_files_that_cannot_go_together_go_by_themselves(
    world: World, tmp_path: Path, sent: list[str], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    files = [make_wheel(tmp_path, tag=f"cp3{each}-none-any") for each in range(3)]
    send = ServerSessions.send_batch

    def faulty(self: ServerSessions, session: Any, several: Any, pieces: Any) -> None:
        if fault == "another one is quicker":
            upload = self.announce(session, files[0].name, 1, "0" * 64)
            try:
                send(self, session, several, pieces)
            finally:
                self.delete(upload.link)
        elif fault == "answer is lost":
            send(self, session, several, pieces)
            raise UncertainError("Nobody knows.")
        else:
            raise NoRoutesError("413, without a document of wharf.")

    monkeypatch.setattr(ServerSessions, "send_batch", faulty)
    said = world.wharf("publish", "--json", *files).document
    assert [each["filename"] for each in said["published"]] == [each.name for each in files]
    assert sent == ([] if fault == "answer is lost" else [each.name for each in files])


@pytest.mark.slow
@pytest.mark.usefixtures("way")
def test_a_file_that_the_server_refuses_is_named(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [make_wheel(tmp_path), make_sdist(tmp_path, content=os.urandom(1500).hex())]
    with serving_world(store, monkeypatch, capsys, upload_limit=1500) as world:
        said = world.wharf("publish", "--json", *files, code=3).document["error"]
        assert said["code"] == "too-large"
        assert files[1].name in said["message"]
        assert files[0].name not in said["message"]
        assert log_of(world) == []


@pytest.mark.slow
def test_large_files_go_by_themselves_and_the_others_in_requests_of_bounded_size(
    world: World, tmp_path: Path, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [make_wheel(tmp_path, tag=f"cp3{each}-none-any") for each in range(5)]
    large = make_sdist(tmp_path, content=os.urandom(4000).hex())
    monkeypatch.setattr(batch_to_server, "SMALL", 4000)
    monkeypatch.setattr(batch_to_server, "MOST_FILES", 2)
    world.wharf("publish", *files, large)
    assert sorted(sent) == sorted([large.name, *(" ".join(each.name for each in files[at : at + 2]) for at in (0, 2, 4))])


@pytest.mark.slow
def test_over_an_older_server_a_session_is_canceled_all_the_same(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no way to find one."""
    file, methods = make_wheel(tmp_path), SessionApi._methods
    monkeypatch.setattr(
        SessionApi,
        "_methods",
        lambda self, parts: {k: v for k, v in (methods(self, parts) or {}).items() if (parts, k) != ([""], "GET")},
    )
    for staged in (False, True):
        if staged:
            world.wharf("publish", "--stage", file)
        said = world.wharf("publish", "--cancel", "--json", file).document
        assert said["canceled"] == ([{"project": "demo", "version": "1.0"}] if staged else [])
        assert not [each for each in sessions(world) if each.live]


@pytest.mark.slow
def test_a_session_with_files_of_somebody_else_is_not_published_by_the_way(world: World, tmp_path: Path) -> None:
    mine, other = make_wheel(tmp_path), make_sdist(tmp_path)
    world.wharf("publish", "--stage", other)
    said = world.wharf("publish", "--json", mine, code=5).document["error"]
    assert other.name in said["message"]
    assert "--cancel" in said["hint"]
    assert len(world.wharf("publish", "--json", mine, other).document["published"]) == 2


@pytest.mark.slow
def test_a_release_can_be_tried_at_its_stage_before_it_is_published(world: World, tmp_path: Path) -> None:
    files = [make_wheel(tmp_path), make_wheel(tmp_path, "other")]
    said = world.wharf("publish", "--stage", "--json", *files).document
    assert said["commit"] is None
    assert [(each["project"], each["version"]) for each in said["staged"]] == [("demo", "1.0"), ("other", "1.0")]
    stage_of_demo = said["staged"][0]["stage"]
    assert urlsplit(stage_of_demo).netloc == urlsplit(world.url).netloc
    assert files[0].name in httpx.get(f"{stage_of_demo}demo/").text
    assert world.wharf("list", "--json").document == {"projects": []}
    told = world.wharf("publish", "--stage", *files)
    assert stage_of_demo in told.out
    assert "The same command without --stage publishes that." in told.err
    assert "demo 1.0 is staged already: this continues there." in told.err
    assert world.wharf("publish", "--cancel", "--json", files[1]).document["canceled"] == [
        {"project": "other", "version": "1.0"}
    ]
    assert "Nothing is staged" in world.wharf("publish", "--cancel", files[1]).err
    assert len(sessions(world)) == 2, "the one of demo, and the one that was canceled: to look for one begins none"
    assert [each["filename"] for each in world.wharf("publish", "--json", files[0]).document["published"]] == [files[0].name]
    assert httpx.get(f"{stage_of_demo}demo/").status_code == 404
    assert world.here("publish", "--stage", files[0], code=2).err.count("works over a server only") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("way")
def test_two_publish_one_release_at_once_and_it_is_published_once(world: World, tmp_path: Path) -> None:
    files = [make_wheel(tmp_path, content=f"{'x' * 100_000}"), make_sdist(tmp_path)]
    both = threading.Barrier(2)
    quiet = Notices(warn=lambda _t: None, wait=lambda _why, _s: None, note=lambda _t: None)
    settings = ServerSettings(address=parse_server(world.url, "a test"), source="a test")
    token = {"WHARF_TOKEN": world.token("both")}

    def publish() -> int:
        with open_server(settings, token, quiet) as index:
            plan = plan_for_server(index, [Input.of(path) for path in files], strict=False, skip_existing=False)
            both.wait(60)
            begun = begin_sessions(index, plan, lambda _text: None)
            send_files(index, begun, Progress())
            publish_staged(index, begun)
        return len(plan.changed)

    with ThreadPoolExecutor(2) as pool:
        done = [each.result(60) for each in [pool.submit(publish), pool.submit(publish)]]
    assert done == [2, 2]
    assert len(log_of(world)) == 1
    (entry,) = world.wharf("list", "--json").document["projects"]
    assert entry == {"name": "demo", "versions": ["1.0"]}


@pytest.mark.slow
def test_a_file_that_another_publisher_is_sending_is_not_taken_from_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_wheel(tmp_path)
    data = file.read_bytes()
    quiet = Notices(warn=lambda _t: None, wait=lambda _why, _s: None, note=lambda _t: None)
    settings = ServerSettings(address=parse_server(world.url, "a test"), source="a test")
    with open_server(settings, {"WHARF_TOKEN": world.token("other")}, quiet) as index:
        other = ServerSessions(index)
        upload = other.announce(other.begin("demo", "1.0"), file.name, len(data), hashlib.sha256(data).hexdigest())
        looks: list[str] = []

        def pause(_client: ServerClient, reason: str, _seconds: float, *, tell: bool) -> None:
            del tell
            looks.append(reason)
            if len(looks) == 2:
                other.send(upload, len(data), lambda: iter([data]))

        monkeypatch.setattr(ServerClient, "pause", pause)
        said = world.wharf("publish", "--json", file).document
    assert looks == ["another publisher may be sending a file"] * 2
    assert [each["filename"] for each in said["published"]] == [file.name]


@pytest.mark.slow
def test_more_releases_than_a_server_stages_are_told_before_the_first(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_to_server, "MOST_SESSIONS", 1)
    said = world.wharf("publish", "--json", make_wheel(tmp_path), make_wheel(tmp_path, "other"), code=2).document["error"]
    assert said["hint"] == "Publish them in parts."
    assert not sessions(world)


@pytest.mark.slow
@pytest.mark.usefixtures("way")
def test_a_file_that_changes_while_it_is_sent_is_not_published(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_wheel(tmp_path)
    begin = ServerSessions.begin

    def changed(self: ServerSessions, project: str, version: str) -> Any:
        file.write_bytes(file.read_bytes() + b"more")
        return begin(self, project, version)

    monkeypatch.setattr(ServerSessions, "begin", changed)
    said = world.wharf("publish", "--json", file, code=StorageError.exit_code).document["error"]
    assert "changed while it was sent" in said["message"]
    assert log_of(world) == []
