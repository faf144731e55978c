"""The server over GitHub under hostile clients and on failing disks: what is bounded, what heals, what is never left out."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import hmac
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from tests.index.test_branch import edit_by_hand, git
from tests.matrix import first
from tests.server.over_github import JSON, SECRET, World, address
from tests.server.running import soon
from tests.simulator import storage
from wharf.secret import Secret
from wharf.server.files import download_cache, signed_links
from wharf.server.http.protocol import HEAD_LIMIT, PIPELINED
from wharf.server.refresh import refresher, repository_visibility

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = "/simple/demo/"


def objects(world: World) -> dict[str, Path]:
    """The loose objects of the server's clone, by their git id."""
    found = (world.root / "server" / "cache").rglob("objects/??/*")
    return {path.parent.name + path.name: path for path in found}


def spoil(path: Path, how: str) -> None:
    path.chmod(0o644)
    if how == "gone":
        path.unlink()
    else:
        os.truncate(path, {"cut off": 20, "empty": 0}[how])


# A clone that is damaged


@pytest.mark.slow
@pytest.mark.parametrize("what", first(2, ["release.json", "project", "version"]))
@pytest.mark.parametrize("how", first(1, ["cut off", "gone", "empty"]))
def test_what_is_damaged_in_the_clone_is_never_left_out_and_comes_again(
    world: World, monkeypatch: pytest.MonkeyPatch, what: str, how: str
) -> None:
    monkeypatch.setattr(refresher, "SOONEST", 0.0)
    path = {"release.json": "demo/1.0/release.json", "version": "demo/1.0", "project": "demo"}[what]
    with world.serving() as client:
        spoil(objects(world)[git(world.root, "rev-parse", f"wharf/main:projects/de/{path}").strip()], how)
        seen = []

        def whole() -> bool:
            answer = client.get(PAGE, headers=JSON)
            seen.append(answer.status_code)
            if answer.status_code == 200:
                assert len(answer.json()["files"]) == 1
            elif len(seen) == 1:
                assert client.get("/healthz").json()["status"] == "stale" or client.get(PAGE).status_code == 200
            return answer.status_code == 200

        soon(whole)
        assert set(seen) <= {200, 503}
        assert seen[0] == 503
        soon(lambda: client.get("/healthz").json()["status"] == "ok")
        assert client.get(address(world.wheel())).status_code == 302


@pytest.mark.slow
def test_a_server_begins_with_a_damaged_clone_also_while_github_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.02)
    monkeypatch.setattr(refresher, "SOONEST", 0.0)
    with world.serving():
        shard = git(world.root, "rev-parse", "wharf/main:projects/de").strip()
    spoil(objects(world)[shard], "empty")
    world.hub.down = True
    with world.serving(by_github=False, open_reading=True, wait=False) as client:
        assert client.get(PAGE).status_code == 503
        assert client.get("/healthz").json()["status"] == "stale"
        world.hub.down = False
        soon(lambda: client.get(PAGE).status_code == 200)
        soon(lambda: client.get("/healthz").json()["status"] == "ok")


@pytest.mark.slow
def test_a_server_begins_with_a_broken_index_and_shows_it_when_it_is_mended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.02)
    whole = git(world.root, "rev-parse", "wharf/main")
    edit_by_hand(world.root, "wharf.toml", b"format = 99\n")
    with world.serving(wait=False) as client:
        assert client.get(PAGE).status_code == 503
        assert client.get("/healthz").json()["status"] == "stale"
        git(world.root, "update-ref", "refs/heads/wharf/main", whole)
        soon(lambda: client.get(PAGE).status_code == 200)


@pytest.mark.slow
def test_a_clone_that_cannot_be_mended_is_not_fetched_over_and_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.02)
    monkeypatch.setattr(refresher, "SOONEST", 0.0)
    id_ = git(world.root, "rev-parse", "wharf/main:projects/de/demo").strip()
    with world.serving() as client:
        end = time.monotonic() + 1
        world.hub.calls.clear()
        while time.monotonic() < end or not world.hub.count("git"):  # a disk that spoils it again and again
            assert time.monotonic() < end + 20
            for path in [path for found, path in objects(world).items() if found == id_]:
                with contextlib.suppress(FileNotFoundError):
                    spoil(path, "empty")
            client.get(PAGE)
        assert 0 < world.hub.count("git") <= 4


# Repositories that change


