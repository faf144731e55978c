"""Eight clients that upload to a real server, what it acknowledged to them, and what must be there of that afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from tests.makers import make_wheel
from tests.server.session_client import SessionClient
from tests.server.test_server import form
from wharf.operations.verify import verify
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

UPLOADERS = 8


@dataclass
class Uploads:
    """Eight clients, each with its own connection, and what the server acknowledged to them: names and digests."""

    files: list[list[Path]]
    acknowledged: dict[str, str] = field(default_factory=dict)
    told: Callable[[str], None] = lambda _name: None
    """Called with the name of each, before anybody else knows of it."""
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
                thread.join(300)
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
                    self.told(path.name)
                    with self.more:
                        self.acknowledged[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
                        self.more.notify_all()

    def wait_for(self, count: int) -> dict[str, str]:
        """What is acknowledged, as soon as it is so much."""
        with self.more:
            assert self.more.wait_for(lambda: len(self.acknowledged) >= count, 300)
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
    process.communicate(timeout=60)


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
