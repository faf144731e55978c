"""The simulator of GitHub that the tests bring (tests/simulator), in a process of its own, and how a benchmark steers it.

`python github_hub.py FOLDER LATENCY NICE` is steered as steering.py says.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import servers
from steering import Steered, obey, steered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulator import Hub

LATENCY = 0.05
"""Seconds that every request takes besides the work that it makes."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Requests that a simulator got."""

    rest: int
    """Calls of the REST API, uploads and GraphQL among them."""
    fetches: int
    pushes: int
    assets: int
    """Calls that ask where an asset is."""
    refused: int
    """Answers 403 and 429."""


class Steering:
    """One simulator, seen from the benchmark's process."""

    def __init__(self, process: Steered, url: str) -> None:
        self.url = url
        self._process = process

    def create(self, slug: str) -> str:
        """A private repository with a first commit; its address."""
        self._process.do("create", slug)
        return f"{self.url}/{slug}"

    def open_up(self, slug: str) -> Path:
        """Make a repository public; where its bare git repository is."""
        return Path(str(self._process.do("open_up", slug)))

    def token(self, slug: str, kind: str = "classic") -> str:
        """A token that may write to a repository."""
        return str(self._process.do("token", slug, kind))

    def enforce(self, *, limits: bool) -> None:
        """Whether it refuses what is beyond GitHub's limits."""
        self._process.do("enforce", limits)

    def latency(self, seconds: float) -> None:
        """From now on every request takes that long."""
        self._process.do("latency", seconds)

    def forward(self, seconds: float) -> None:
        """Move its clock on."""
        self._process.do("forward", seconds)

    def used(self, token: str) -> int:
        """The calls of this hour as GitHub counts them against a token: an upload is two."""
        return int(str(self._process.do("used", token)))

    def clear(self) -> None:
        """Forget the calls."""
        self._process.do("clear")

    def calls(self) -> Calls:
        """The calls since they were last forgotten."""
        lines = self._process.do("calls")
        if not isinstance(lines, list):
            raise TypeError("the simulator gave no list of calls")
        return _counted([str(line) for line in lines])


@contextlib.contextmanager
def simulator(folder: Path, latency: float = LATENCY, *, nice: int = 0) -> Iterator[Steering]:
    """A simulator that keeps its repositories in `folder`, for as long as the context lasts; it obeys no limits at first.

    `nice` lets what is measured go before it, as if it was on another machine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with steered(__file__, str(folder), str(latency), str(nice)) as (process, url):
        yield Steering(process, url)


def environment(folder: Path, address: str, token: str) -> dict[str, str]:
    """The environment of a person who works with a repository of the simulator and has nothing but that."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in servers.environment().items() if not name.startswith(("XDG_", "GH_", "GITHUB_"))}
    return {**kept, "HOME": str(home), "WHARF_REPO": address, "WHARF_TOKEN": token}


def _counted(lines: list[str]) -> Calls:
    """Calls from lines of kind, method, path, service of git and status."""
    split = [line.split(" ") for line in lines]
    git = [service for kind, _, path, service, _ in split if kind == "git" and path.endswith("/info/refs")]
    return Calls(
        rest=sum(each[0] in {"api", "upload", "graphql"} for each in split),
        fetches=git.count("git-upload-pack"),
        pushes=git.count("git-receive-pack"),
        assets=sum(each[0] == "api" and "/releases/assets/" in each[2] for each in split),
        refused=sum(each[4] in {"403", "429"} for each in split),
    )


def _verbs(hub: Hub) -> dict[str, Callable[..., object]]:
    """What a line may ask for; the values given back are JSON."""

    def used(token: str) -> int:
        with hub.lock:
            return hub.limits.state(hub.limits.key(hub.tokens[token], "core"))["used"]

    def calls() -> list[str]:
        return [f"{each.kind} {each.method} {each.path} {each.query.get('service', '-')} {each.status}" for each in hub.calls]

    def open_up(slug: str) -> str:
        repo = hub.repos[slug.lower()]
        repo.private = False
        return str(repo.git_dir)

    return {
        "open_up": open_up,
        "create": lambda slug: hub.create(slug).slug,
        "token": lambda slug, kind: hub.token("bench", {slug: "write"}, kind=kind),
        "enforce": lambda limits: setattr(hub.limits, "enforced", limits),
        "latency": lambda seconds: setattr(hub, "latency", seconds),
        "forward": hub.clock.forward,
        "used": used,
        "clear": hub.calls.clear,
        "calls": calls,
    }


def main() -> None:
    """Serve until stdin ends."""
    from tests.simulator import Hub

    os.nice(int(sys.argv[3]))
    with Hub(Path(sys.argv[1]), float(sys.argv[2])) as hub:
        hub.limits.enforced = False
        obey(hub.url, _verbs(hub))


if __name__ == "__main__":
    main()
