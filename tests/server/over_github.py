"""A private repository on GitHub with an index, a server over it, and who works with it. The server is tried over real HTTP."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.makers import make_wheel
from tests.server.running import running, soon
from tests.simulator import Hub
from tests.simulator.template import Template, keep
from wharf.github import clone
from wharf.github.request_turns import Waiting
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.repository.opening import Repository, open_repository
from wharf.repository.settings import Settings
from wharf.repository_address import parse
from wharf.server import startup_check
from wharf.server.access import github_access
from wharf.server.app import make_app
from wharf.server.files import signed_links
from wharf.server.management import index_reading
from wharf.server.refresh import refresher
from wharf.server.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulator import Repo
    from wharf.server.logs.operator_log import RefusalLog

JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}
BIN = Path(sys.executable).parent
SECRET = "a secret of the webhook"


@dataclass
class World:
    """A private repository on GitHub with an index, who works with it, and the machine of the server."""

    hub: Hub
    repo: Repo
    root: Path
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __post_init__(self) -> None:
        self.robot = self.hub.token("robot", {"acme/pkgs": "read"})
        self.alice = self.hub.token("alice", {"acme/pkgs": "write"})
        self.bob = self.hub.token("bob", {"acme/pkgs": "read"})
        self._alices: Repository | None = None
        self.slept: list[float] = []

    @contextlib.contextmanager
    def open(
        self, token: str | None, machine: str = "server", *, environ: dict[str, str] | None = None, **settings: Any
    ) -> Iterator[Repository]:
        """The repository as a process on that machine has it. A wait for GitHub to come back takes no time."""
        place = parse(f"{self.hub.url}/acme/pkgs")
        assert place is not None
        folder = self.root / machine
        settings = {"cache": folder / "cache", "data": folder / "data", "max_wait": 0.0, **settings}
        if environ is None:
            environ = {} if token is None else {"WHARF_TOKEN": token}
        with open_repository(Settings(place=place, **settings), environ, whole=True, fetch="later") as repository:
            assert repository.github is not None
            repository.github._turns.waiting = Waiting(0.0, clock=self.hub.clock.now, sleep=lambda _seconds: None)
            with contextlib.suppress(Exception):
                repository.branch.fetch()
            yield repository

    async def sleep(self, seconds: float) -> None:
        """As long as an upload waits: it takes no time."""
        self.slept.append(seconds)
        self.hub.clock.forward(seconds)

    def put(self, *paths: Path) -> None:
        """Publish from elsewhere."""
        if self._alices is None:
            self._alices = self.stack.enter_context(self.open(self.alice, "hers"))
        publish(self._alices, [Input.of(path) for path in paths], actor="alice")

    def forget(self) -> None:
        """The server's machine has never seen the index."""
        shutil.rmtree(self.root / "server")

    def wheel(self, name: str = "demo", version: str = "1.0", content: str = "") -> Path:
        return make_wheel(self.root / "dist", name, version, content=content)

    @contextlib.contextmanager
    def serving(
        self,
        token: str | None = "",
        *,
        repositories: tuple[str, ...] = (),
        wait: bool = True,
        refusals: RefusalLog | None = None,
        environ: dict[str, str] | None = None,
        **rules: Any,
    ) -> Iterator[httpx.Client]:
        """A server, and a client of bob's. With `wait` it has heard of GitHub."""
        rules = {"open_reading": False, "by_github": True, "upload_limit": 1 << 21, "cache": self.root / "files", **rules}
        with self.open(self.robot if token == "" else token, environ=environ, repositories=repositories) as repository:
            app = make_app(repository, Rules(**rules), clock=self.hub.clock.now, sleep=self.sleep, refusals=refusals)
            with (
                running(app) as url,
                httpx.Client(base_url=url, auth=("x", self.bob), timeout=60) as client,
            ):
                if wait:
                    soon(lambda: client.get("/healthz").json()["status"] == "ok")
                yield client

    def asked(self, pattern: str = "/releases/assets/") -> int:
        """How many API calls were about that."""
        return sum(pattern in call.path for call in list(self.hub.calls) if call.kind == "api")


def handles() -> str:
    """What this process has open, where the system tells."""
    own = Path("/proc/self/fd")
    found = []
    for each in own.iterdir() if own.exists() else ():
        with contextlib.suppress(FileNotFoundError):
            found.append(str(each.readlink()))
    return " ".join(found)


def address(path: Path) -> str:
    return f"/files/{hashlib.sha256(path.read_bytes()).hexdigest()}/{path.name}"


def at_once(count: int, ask: Callable[[], httpx.Response]) -> list[httpx.Response]:
    with ThreadPoolExecutor(count) as pool:
        return [each.result() for each in [pool.submit(ask) for _ in range(count)]]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clone, "PAUSE", 0.0)
    monkeypatch.setattr(refresher, "ASK_EVERY", 3000.0)  # a test that is about it says when
    for each in (github_access, signed_links, index_reading, startup_check):
        monkeypatch.setattr(each, "PATIENCE", 60.0)  # the same: a busy machine may answer late


@pytest.fixture
def still(world: World) -> None:
    """The time of GitHub and of the server moves only where a test says so, and not by what a busy machine takes."""
    world.hub.clock.stop()


@cache
def _published(base: Path) -> Template:
    """The repository with one published wheel, as alice and the server have fetched it. Made once in a process."""
    root = base / "published"
    with Hub(root / "hub") as hub:
        world = World(hub, hub.create("acme/pkgs"), root)
        with world.stack:
            world.put(world.wheel())
        with world.open(world.robot):
            pass
        return keep(hub, world.repo, root, ("hers", "server"), root / "kept")


@pytest.fixture
def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Hub(tmp_path / "hub") as hub:
        repo = _published(tmp_path_factory.getbasetemp()).copy(hub, tmp_path)
        world = World(hub, repo, tmp_path)
        world.wheel()
        hub.clock.forward(3700)  # no limit remembers who made it
        with world.stack:
            (tmp_path / "index.git").symlink_to(repo.git_dir)
            yield world