@pytest.mark.slow
def test_reading_that_is_open_because_the_repository_is_public_ends_with_that(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.02)
    world.repo.private = False
    link = address(world.wheel())
    with world.serving(by_github=False, open_reading=True, while_public=True) as client:
        for path, status in ((PAGE, 200), (link, 302), ("/", 200)):
            assert client.get(path, auth=None).status_code == status
        assert "/releases/download/" in client.get(link, auth=None).headers["location"]
        assert "private" in client.get(PAGE, auth=None).headers["cache-control"]
        world.repo.private = True
        world.hub.clock.forward(repository_visibility.LOOK_EVERY + 1)
        soon(lambda: client.get(PAGE, auth=None).status_code == 401)
        assert {client.get(path, auth=None).status_code for path in (link, "/", "/simple/")} == {401}
        assert (client.get(PAGE).status_code, client.get(link).status_code) == (200, 302)  # bob may read it
        world.repo.private = False
        world.hub.clock.forward(repository_visibility.LOOK_EVERY + 1)
        soon(lambda: client.get(PAGE, auth=None).status_code == 200)


@pytest.mark.slow
def test_a_server_without_a_token_closes_when_its_public_repository_is_not_shown_any_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.02)
    world.hub.limits.anonymous = 10_000
    world.repo.private = False
    with world.serving(None, by_github=False, open_reading=True, while_public=True) as client:
        assert client.get(PAGE, auth=None).status_code == 200
        world.repo.private = True
        soon(lambda: client.get(PAGE, auth=None).status_code == 401)
        assert client.get(PAGE).status_code == 200


# Questions to GitHub


@pytest.mark.parametrize("stream", [False, True])
def test_an_asset_that_is_gone_is_not_asked_for_by_each_client(world: World, stream: bool) -> None:
    for release in world.repo.releases:
        release.assets.clear()
    with world.serving(stream=stream) as client:
        assert {client.get(address(world.wheel())).status_code for _ in range(5)} == {503}
        assert world.asked() == 1
        world.hub.clock.forward(61)
        assert client.get(address(world.wheel())).status_code == 503
        assert world.asked() == 2


def test_clients_are_not_sent_to_an_address_of_another_scheme(world: World) -> None:
    world.hub.storage_url = "https://elsewhere.example"  # here it is http, and elsewhere the other way round
    with world.serving() as client:
        answer = client.get(address(world.wheel()))
        assert (answer.status_code, "location" in answer.headers) == (503, False)


@pytest.mark.parametrize(
    ("query", "life"),
    [
        ("", 300), ("se=2026-01-01T00%3A01%3A00Z", 60), ("se=2026-01-01T09%3A00%3A00Z", 300), ("se=1767225700", 100),
        ("Expires=1767225690&Signature=x", 90), ("X-Amz-Date=20260101T000000Z&X-Amz-Expires=40", 40), ("se=2025-12-31", -86400),
        ("se=soon&Expires=99999999999999999999&X-Amz-Expires=x", 300),
    ],
)  # fmt: skip
def test_an_address_says_itself_how_long_it_lives(query: str, life: float) -> None:
    assert signed_links.life_of(f"https://storage.example/a?{query}", datetime(2026, 1, 1, tzinfo=UTC)) == life


@pytest.mark.usefixtures("still")
def test_an_address_that_lives_for_less_is_given_out_for_less(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "LIFETIME", 60)
    link = address(world.wheel())
    with world.serving() as client:
        first = client.get(link).headers["location"]
        world.hub.clock.forward(20)
        assert client.get(link).headers["location"] == first
        world.hub.clock.forward(15)
        second = client.get(link).headers["location"]
        assert (second != first, httpx.get(second).status_code) == (True, 200)


@pytest.mark.slow
def test_messages_that_come_in_a_storm_are_one_question_now_and_then(world: World) -> None:
    body = b"{}"
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Event": "push"}
    with world.serving(webhook=Secret(SECRET)) as client:
        world.hub.calls.clear()
        begun = time.monotonic()
        for _ in range(100):
            assert client.post("/-/webhook/github", content=body, headers=headers).status_code == 202
        soon(lambda: world.asked("/git/matching-refs/") > 0)
        assert world.asked("/git/matching-refs/") <= 1 + (time.monotonic() - begun) / refresher.SOONEST


