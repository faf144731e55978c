"""Fifty indexes of a repository on GitHub, on one server: what they cost more than one, and what a commit to one does."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import indexes
import load
import seed
import servers
from figures import Row, Target, alone, compared, interleaved
from github_hub import environment, simulator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from github_hub import Steering
    from plan import Plan

_MANY, _ONE = "acme/many", "acme/one"
_PROJECTS, _VERSIONS, _INDEXES = 1000, 10, 50
_ASKED = 10  # indexes that are asked for pages, besides the one that is changed
_PATIENCE = 60.0  # seconds until a commit has to be seen


def run(plan: Plan) -> list[Row]:
    """All of it over 10,000 releases. Both repositories are public: whoever asks for a page sends no token."""
    with simulator(plan.folder / "gh-indexes") as hub:
        env = {slug: environment(plan.folder / slug, hub.create(slug), hub.token(slug)) for slug in (_MANY, _ONE)}
        places = {slug: hub.open_up(slug) for slug in (_MANY, _ONE)}
        seed.repository(places[_ONE], _PROJECTS, _VERSIONS)
        seed.repository(places[_MANY], _PROJECTS, _VERSIONS)
        names = seed.located_indexes(places[_MANY], _PROJECTS, _VERSIONS, _INDEXES)
        for each in env.values():
            _first_page(each)  # a clone is made
        return [
            *_start(plan, env),
            *_memory(env, names),
            alone("gh-indexes", "clones of the repository", "", [_clones(plan.folder / _MANY)], Target(bound=1)),
            *_commit(plan, hub, env[_MANY], places[_MANY], names),
        ]


def _first_page(env: Mapping[str, str]) -> float:
    """Seconds from the start of the process to the first page of `main`."""
    begin = time.perf_counter()
    with serving(servers.WHARF, env) as (url, _):
        load.ask(f"{url}/simple/{seed.project(0)}/", indexes.HEADERS)
        return time.perf_counter() - begin


def _start(plan: Plan, env: Mapping[str, Mapping[str, str]]) -> list[Row]:
    sides = {"50 indexes": lambda: _first_page(env[_MANY]), "one index": lambda: _first_page(env[_ONE])}
    samples = interleaved(plan.rounds(5), sides)
    return compared("gh-indexes", "first answer with a clone, 50 indexes", "s", samples)


def _memory(env: Mapping[str, Mapping[str, str]], names: Sequence[str]) -> list[Row]:
    """Both servers give all pages of `main`; the one with many indexes also the list and the pages of each index itself."""
    readers: list[float] = []

    def held(slug: str, each: Sequence[str]) -> float:
        with serving(servers.WHARF, env[slug]) as (url, process):
            indexes.read(url, ["/simple/", *(f"/simple/{seed.project(number)}/" for number in range(_PROJECTS))])
            indexes.read(url, [path for at, name in enumerate(each) for path in indexes.own_pages(at, name)])
            if slug == _MANY:
                readers.append(_gits(process.pid))
            return sum(servers.resident(process.pid))

    samples = interleaved(1, {"50 indexes": lambda: held(_MANY, names), "one index": lambda: held(_ONE, ())})
    what = "memory with git, 50 indexes, their pages read"
    return [
        *compared("gh-indexes", what, "MB", samples, Target(bound=1.3, ratio=True)),
        alone("gh-indexes", "git processes that read for 50 indexes", "", readers, Target(bound=1)),
    ]


def _commit(plan: Plan, hub: Steering, env: Mapping[str, str], git_dir: Path, names: Sequence[str]) -> list[Row]:
    """What a commit to one index costs: fetches until it is shown, and pages of other indexes that are made again."""
    changed, others = names[0], names[1 : _ASKED + 1]
    project = seed.project(1)
    asked = [f"/{name}/simple/{seed.project(number)}/" for name in others for number in range(_PROJECTS // _ASKED)]
    made = plan.folder / "gh-made"
    again, seconds, fetches = [], [], []
    with serving([sys.executable, "-P", "-c", indexes.COUNTING, str(made)], env) as (url, _):
        page = f"{url}/{changed}/simple/{project}/"
        for number in range(plan.rounds(5)):
            indexes.read(url, asked)
            etag = load.ask(page, indexes.HEADERS).header("etag")
            hub.clear()
            seed.add_located_release(git_dir, changed, project, f"2.{time.time_ns()}.{number}")
            begin = time.perf_counter()
            while load.ask(page, indexes.HEADERS).header("etag") == etag:
                if time.perf_counter() - begin > _PATIENCE:
                    raise RuntimeError("the server does not see a commit")
                time.sleep(0.02)
            seconds.append(time.perf_counter() - begin)
            fetches.append(float(hub.calls().fetches))
            before = indexes.lines(made)
            indexes.read(url, asked)
            again.append(indexes.lines(made) - before)
    what = f"after a commit to one index: of {len(asked):,} pages of others"
    return [
        alone("gh-indexes", "fetches for a commit to one index", "", [max(fetches)], Target(bound=1)),
        alone("gh-indexes", f"{what}, made again", "", [max(again)], Target(bound=0)),
        alone("gh-indexes", "from a commit to its page, asked every 5 s", "s", seconds, Target(bound=8)),
    ]


def _clones(home: Path) -> float:
    """Git repositories below a folder."""
    return float(sum((each.parent / "objects").is_dir() for each in home.rglob("HEAD")))


def _gits(parent: int) -> float:
    """The processes of git that a process has now."""
    listed = subprocess.run(["ps", "-A", "-o", "ppid=,comm="], capture_output=True, text=True, check=True, timeout=30)
    split = [line.split(None, 1) for line in listed.stdout.splitlines()]
    return float(sum(int(above) == parent and name.rpartition("/")[2].strip() == "git" for above, name in split))


@contextlib.contextmanager
def serving(command: Sequence[str], env: Mapping[str, str]) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of `wharf serve` as this command starts it in an environment, and its process."""
    words = [*command, "serve", "--port", "0", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env) as process:
        try:
            line = process.stdout.readline() if process.stdout else b""
            if not line:
                raise RuntimeError("wharf serve did not start")
            yield json.loads(line)["url"], process
        finally:
            process.terminate()
            process.wait(15)
