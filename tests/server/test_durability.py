"""What a server answered with 200 is there: after its death at any moment, and after a power cut at any moment."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from tests import forgetful_disk
from tests.forgetful_disk import Names
from tests.makers import make_wheel
from tests.server.over_github import JSON
from tests.server.running import soon
from tests.server.session_client import SessionClient
from tests.server.test_server import form
from wharf.operations.verify import verify
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

UPLOADERS = 8


@dataclass
class Uploads:
    """Eight clients, each with its own connection, and what the server acknowledged to them: names and digests."""

    files: list[list[Path]]
    acknowledged: dict[str, str] = field(default_factory=dict)
    more: threading.Condition = field(default_factory=threading.Condition)

    @classmethod
    def of(cls, folder: Path, each: int) -> Uploads:
        """Wheels of eight projects, several versions of each, and of one project that all of them have files of."""
        return cls(
            [
                [
                    make_wheel(folder, f"own-{uploader}" if number % 2 else "shared", f"{number}.{uploader}")
                    for number in range(each)
                ]
                for uploader in range(UPLOADERS)
            ]
        )

    @contextmanager
    def under_way(self, url: str, token: str) -> Iterator[list[threading.Thread]]:
        """Send what is not acknowledged yet. A client ends where the server does."""
        threads = [threading.Thread(target=self._send, args=(url, token, files)) for files in self.files]
        for thread in threads:
            thread.start()
        try:
            yield threads
        finally:
            for thread in threads:
                thread.join(60)
        assert not any(thread.is_alive() for thread in threads)

    def _send(self, url: str, token: str, files: list[Path]) -> None:
        way = by_session if files is self.files[0] else by_form
        with httpx.Client(base_url=url, timeout=60) as client:
            for path in files:
                if path.name not in self.acknowledged:
                    try:
                        way(client, token, path)
                    except httpx.TransportError:
                        return
                    with self.more:
                        self.acknowledged[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
                        self.more.notify_all()

    def wait_for(self, count: int) -> dict[str, str]:
        """What is acknowledged, as soon as it is so much."""
        with self.more:
            assert self.more.wait_for(lambda: len(self.acknowledged) >= count, 60)
            return dict(self.acknowledged)


def by_form(client: httpx.Client, token: str, path: Path) -> None:
    answer = client.post("/legacy/", auth=("__token__", token), **form(path))
    assert answer.status_code == 200, answer.text


def by_session(client: httpx.Client, token: str, path: Path) -> None:
    """A session for each file. One that a dead server left is canceled before."""
    sessions = SessionClient(client, ("__token__", token))
    name, version = path.name.split("-")[:2]
    begun = sessions.begin(name, version)
    if begun.status_code == 409:
        sessions.delete(begun.headers["location"]).raise_for_status()
        begun = sessions.begin(name, version)
    session = begun.raise_for_status().json()
    announced = sessions.announce(session, path)
    if announced.status_code == 409 and "is published already" in announced.text:
        return  # the server died between the commit and its answer
    file = announced.raise_for_status().json()
    sessions.send(file, path.read_bytes()).raise_for_status()
    sessions.complete(file).raise_for_status()
    published = sessions.publish(session)
    assert published.status_code == 201, published.text


@contextmanager
def served(store: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of a `wharf serve`, and the process, which leads its own group."""
    command = [sys.executable, "-m", "wharf", "--repo", str(store), "serve", "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"], process
    finally:
        kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    """End the server and its git processes at this very moment."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=20)


def wharf(store: Path, *words: object) -> str:
    command = [sys.executable, "-m", "wharf", "--repo", str(store), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def check(store: Path, acknowledged: dict[str, str]) -> None:
    """All that was acknowledged is there, whole; what else is there is whole, too."""
    with open_repository(Settings(place=store)) as repository:
        found = verify(repository)
        assert {each.kind for each in found.problems} <= {"unnamed-bytes"}, found.problems
        snapshot = repository.branch.snapshot()
        shown = {each.filename: each.sha256 for project, _ in snapshot.projects(snapshot.names()) for each in project.files}
    assert acknowledged.items() <= shown.items(), sorted(acknowledged.keys() - shown.keys())
    fsck = subprocess.run(
        ["git", f"--git-dir={store / 'index.git'}", "fsck", "--full", "--no-dangling"], capture_output=True, text=True
    )
    assert fsck.returncode == 0, fsck.stderr


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