@pytest.mark.slow
def test_files_that_wait_for_github_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_cache, "WAITING", 3)
    wheels = [world.wheel(f"p{number}") for number in range(5)]
    world.put(*wheels)
    later = threading.Event()
    with world.serving(stream=True) as client:
        for wheel in wheels:
            assert client.get(address(wheel) + ".metadata").status_code == 200
        monkeypatch.setattr(world.hub.faults, "run_before", lambda line: "/release-assets/" in line and later.wait(60))
        try:
            with ThreadPoolExecutor(3) as pool:
                first = [pool.submit(client.get, address(wheel)) for wheel in wheels[:3]]
                soon(lambda: len(list((world.root / "files").rglob("*.part"))) == 3)
                for wheel in wheels[3:]:
                    answer = client.get(address(wheel))
                    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
                later.set()
                assert {each.result().status_code for each in first} == {200}
        finally:
            later.set()
        assert client.get(address(wheels[3])).status_code == 200
        folder = next((world.root / "files").rglob("pkgs"))
        assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_a_file_that_came_and_is_not_on_the_disk_yet_takes_no_place(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_cache, "WAITING", 1)
    wheels = [world.wheel(f"p{number}") for number in range(3)]
    world.put(*wheels)
    synced, sync = threading.Event(), os.fsync

    def slow_disk(handle: int) -> None:
        assert synced.wait(60)
        sync(handle)

    with world.serving(stream=True) as client:
        monkeypatch.setattr(os, "fsync", slow_disk)
        try:
            assert [client.get(address(wheel)).status_code for wheel in wheels] == [200, 200, 200]
        finally:
            synced.set()


@pytest.mark.slow
def test_a_file_too_large_for_the_cache_is_on_the_disk_once_however_many_read_it(world: World) -> None:
    large = world.wheel("large", content=os.urandom(4_000_000).hex())
    world.put(large)
    with world.serving(stream=True, cache_budget=1000) as client, contextlib.ExitStack() as slow:
        assert client.get("/simple/large/").status_code == 200
        for _ in range(4):
            slow.enter_context(client.stream("GET", address(large)))
            soon(lambda: not list((world.root / "files").rglob("*.part")))
        assert world.hub.count("storage") == 1


# Uploads


