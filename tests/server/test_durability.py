"""What a server answered with 200 is there: after its death at any moment, and after a power cut at any moment."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from tests import forgetful_disk, traced_disk
from tests.forgetful_disk import Names
from tests.makers import make_wheel
from tests.server.eight_uploaders import Uploads, check, kill, served, wharf
from tests.server.over_github import JSON
from tests.server.running import soon
from tests.server.session_client import SessionClient
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_what_was_acknowledged_outlives_kills_at_any_moment(tmp_path: Path, store: Path) -> None:
    uploads = Uploads.of(tmp_path, each=6)
    wharf(store, "publish", make_wheel(tmp_path))
    token = json.loads(wharf(store, "token", "create", "ci", "--json"))["token"]
    chance = random.Random(7)
    for _ in range(3):
        with served(store) as (url, process), uploads.under_way(url, token):
            uploads.wait_for(len(uploads.acknowledged) + chance.randrange(1, 8))
            kill(process)
        check(store, uploads.acknowledged)
    with served(store) as (url, _), uploads.under_way(url, token) as clients:
        for client in clients:
            client.join(60)
        assert len(uploads.acknowledged) == 48
        with httpx.Client(base_url=url) as reader:
            soon(lambda: len(reader.get("/simple/shared/", headers=JSON).json()["files"]) == 24)
            for each in reader.get("/simple/shared/", headers=JSON).json()["files"]:
                data = reader.get(f"/files/{each['hashes']['sha256']}/{each['filename']}").content
                assert hashlib.sha256(data).hexdigest() == uploads.acknowledged[each["filename"]]
    check(store, uploads.acknowledged)
    wharf(store, "verify", "--repair")


@pytest.mark.skipif(not forgetful_disk.is_there(), reason="this machine has no FUSE")
@pytest.mark.parametrize("names", Names)
def test_what_was_acknowledged_outlives_power_cuts_at_any_moment(tmp_path: Path, names: Names) -> None:
    uploads = Uploads.of(tmp_path, each=3)
    with forgetful_disk.forgetful_disk(tmp_path, names) as disk:
        store, staged = disk.path / "store", make_wheel(tmp_path, "staged")
        wharf(store, "publish", make_wheel(tmp_path))
        token = json.loads(wharf(store, "token", "create", "ci", "--json"))["token"]
        if names is Names.BY_FOLDER:
            disk.settle()  # what a new store is made of gets its names in time, as that of every new folder
        with served(store) as (url, _), uploads.under_way(url, token), httpx.Client(base_url=url, timeout=60) as client:
            sessions = SessionClient(client, ("__token__", token))
            session = sessions.staged(staged, name="staged")
            for count in range(1, 25, 4):
                acknowledged = uploads.wait_for(count)
                check(disk.cut(tmp_path / str(count)) / "store", acknowledged)
        assert len(uploads.acknowledged) == 24
        left = disk.cut(tmp_path / "left") / "store"
    check(left, uploads.acknowledged)
    wharf(left, "publish", make_wheel(tmp_path, "later"))
    with served(left) as (url, _), httpx.Client(base_url=url, timeout=60) as client:
        sessions = SessionClient(client, ("__token__", token))
        there = {**session, "links": {name: urlsplit(link).path for name, link in session["links"].items()}}
        assert sessions.status(there) == "open"
        assert sessions.publish(there).raise_for_status().json()["status"] == "published"
    check(left, {staged.name: hashlib.sha256(staged.read_bytes()).hexdigest()})


def test_what_was_acknowledged_is_in_what_a_trace_of_system_calls_leaves(tmp_path: Path, store: Path) -> None:
    """The same without FUSE: a server works on the disk of this machine, and each moment of it is looked at afterwards."""
    traced_disk.need()
    wharf(store, "publish", make_wheel(tmp_path))
    token = json.loads(wharf(store, "token", "create", "ci", "--json"))["token"]
    before, trace, wheels = tmp_path / "before", tmp_path / "trace", tmp_path / "wheels"
    shutil.copytree(store, before)
    traced_disk.record(trace, [sys.executable, "-m", "tests.server.traced_uploads", str(store), str(wheels), token])
    replay = traced_disk.Replay(trace, store, before, traced_disk.RULES["folder"])
    calls = [*replay.moments()]
    replay.check()
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in wheels.iterdir()}
    session, *uploads = replay.marks
    assert sorted([*uploads, *(name for name in digests if name.startswith("staged-"))]) == sorted(digests)
    marks, chance = [at for at, call in enumerate(calls) if "access" in call], random.Random(7)
    for name, rule in traced_disk.RULES.items():
        replay = traced_disk.Replay(trace, store, before, rule)
        chosen = {len(calls) - 1, *chance.sample(marks, 4), *chance.sample(range(len(calls)), 8)}
        for at, _ in enumerate(replay.moments()):
            if at in chosen:
                left = tmp_path / f"{name}-{at}"
                replay.disk.cut(left)
                check(left, {each: digests[each] for each in replay.marks[1:]})
                if replay.marks:
                    check_staged(left, session, digests)


def check_staged(store: Path, session_id: str, digests: dict[str, str]) -> None:
    """A session is open still, and has its files."""
    with open_repository(Settings(place=store)) as repository:
        session = repository.sessions.get(session_id)
        assert session is not None
        assert session.state == "open"
        assert sorted(session.files) == sorted(name for name in digests if name.startswith("staged-"))
        for name, file in session.files.items():
            with repository.sessions.opener(session_id) as opener, opener(file) as staged:
                assert hashlib.sha256(staged.read()).hexdigest() == digests[name]


def test_a_token_that_was_revoked_stays_so_after_a_power_cut(tmp_path: Path, store: Path) -> None:
    traced_disk.need()
    wharf(store, "token", "create", "ci")
    before, trace = tmp_path / "before", tmp_path / "trace"
    shutil.copytree(store, before)
    traced_disk.record(trace, [sys.executable, "-m", "wharf", "token", "revoke", "ci", "--repo", str(store)])
    for name, rule in traced_disk.RULES.items():
        replay = traced_disk.Replay(trace, store, before, rule)
        assert [*replay.moments()]
        replay.check()
        left = tmp_path / name
        replay.disk.cut(left)
        with open_repository(Settings(place=left)) as repository:
            assert repository.tokens.all() == [], name
