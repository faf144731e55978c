"""The server over a repository on GitHub: files, the index that follows GitHub's, and bad weather; over real HTTP."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import hmac
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx
import pytest

from tests.index.test_branch import edit_by_hand, git
from tests.makers import make_wheel
from tests.matrix import first
from tests.server.over_github import BIN, JSON, SECRET, World, address, at_once, handles
from tests.server.running import soon
from tests.simulator import server as simulator_server
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.secret import Secret
from wharf.server.logs.operator_log import RefusalLog
from wharf.server.refresh import refresher, repository_visibility
from wharf.server.web.webhook import WEBHOOK_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator


# Files


@pytest.mark.slow
def test_many_downloads_cost_one_question(world: World) -> None:
    wheel = world.wheel()
    with world.serving() as client:
        page = client.get("/simple/demo/", headers=JSON)
        link = urljoin(str(page.url), page.json()["files"][0]["url"])
        assert page.headers["cache-control"] == "private, no-cache"
        assert client.get(link + ".metadata").status_code == 200
        world.hub.latency = 0.05
        answers = at_once(30, lambda: client.get(link))
        world.hub.latency = 0.0
        assert {answer.status_code for answer in answers} == {302}
        assert len({answer.headers["location"] for answer in answers}) == 1
        assert world.asked() == 1
        head = client.head(link)
        assert (head.status_code, head.headers["location"]) == (302, answers[0].headers["location"])
        assert {each.headers["cache-control"] for each in (*answers, head)} == {"no-store"}
        etag = f'"{hashlib.sha256(wheel.read_bytes()).hexdigest()}"'
        got = client.get(link, headers={"If-None-Match": etag})
        assert (got.status_code, got.headers["etag"]) == (304, etag)
        assert client.get(link, headers={"If-None-Match": '"other"'}).status_code == 302
        assert client.get(link, follow_redirects=True).content == wheel.read_bytes()
        assert world.asked() == 1
        assert client.get(link, auth=("x", "wrong")).status_code == 401
        assert client.post(link).status_code == 405
        assert client.get(link.replace("demo-1.0", "demo-1.1")).status_code == 404
    assert [call.headers.get("authorization") for call in world.hub.calls if call.kind == "storage"] == [None]
    assert {call.login for call in world.hub.calls if "/assets/" in call.path} == {"robot"}


def test_a_304_needs_no_question(world: World) -> None:
    wheel = world.wheel()
    etag = f'"{hashlib.sha256(wheel.read_bytes()).hexdigest()}"'
    with world.serving() as client:
        for _ in range(2):
            assert client.get(address(wheel), headers={"If-None-Match": etag}).status_code == 304
    assert world.asked() == 0


@pytest.mark.usefixtures("still")
def test_a_signed_address_is_given_out_until_shortly_before_its_end(world: World) -> None:
    link = address(world.wheel())
    with world.serving() as client:
        first = client.get(link).headers["location"]
        world.hub.clock.forward(265)
        assert client.get(link).headers["location"] == first
        assert httpx.get(first).status_code == 200
        world.hub.clock.forward(10)
        second = client.get(link).headers["location"]
        assert second != first
        world.hub.clock.forward(265)
        assert (httpx.get(second).status_code, httpx.get(first).status_code) == (200, 403)
        assert world.asked() == 2


def test_bytes_that_github_gives_itself_are_passed_through_and_kept(world: World) -> None:
    wheel = world.wheel()
    world.hub.fault(r"GET .*/releases/assets/\d+$", "redirect200", times=9)
    with world.serving() as client:
        assert client.head(address(wheel)).headers["content-length"] == str(wheel.stat().st_size)
        for _ in range(3):
            answer = client.get(address(wheel))
            assert (answer.status_code, answer.content) == (200, wheel.read_bytes())
        assert world.asked() == 2  # where it is, and the bytes
    assert world.hub.count("storage") == 0


@pytest.mark.slow
def test_files_of_a_public_repository_are_fetched_from_its_public_address(world: World) -> None:
    wheel = world.wheel()
    world.repo.private = False
    with world.serving(None, by_github=False, open_reading=True) as client:
        answer = client.get(address(wheel), auth=None)
        assert (answer.status_code, answer.headers["cache-control"]) == (302, "no-store")
        assert answer.headers["location"] == f"{world.hub.url}/acme/pkgs/releases/download/demo-1.0/{wheel.name}"
        assert client.get(address(wheel), auth=None, follow_redirects=True).content == wheel.read_bytes()
        assert world.asked() == 0


def test_a_repository_that_is_made_private_has_no_public_addresses_any_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.02)
    link = address(world.wheel())
    world.repo.private = False
    with world.serving() as client:
        assert "/releases/download/" in client.get(link).headers["location"]
        world.repo.private = True
        world.hub.clock.forward(repository_visibility.LOOK_EVERY + 1)
        soon(lambda: "sig=" in client.get(link).headers.get("location", ""))


@pytest.mark.slow
@pytest.mark.usefixtures("still")
def test_github_that_fails_is_let_alone_for_a_moment(world: World) -> None:
    other = world.wheel("other")
    world.put(other)
    with world.serving() as client:
        assert client.get("/simple/other/").status_code == 200
        world.hub.fault("GET .*/releases/assets/", "502", times=4)
        for path in (world.wheel(), other, other):
            answer = client.get(address(path))
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert world.asked() == 4  # tries of the first question
        world.hub.clock.forward(6)
        assert client.get(address(other)).status_code == 302


@pytest.mark.slow
def test_an_asset_that_is_gone_holds_up_no_other_file(world: World) -> None:
    other = world.wheel("other")
    world.put(other)
    release = next(release for release in world.repo.releases if release.tag_name == "other-1.0")
    release.assets.clear()
    with world.serving() as client:
        assert client.get(address(other)).status_code == 503
        assert client.get(address(world.wheel())).status_code == 302


def test_a_quota_that_is_used_up_is_told_with_its_end(world: World) -> None:
    link = address(world.wheel())
    with world.serving() as client:
        assert client.get("/simple/demo/").status_code == 200
        world.hub.limits.primary = 0
        answer = client.get(link)
        assert answer.status_code == 503
        assert 5 < int(answer.headers["retry-after"]) <= 3602
        world.hub.calls.clear()
        assert client.get(link).status_code == 503
        assert world.hub.calls == []
        assert client.get("/simple/demo/").status_code == 200
        world.hub.limits.primary = 5000
        world.hub.clock.forward(3605)
        assert client.get(link).status_code == 302


# Passing through


@pytest.mark.slow
def test_a_streamed_file_is_whole_in_parts_and_from_the_cache_after_a_restart(world: World) -> None:
    made = world.wheel("big", content=os.urandom(300_000).hex())
    world.put(made)
    link, data = address(made), made.read_bytes()
    with world.serving(stream=True) as client:
        head = client.head(link)
        assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(data)), b"")
        assert world.asked() == 0
        first = client.get(link, headers={"Range": "bytes=1-2"})  # while it comes, it comes whole
        assert (first.status_code, first.content) == (200, data)
        assert first.headers["cache-control"] == "private, max-age=31536000, immutable"
        part = client.get(link, headers={"Range": "bytes=100-199"})
        assert (part.status_code, part.content, part.headers["content-range"]) == (
            206, data[100:200], f"bytes 100-199/{len(data)}",
        )  # fmt: skip
        assert client.get(link, headers={"Range": "bytes=-7"}).content == data[-7:]
        assert client.get(link).content == data
        assert world.asked() == world.hub.count("storage") == 1
    world.hub.storage_down = True
    with world.serving(stream=True) as client:
        assert client.get(link).content == data
        cached = world.root / "files" / world.hub.host / "acme" / "pkgs" / hashlib.sha256(data).hexdigest()
        os.truncate(cached, 10)  # as a crash of the machine can do it
        world.hub.storage_down = False
        assert client.get(link).content == data
    assert {call.headers.get("authorization") for call in world.hub.calls if call.kind == "storage"} == {None}


@pytest.mark.slow
def test_readers_of_a_slow_download_share_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = world.wheel("big", content=os.urandom(800_000).hex())
    world.put(made)
    go_on, pieces = threading.Event(), itertools.count()

    def pause(_seconds: float) -> None:
        """Between two of twenty pieces: half of them come, the others when they are told to."""
        if next(pieces) > 10:
            go_on.wait(60)

    with world.serving(stream=True) as client:
        assert client.get("/simple/").status_code == 200
        world.hub.fault(r"GET /release-assets/", "slow")
        monkeypatch.setattr(simulator_server, "time", SimpleNamespace(sleep=pause))
        with ThreadPoolExecutor(5) as pool, client.stream("GET", address(made)) as early:
            assert len(next(early.iter_raw())) < made.stat().st_size
            readers = [pool.submit(client.get, address(made)) for _ in range(5)]
            go_on.set()
            assert [reader.result().content for reader in readers] == [made.read_bytes()] * 5
    assert world.asked() == world.hub.count("storage") == 1


@pytest.mark.slow
@pytest.mark.parametrize("change", first(2, ["other bytes", "cut off", "shorter", "longer"]))
def test_nobody_gets_the_last_byte_of_a_wrong_file(world: World, change: str) -> None:
    made = world.wheel("big", content=os.urandom(200_000).hex())
    world.put(made)
    data = made.read_bytes()
    asset = next(asset for release in world.repo.releases for asset in release.assets if asset.name == made.name)
    wrong = {"other bytes": data[:-1] + bytes([data[-1] ^ 1]), "shorter": data[:-1], "longer": data + b"x"}
    asset.data.write_bytes(wrong.get(change, data))
    with world.serving(stream=True) as client:
        if change == "cut off":
            world.hub.fault("GET /release-assets/", "short")
        got = b""
        with contextlib.suppress(httpx.RemoteProtocolError), client.stream("GET", address(made)) as answer:
            for chunk in answer.iter_raw():
                got += chunk
            assert answer.status_code == 503
            got = b""
        assert len(got) < len(data)
        soon(lambda: not any(path.is_file() for path in (world.root / "files").rglob("*")))
        asset.data.write_bytes(data)
        assert client.get(address(made)).status_code == 503  # not each try of a client is a download
        assert world.hub.count("storage") == 1
        world.hub.clock.forward(61)
        assert client.get(address(made)).content == data


@pytest.mark.slow
def test_the_cache_is_bounded_and_what_is_used_stays(world: World) -> None:
    made = [world.wheel(f"p{number}", content=os.urandom(20_000).hex()) for number in range(4)]
    large = world.wheel("large", content=os.urandom(90_000).hex())
    world.put(*made, large)
    size = made[0].stat().st_size
    folder = world.root / "files"
    with world.serving(stream=True, cache_budget=2 * size + 2000) as client:
        dead = folder / "there is none yet"

        def cached() -> set[str]:
            return {path.name for path in folder.rglob("*") if path.is_file()}

        def get(path: Path) -> None:
            assert client.get(address(path)).content == path.read_bytes()
            soon(lambda: not any(name.endswith(".part") for name in cached() if name != dead.name))

        get(made[0])
        mine = next(path.parent for path in folder.rglob("*") if path.is_file())
        dead, foreign = mine / f"{'0' * 64}.0123abcd.part", mine / "notes"
        for path in (dead, foreign):
            path.write_bytes(b"left")
            os.utime(path, (1, 1))
        get(made[1])
        os.utime(mine / address(made[0]).split("/")[2], (4, 4))
        os.utime(mine / address(made[1]).split("/")[2], (5, 5))
        get(made[0])
        get(made[2])
        assert cached() == {"notes", *(address(each).split("/")[2] for each in (made[0], made[2]))}
        get(large)
        get(large)
        assert cached() == {"notes", *(address(each).split("/")[2] for each in (made[0], made[2]))}
        soon(lambda: str(mine) not in handles())
    assert sum(path.stat().st_size for path in mine.iterdir()) < 2 * size + 2000
    assert world.asked() in {4, 5}  # who asks while the large one is still read shares it


def test_a_full_disk_is_told_and_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def full(handle: int, data: bytes) -> int:
        if threading.current_thread().name.startswith("download"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, data)

    link = address(world.wheel())
    with world.serving(stream=True) as client:
        monkeypatch.setattr(os, "write", full)
        answer = client.get(link)
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
        assert answer.text == "The server cannot write to its disk. The server's log says where.\n"
        soon(lambda: not any(path.is_file() for path in (world.root / "files").rglob("*")))
        monkeypatch.setattr(os, "write", write)
        world.hub.clock.forward(6)
        assert client.get(link).status_code == 200
        soon(
            lambda: any(path.name in link for path in (world.root / "files").rglob("*"))
        )  # it is kept after its last byte was sent
        for path in (world.root / "files").rglob("*"):
            if path.is_file():
                path.unlink()
        shutil.rmtree(world.root / "files")
        (world.root / "files").write_text("in the way")
        assert client.get(link).status_code == 503


def test_storage_that_is_down_is_told(world: World) -> None:
    link = address(world.wheel())
    world.hub.storage_down = True
    with world.serving(stream=True) as client:
        answer = client.get(link)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.text.startswith("GitHub cannot be reached")
        world.hub.storage_down = False
        world.hub.clock.forward(6)
        assert client.get(link).status_code == 200


# The index


@pytest.mark.slow
def test_what_others_push_appears_by_itself_and_looking_is_free(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.02)
    with world.serving() as client:
        world.hub.calls.clear()
        soon(lambda: world.asked("/git/matching-refs/") > 9)
        seen = [call.status for call in list(world.hub.calls)]
        assert set(seen) == {304}
        assert client.get("/simple/late/").status_code == 404
        world.put(world.wheel("late"))
        soon(lambda: client.get("/simple/late/").status_code == 200)
        assert client.get(address(world.wheel("late"))).status_code == 302


@pytest.mark.slow
def test_a_webhook_brings_it_at_once_and_only_a_signed_one_counts(world: World) -> None:
    def sign(body: bytes, secret: str = SECRET) -> dict[str, str]:
        digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return {"X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Event": "push"}

    with world.serving(webhook=Secret(SECRET)) as client:
        url = "/-/webhook/github"
        assert client.post(url, content=b"{}").status_code == 403
        assert client.post(url, content=b"{}", headers=sign(b"{}", "wrong")).status_code == 403
        assert client.post(url, content=b"{} ", headers=sign(b"{}")).status_code == 403
        assert client.get(url).status_code == 405
        with contextlib.suppress(httpx.WriteError, httpx.ReadError):
            large = iter([bytes(WEBHOOK_LIMIT + 1)])
            assert client.post(url, content=large, headers=sign(b"")).status_code == 413
        with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as raw:
            raw.sendall(f"POST {url} HTTP/1.1\r\nHost: x\r\nContent-Length: {WEBHOOK_LIMIT + 1}\r\n\r\n".encode())
            assert raw.recv(100).startswith(b"HTTP/1.1 413 ")  # not a byte of it is waited for
        world.hub.calls.clear()
        assert client.post(url, content=b"{}", headers={**sign(b"{}"), "X-GitHub-Event": "ping"}).status_code == 202
        assert {client.get("/healthz").status_code for _ in range(20)} == {200}  # it has the time to ask
        assert world.asked("/git/matching-refs/") == 0
        other = b'{"ref": "refs/tags/demo-1.0"}'
        assert client.post(url, content=other, headers=sign(other)).status_code == 202
        assert {client.get("/healthz").status_code for _ in range(20)} == {200}
        assert world.asked("/git/matching-refs/") == 0, (
            "a tag comes before each commit, and would delay the question about that"
        )
        world.hub.webhook(world.repo, f"{client.base_url}{url}", SECRET)
        world.put(world.wheel("late"))
        soon(lambda: client.get("/simple/late/").status_code == 200)
    with world.serving() as client:
        assert client.post(url, content=b"{}", headers=sign(b"{}")).status_code == 404


def test_an_unsigned_message_is_told_to_the_operator(world: World) -> None:
    """It is all that is seen of a secret that GitHub and the server do not share."""
    said: list[str] = []
    with world.serving(webhook=Secret(SECRET), refusals=RefusalLog(said.append)) as client:
        client.post("/-/webhook/github", content=b"{}", headers={"X-Hub-Signature-256": "sha256=00", "X-GitHub-Event": "push"})
    assert said == ["refused: POST /-/webhook/github from 127.0.0.1: 403 The signature is not that of the configured secret."]


@pytest.mark.slow
def test_a_server_starts_from_its_clone_when_github_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.02)
    with world.serving(by_github=False, open_reading=True) as client:
        soon(lambda: client.get("/healthz").json() == {"status": "ok", "seconds_since_github": 0})
    world.hub.down = True
    with world.serving(by_github=False, open_reading=True, wait=False) as client:
        assert client.get("/simple/demo/").status_code == 200
        health = client.get("/healthz")
        assert (health.json(), "acme" in health.text) == ({"status": "stale"}, False)
        world.hub.down = False
        world.put(world.wheel("late"))
        soon(lambda: client.get("/simple/late/").status_code == 200)
        soon(lambda: client.get("/healthz").json()["status"] == "ok")  # which it tells a moment after it shows
        world.hub.down = True
        soon(lambda: client.get("/healthz").json()["status"] == "stale")
        world.hub.clock.forward(3600)
        assert client.get("/simple/demo/").status_code == 200
        assert client.get("/healthz").json()["seconds_since_github"] >= 3600


@pytest.mark.slow
def test_without_a_clone_nothing_is_said_to_be_missing(world: World) -> None:
    world.forget()
    world.hub.down = True
    with world.serving(by_github=False, open_reading=True, wait=False) as client:
        for path in ("/simple/", "/simple/demo/", address(world.wheel())):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


@pytest.mark.slow
def test_a_clone_that_is_thrown_away_comes_again_and_is_no_empty_index(world: World) -> None:
    with world.serving() as client:
        cache = world.root / "server" / "cache"
        for each in list(cache.rglob("whole.git")):
            each.rename(each.with_name("away"))
        end = time.monotonic() + 60
        while not any(cache.rglob("whole.git")):
            assert client.get("/simple/demo/").status_code in {200, 503}
            assert time.monotonic() < end
        soon(lambda: client.get("/simple/demo/").status_code == 200)
        assert client.get("/simple/none/").status_code == 404


def by_hand(world: World, path: str, data: bytes) -> None:
    """A commit on GitHub's side."""
    edit_by_hand(world.root, path, data)


