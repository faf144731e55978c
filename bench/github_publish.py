"""Publishing to GitHub: what a release costs in calls and time, many releases, an Actions job's hour, and sixteen at once."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import servers
from figures import Row, Target, alone, compared, interleaved
from github_chain import Chain
from github_hub import LATENCY, Calls, Steering, environment, simulator
from github_time import Skipping
from wheels import make_wheel, make_wheels

from wharf.github.api import GitHub
from wharf.github.release_store import Releases
from wharf.github.remote_branch import RemoteBranch
from wharf.github.request_turns import Waiting
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.repository.opening import Repository, open_repository
from wharf.repository.settings import Settings
from wharf.repository.tokens import Tokens
from wharf.repository_address import Address, parse
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from plan import Plan

_SLUG = "acme/pkgs"
_ROUNDS = 11
_WRITERS = 16
_WRITER_ROUNDS = 3
_SEEDED = 30  # projects in the index before a release goes into it


@dataclass(frozen=True, slots=True)
class Store:
    """A repository of the simulator, a token that may write to it, and a folder for its clones."""

    address: str
    token: str
    cache: Path

    @property
    def place(self) -> Address:
        """The address as wharf knows it."""
        place = parse(self.address)
        if place is None:
            raise ValueError(f"{self.address} is no address")
        return place


@dataclass(frozen=True, slots=True)
class _Command:
    """One publish to count the calls of: the kind of its token, and the most that figures may be, by name."""

    bench: str
    what: str
    kind: str
    bounds: Mapping[str, float]


def run_release(plan: Plan) -> list[Row]:
    """The next version of a project in an index that others filled: two files, and ten, against the bare chain."""
    rows = []
    with simulator(plan.folder / "gh-release") as hub:
        store, wheels = _seeded(hub, plan.folder / "release")
        projects = [wheel.name.partition("-")[0] for wheel in wheels]
        versions = itertools.count(2)
        with Chain(store.address, store.token) as chain:
            for count in (2, 10):
                seen: list[Calls] = []

                def files(count: int = count) -> list[Path]:
                    version = next(versions)
                    return _release(plan.folder / "files", projects[version % len(projects)], f"{version}.0", count)

                def wharf(seen: list[Calls] = seen, files: Callable[[], list[Path]] = files) -> float:
                    seconds, calls = _measured(hub, store, files())
                    seen.append(calls)
                    return seconds

                def bare(files: Callable[[], list[Path]] = files) -> float:
                    paths, begin = files(), time.perf_counter()
                    chain.release(paths)
                    return time.perf_counter() - begin

                samples = interleaved(plan.rounds(_ROUNDS), {"wharf": wharf, "bare chain": bare})
                rows += _told(f"release of {count} files", count, samples, seen)
    return rows


def run_many(plan: Plan) -> list[Row]:
    """100 files of 40 projects with one command, within GitHub's limits."""
    projects = [_release(plan.folder / "many", f"many{number}", "1.0", 3 if number < 20 else 2) for number in range(40)]
    bounds = {"REST calls": 3 * 40 + 100, "commits": 1, "git pushes": 1}
    return _command(plan, _Command("gh-many", "100 files, 40 projects", "classic", bounds), projects)


def run_actions(plan: Plan) -> list[Row]:
    """400 files in 50 releases with the token of an Actions job, which has 1,000 calls an hour."""
    projects = [_release(plan.folder / "actions", f"job{number}", "1.0", 8) for number in range(50)]
    bounds = {"calls, an upload as 2": 1000, "commits": 1, "answers 403 and 429": 0}
    return _command(plan, _Command("gh-actions", "400 files, 50 releases", "actions", bounds), projects)


def run_writers(plan: Plan) -> list[Row]:
    """Sixteen commands of one file each: at once, with one cache and with one for each, against one after the other."""
    lost: list[float] = []
    with simulator(plan.folder / "gh-writers") as hub:
        store, wheels = _seeded(hub, plan.folder / "writers")
        expected = len(wheels)

        def measured(workers: int, homes: Callable[[int], str]) -> Callable[[], float]:
            def measure() -> float:
                nonlocal expected
                wheels = make_wheels(plan.folder / "writers-wheels", _WRITERS)
                expected += len(wheels)
                begin = time.perf_counter()
                with ThreadPoolExecutor(workers) as pool:
                    list(pool.map(lambda pair: _run(plan.folder / homes(pair[0]), store, pair[1]), enumerate(wheels)))
                seconds = time.perf_counter() - begin
                lost.append(expected - _projects(store))
                return seconds

            return measure

        samples = interleaved(
            plan.rounds(_WRITER_ROUNDS),
            {
                "one cache": measured(_WRITERS, lambda _number: "shared"),
                "a cache each": measured(_WRITERS, lambda number: f"own-{number}"),
                "one by one": measured(1, lambda _number: "alone"),
            },
        )
    rival = samples.pop("one by one")
    rows = []
    for side, own in samples.items():
        both = {side: own, "one by one": rival}
        rows += compared("gh-writers", f"16 publishers at once, {side}", "s", both, Target(bound=2, ratio=True))
    return [*rows, alone("gh-writers", "files lost, worst round", "", [max(lost)], Target(bound=0))]