@pytest.mark.slow
def test_a_full_disk_refuses_an_upload_for_the_time_being(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_folder: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    fresh = world.wheel("fresh")
    form: dict[str, Any] = {
        "data": {":action": "file_upload", "protocol_version": "1"},
        "files": {"content": (fresh.name, fresh.read_bytes())},
    }
    with world.serving() as client:
        with monkeypatch.context() as broken:
            broken.setattr("wharf.system.unnamed_file.make", full)
            answer = client.post("/legacy/", auth=("x", world.alice), **form)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert client.post("/legacy/", auth=("x", world.alice), **form).status_code == 200


# Real processes


@contextlib.contextmanager
def command(world: World, token: str | None, *words: str, **env: str) -> Iterator[tuple[httpx.Client, subprocess.Popen[str]]]:
    home = world.root / "home"
    home.mkdir(exist_ok=True)
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "WHARF_REPO": f"{world.hub.url}/acme/pkgs", **env}
    env |= {} if token is None else {"WHARF_TOKEN": token}
    process = subprocess.Popen(
        [sys.executable, "-m", "wharf", "serve", "--port", "0", "--json", *words],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        with httpx.Client(base_url=json.loads(process.stdout.readline())["url"], auth=("x", world.bob), timeout=60) as client:
            yield client, process
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("weather", ["away", "401", "no quota"])
def test_a_server_without_a_token_begins_in_any_weather(world: World, weather: str) -> None:
    with command(world, None) as (client, _):
        assert client.get(PAGE).status_code == 200
    if weather == "away":
        world.hub.down = True
    elif weather == "no quota":
        world.hub.limits.anonymous = 0
    else:  # as an Enterprise Server answers that shows nothing without a token
        world.hub.fault("GET /api/v3/repos/acme/pkgs$", weather)
    with command(world, None) as (client, _):
        assert client.get(PAGE, auth=None).status_code == 401
        world.hub.down = False
        soon(lambda: client.get(PAGE).status_code == 200)


@pytest.mark.slow
def test_by_itself_a_server_is_open_for_as_long_as_its_repository(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = (
        "from wharf.server.refresh import refresher, repository_visibility\n"
        "repository_visibility.LOOK_EVERY = refresher.ASK_EVERY = 0.1\n"
    )
    monkeypatch.setattr(sys, "executable", str(_python(world.root, f"{quick}from wharf.cli.main import main\nmain()")))
    world.repo.private = False
    with command(world, world.robot) as (client, _), command(world, world.robot, "--auth", "public") as (meant, _):
        assert {each.get(PAGE, auth=None).status_code for each in (client, meant)} == {200}
        world.repo.private = True
        soon(lambda: client.get(PAGE, auth=None).status_code == 401)
        assert client.get(PAGE).status_code == 200
        assert meant.get(PAGE, auth=None).status_code == 200


@pytest.mark.slow
def test_a_server_does_not_wait_for_a_github_that_hangs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with command(world, world.robot, "--auth", "public") as (client, _):
        assert client.get(PAGE).status_code == 200
    later = threading.Event()
    monkeypatch.setattr(world.hub.faults, "run_before", lambda _line: later.wait(60))
    code = "import wharf.server.startup_check as look\nlook.PATIENCE = 0.5\nfrom wharf.cli.main import main\nmain()"
    monkeypatch.setattr(sys, "executable", str(_python(world.root, code)))
    try:
        with command(world, world.robot, "--auth", "public") as (client, _):
            assert client.get(PAGE).status_code == 200
            assert client.get("/healthz").json() == {"status": "stale"}
    finally:
        later.set()


def _python(root: Path, code: str) -> Path:
    """A Python that runs this instead of the module that it is told to."""
    path = root / "python"
    path.write_text(f"#!{sys.executable}\nimport sys\ndel sys.argv[1:3]\n{code}\n")
    path.chmod(0o755)
    return path


@pytest.mark.slow
def test_heads_and_queues_of_requests_are_bounded(world: World) -> None:
    with command(world, world.robot) as (client, process):
        assert client.get(PAGE).status_code == 200
        where = urlsplit(str(client.base_url))

        def sent(begin: bytes, piece: bytes, most: int) -> int:
            """How many bytes are taken of what never ends."""
            with socket.create_connection((where.hostname, where.port or 0), timeout=60) as raw:
                raw.sendall(begin)
                count = 0
                with contextlib.suppress(ConnectionError):
                    while count < most:
                        # Answers are not read: whoever closes the connection with them unsent resets it.
                        assert select.select([], [raw], [], 60)[1]
                        count += raw.send(piece)
                return count

        line = b"GET /simple/ HTTP/1.1\r\nHost: x\r\n"
        chunked = b"POST /simple/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        most = 32 << 20
        for begin, piece in (
            (b"GET /", b"a" * 65536),
            (line + b"X: ", b"a" * 65536),
            (line, b"X: y\r\n" * 10000),
            (chunked, b"X: y\r\n" * 10000),
            (b"", (line + b"\r\n") * 1000),
        ):
            assert sent(begin, piece, most) < most, begin
        assert client.get(PAGE).status_code == 200
        with socket.create_connection((where.hostname, where.port or 0), timeout=60) as raw:
            raw.sendall(line + b"X: " + b"a" * (HEAD_LIMIT - 1000) + b"\r\n\r\n")
            assert raw.recv(12) == b"HTTP/1.1 401"  # what is within the bounds is answered
        with socket.create_connection((where.hostname, where.port or 0), timeout=60) as raw:
            raw.sendall((line + b"\r\n") * PIPELINED)
            got = b""
            while got.count(b"HTTP/1.1 401") < PIPELINED:
                got += raw.recv(65536)
        process.terminate()
        assert process.wait(60) == 0


# What GitHub says of the repository itself


@pytest.mark.slow
@pytest.mark.parametrize("as_form", [False, True])
def test_a_repository_that_is_made_private_closes_at_once_by_webhook(world: World, as_form: bool) -> None:
    world.repo.private = False
    link = address(world.wheel())
    with world.serving(by_github=False, open_reading=True, while_public=True, webhook=Secret(SECRET)) as client:
        assert client.get(PAGE, auth=None).status_code == 200

        def tell(action: str, name: str = "Acme/pkgs") -> None:
            body = json.dumps({"action": action, "repository": {"full_name": name}}).encode()
            kind = "application/json"
            if as_form:
                body, kind = b"payload=" + quote(body).encode(), "application/x-www-form-urlencoded"
            digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
            headers = {"X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Event": "repository", "Content-Type": kind}
            assert client.post("/-/webhook/github", content=body, headers=headers).status_code == 202

        tell("privatized", "acme/other")
        tell("edited")
        assert client.get(PAGE, auth=None).status_code == 200
        tell("privatized")  # GitHub itself may go on saying for a moment that it is public
        assert {client.get(path, auth=None).status_code for path in (PAGE, link, "/")} == {401}
        assert client.get(PAGE).status_code == 200
        tell("publicized")
        soon(lambda: client.get(PAGE, auth=None).status_code == 200)


@pytest.mark.slow
def test_the_return_of_github_is_told(world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.02)
    with world.serving(by_github=False, open_reading=True) as client:
        world.hub.down = True
        soon(lambda: client.get("/healthz").json()["status"] == "stale")
        world.hub.down = False
        soon(lambda: "GitHub answers again. The index is up to date." in caplog.messages)