def record_of(world: World, name: str) -> tuple[str, dict[str, Any]]:
    path = next(
        line
        for line in git(world.root, "ls-tree", "-r", "--name-only", "wharf/main").splitlines()
        if f"/{name}/" in line and line.endswith(".json")
    )
    found: dict[str, Any] = json.loads(git(world.root, "show", f"wharf/main:{path}"))
    return path, found


@pytest.mark.slow
def test_a_record_that_does_not_parse_is_left_out_and_named(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.put(world.wheel("demo", "2.0"), world.wheel("other"))
    path, _ = record_of(world, "demo")
    by_hand(world, path, b"{ not a record")
    with world.serving() as client:
        document = client.get("/simple/demo/", headers=JSON).json()
        assert len(document["files"]) == 1
        assert client.get("/simple/other/").status_code == 200
    assert path in caplog.text


@pytest.mark.slow
def test_a_broken_index_leaves_the_last_whole_one_in_its_place(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.02)
    whole = git(world.root, "rev-parse", "wharf/main")
    with world.serving() as client:
        by_hand(world, "wharf.toml", b"format = 99\n")
        soon(lambda: client.get("/healthz").json()["status"] == "stale")
        world.hub.calls.clear()
        soon(lambda: world.asked("/git/matching-refs/") > 9)
        assert client.get("/healthz").json()["status"] == "stale"  # that GitHub answers does not mend it
        assert client.get("/simple/demo/").status_code == 200
        assert caplog.text.count("the index stays as it was") == 1
        git(world.root, "update-ref", "refs/heads/wharf/main", whole)
        soon(lambda: client.get("/healthz").json()["status"] == "ok")


@pytest.mark.slow
def test_a_record_cannot_place_a_file_in_a_repository_that_the_settings_do_not_name(world: World) -> None:
    other = world.hub.create("acme/secrets")
    assert other.private
    for token in (world.robot, world.alice):
        world.hub.tokens[token].rights["acme/secrets"] = "read"
    wheel = world.wheel()
    path, record = record_of(world, "demo")
    for file in record["files"]:
        file["_wharf"]["repository"] = "acme/secrets"
    by_hand(world, path, json.dumps(record).encode())
    with world.serving() as client:
        assert client.get(address(wheel)).status_code == 404
        assert client.get("/simple/demo/").status_code == 200
        assert world.asked() == 0
    with world.serving(repositories=("Acme/Secrets",)) as client:
        assert client.get(address(wheel)).status_code == 503  # asked for there, where it is not
        assert world.asked("/repos/acme/secrets/releases/assets/") >= 1


@pytest.mark.slow
def test_a_repository_that_is_renamed_is_served_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.02)
    with world.serving() as client:
        assert client.get("/simple/demo/").status_code == 200
        world.repo.rename("acme/wheels")
        world.hub.clock.forward(61)
        assert client.get("/simple/demo/").status_code == 200
        assert client.get(address(world.wheel()), follow_redirects=True).status_code == 200
        world.hub.calls.clear()
        soon(lambda: world.asked("/repos/acme/wheels/git/matching-refs/") > 3)
        fresh = make_wheel(world.root / "dist", "fresh")
        with world.open(world.alice, "another") as repository:
            publish(repository, [Input.of(fresh)], actor="alice")
        soon(lambda: client.get("/simple/fresh/").status_code == 200)
        assert client.get(address(fresh), follow_redirects=True).content == fresh.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("change", ["revoked", "no right", "deleted"])