def _seeded(hub: Steering, folder: Path) -> tuple[Store, list[Path]]:
    """A repository with an index that another publisher filled, and a clone of it that is up to date; and the files."""
    address = hub.create(_SLUG)
    store = Store(address, hub.token(_SLUG), folder / "cache")
    wheels = make_wheels(folder / "seeds", _SEEDED)
    hub.latency(0)
    _measured(hub, Store(address, store.token, folder / "other"), wheels)
    with open_repository(_settings(store), {"WHARF_TOKEN": store.token}) as repository:
        repository.branch.snapshot()
    hub.latency(LATENCY)
    return store, wheels


def _release(folder: Path, project: str, version: str, count: int) -> list[Path]:
    """Wheels of one release, told apart by their build numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for build in range(1, count + 1):
        path = make_wheel(folder, project, version, f"build = {build}\n".encode())
        paths.append(path.rename(path.with_name(path.name.replace("-py3-", f"-{build}-py3-"))))
    return paths


def _settings(store: Store) -> Settings:
    return Settings(place=store.place, cache=store.cache, data=store.cache)


def _measured(hub: Steering, store: Store, files: Sequence[Path]) -> tuple[float, Calls]:
    """Seconds of `wharf publish` without the start of Python and its imports, and the calls."""
    hub.clear()
    begin = time.perf_counter()
    with open_repository(_settings(store), {"WHARF_TOKEN": store.token}, fetch="later") as repository:
        publish(repository, [Input.of(path) for path in files], actor="bench")
    return time.perf_counter() - begin, hub.calls()


def _told(what: str, count: int, samples: dict[str, list[float]], seen: Sequence[Calls]) -> list[Row]:
    rows = compared("gh-release", what, "s", samples, Target(bound=1.5, ratio=True))
    figures = {
        "REST calls": (max(each.rest for each in seen), 4 + count),
        "git fetches": (max(each.fetches for each in seen), 1),
        "git pushes": (max(each.pushes for each in seen), 1),
    }
    for name, (figure, bound) in figures.items():
        rows.append(alone("gh-release", f"{what}: {name}", "", [figure], Target(bound=bound)))
    return rows


def _command(plan: Plan, command: _Command, projects: Sequence[Sequence[Path]]) -> list[Row]:
    """One publish under GitHub's limits, which the simulator enforces. Waits are skipped, and told."""
    inputs = [Input.of(path) for files in projects for path in files]
    with simulator(plan.folder / command.bench) as hub:
        address = hub.create(_SLUG)
        store = Store(address, hub.token(_SLUG, command.kind), plan.folder / f"{command.bench}-cache")
        clock = Skipping(hub.forward)
        with skipping(clock, store) as repository:
            repository.branch.fetch()
            repository.branch.begin("bench")
            before = hub.used(store.token), _commits(store)
            hub.enforce(limits=True)
            hub.clear()
            begin = time.perf_counter()
            done = publish(repository, inputs, actor="bench")
            seconds = time.perf_counter() - begin
        calls, used, made = hub.calls(), hub.used(store.token) - before[0], _commits(store) - before[1]
    if len(done.published) != len(inputs):
        raise RuntimeError(f"{len(done.published)} of {len(inputs)} files were published")
    figures: list[tuple[str, float, str]] = [
        ("REST calls", calls.rest, ""),
        ("calls, an upload as 2", used, ""),
        ("answers 403 and 429", calls.refused, ""),
        ("commits", made, ""),
        ("git pushes", calls.pushes, ""),
        ("waits for limits", clock.skipped, "s"),
        ("time without them", seconds, "s"),
    ]
    return [
        alone(command.bench, f"{command.what}: {name}", unit, [figure], _at_most(command.bounds.get(name)))
        for name, figure, unit in figures
    ]


def _at_most(bound: float | None) -> Target | None:
    return None if bound is None else Target(bound=bound)


def by_command(hub: Steering, folder: Path, slug: str, wheels: Sequence[Path]) -> Calls:
    """The calls of one publish of these files, as by the command, into an index that is there."""
    store = Store(hub.create(slug), hub.token(slug), folder)
    with skipping(Skipping(hub.forward), store) as repository:
        repository.branch.fetch()
        repository.branch.begin("bench")
    with skipping(Skipping(hub.forward), store) as repository:
        hub.clear()
        publish(repository, [Input.of(path) for path in wheels])
    return hub.calls()


@contextlib.contextmanager
def skipping(clock: Skipping, store: Store) -> Iterator[Repository]:
    """The repository as `open_repository` gives it, with another clock for waits."""
    waiting = Waiting(7200, clock=clock.now, sleep=clock.sleep)
    with (
        GitHub(store.place, Secret(store.token), waiting=waiting) as github,
        RemoteBranch(store.cache, "main", github) as branch,
    ):
        assets, tokens = Releases(github, "main"), Tokens(store.cache / "tokens.json")
        yield Repository(where=store.address, branch=branch, assets=assets, tokens=tokens, github=github)


def _commits(store: Store) -> int:
    """The commits of the index in the clone that publishes."""
    command = ["git", f"--git-dir={store.cache}/trees.git", "rev-list", "--count", "wharf/main"]
    return int(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)


def _run(folder: Path, store: Store, wheel: Path) -> None:
    """One `wharf publish`, the whole process, as a person whose home is in the folder."""
    command = [*servers.WHARF, "publish", "--create", "--json", str(wheel)]
    env = environment(folder, store.address, store.token)
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=600, check=False)
    if done.returncode:
        raise RuntimeError(f"wharf publish failed: {done.stdout}{done.stderr}")


def _projects(store: Store) -> int:
    """How many projects the index has, as a clone of its own sees it."""
    with open_repository(_settings(store), {"WHARF_TOKEN": store.token}) as repository:
        return len(repository.branch.snapshot().names())