def test_the_servers_own_troubles_are_no_clients_fault(world: World, change: str) -> None:
    with world.serving(by_github=False) as client:
        with world.open(world.robot) as repository:
            token = repository.tokens.create("dev", "publish").reveal()
        client.auth = httpx.BasicAuth("x", token)
        assert client.get("/simple/demo/").status_code == 200
        why = "GitHub does not show this to the server."
        if change == "revoked":
            world.hub.revoke(world.robot)
            why = "GitHub does not let the server's own token do that."
        elif change == "deleted":
            world.repo.delete()
        else:
            world.hub.tokens[world.robot].rights.clear()
        fresh = world.wheel("fresh")
        form: dict[str, Any] = {
            "data": {":action": "file_upload", "protocol_version": "1"},
            "files": {"content": (fresh.name, fresh.read_bytes())},
        }
        for answer in (client.get(address(world.wheel())), client.post("/legacy/", **form)):
            assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
            assert "acme" not in answer.text
            assert answer.text.startswith(why)
        assert client.get("/simple/demo/").status_code == 200


# Real processes


@pytest.mark.slow
def test_what_hangs_does_not_hold_up_the_end() -> None:
    code = """
import asyncio, time
from wharf.server.daemon_threads import DaemonThreads

async def main():
    threads = DaemonThreads("x", 2)
    assert await threads.run(lambda: 5) == 5
    try:
        await threads.run(lambda: 1 // 0)
    except ZeroDivisionError:
        print("raised")
    tasks = [asyncio.create_task(threads.run(lambda: time.sleep(60))) for _ in range(3)]
    await asyncio.wait(tasks, timeout=0.05)
    await asyncio.wait_for(asyncio.to_thread(lambda: print("others go on")), 60)

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "raised\nothers go on\n", "")


@pytest.fixture
def command(world: World) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`wharf serve` as a process with the server's own token in its environment, and its address."""
    home = world.root / "home"
    home.mkdir()
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "WHARF_REPO": f"{world.hub.url}/acme/pkgs",
        "WHARF_TOKEN": world.robot,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "wharf", "-v", "serve", "--port", "0", "--json"],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"], process
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.slow
def test_pip_uv_and_twine_work_and_no_token_is_told(world: World, command: tuple[str, subprocess.Popen[str]]) -> None:
    url, process = command
    home = world.root / "home"
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "NO_PROXY": "127.0.0.1"}
    index = f"{url.replace('://', f'://x:{world.bob}@')}/simple/"
    fresh = world.wheel("fresh")
    words: list[list[object]] = [
        [BIN / "twine", "upload", "--repository-url", f"{url}/legacy/", "-u", "x", "-p", world.alice, fresh],
        [BIN / "pip", "--isolated", "download", "-q", "--no-deps", "-d", home / "pip", "--index-url", index, "demo", "fresh"],
        [BIN / "uv", "pip", "install", "-q", "--no-config", "--no-deps", "--target", home / "uv", "--default-index", index,
         "--python", sys.executable, "demo", "fresh"],
    ]  # fmt: skip
    for each in words:
        done = subprocess.run([str(word) for word in each], env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
    for path in (fresh, world.wheel()):
        assert (home / "pip" / path.name).read_bytes() == path.read_bytes()
    assert {path.name for path in (home / "uv").iterdir()} >= {"demo.py", "fresh.py"}
    argv = Path(f"/proc/{process.pid}/cmdline")
    told = argv.read_text() if argv.exists() else ""
    world.hub.down = True
    assert httpx.get(f"{url}/simple/", auth=("x", world.hub.token("eve", {})), timeout=60).status_code == 503
    process.terminate()
    out, err = process.communicate(timeout=60)
    told += out + err
    for path in (home / ".cache" / "wharf").rglob("*"):
        told += path.read_bytes().decode("latin-1") if path.is_file() else ""
    for token in (world.robot, world.alice, world.bob):
        assert token not in told
    assert "token: from WHARF_TOKEN" in err
