"""The history of a repository on GitHub, brought while a server answers: what pages of now have to wait meanwhile."""

from __future__ import annotations

import http.client
import shutil
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import github_indexes
import indexes
import load
import past
import seed
import servers
from figures import Row, Target, alone, compared
from github_hub import environment, simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from plan import Plan

_SLUG = "acme/past"
_PATIENCE = 120.0  # seconds until the history has to be here
_USUAL = 4.0  # seconds in which it is measured what is usual
_EVERY = 0.002  # seconds between two questions: a server that is asked without a pause is busy with that alone


def run(plan: Plan) -> list[Row]:
    """10,000 releases and 10,000 commits, in a public repository."""
    with simulator(plan.folder / "gh-past", nice=10) as hub:
        env = environment(plan.folder / _SLUG, hub.create(_SLUG), hub.token(_SLUG))
        git_dir = hub.open_up(_SLUG)
        seed.repository(git_dir, past.PROJECTS, past.VERSIONS)
        commits = past.add_commits(git_dir)
        rounds = [_round(env, commits[number], plan.folder / _SLUG) for number in range(plan.rounds(5))]
    usual, meanwhile, seconds, pages = ([each[at] for each in rounds] for at in range(4))
    what = f"{past.COMMITS:,} commits"
    samples = {"while the history comes": meanwhile, "before": usual}
    return [
        *compared("gh-past", f"a page of now, p99, {what}", "ms", samples, Target(bound=1.1, ratio=True)),
        alone("gh-past", f"from the first question to the first page of the past, {what}", "s", seconds, None),
        alone("gh-past", "the first page of another moment", "ms", pages, None),
    ]


def _round(env: Mapping[str, str], commit: str, home: Path) -> tuple[float, float, float, float]:
    """p99 of a page of now before and meanwhile (ms), seconds until the past is there, and a further page of it (ms)."""
    for each in home.rglob("history.git"):
        shutil.rmtree(each)
    with github_indexes.serving(servers.WHARF, env) as (url, _), ThreadPoolExecutor(1) as pool:
        page = f"/simple/{seed.project(0)}/"
        load.ask(f"{url}{page}", indexes.HEADERS)
        usual = _p99(url, page, lambda begun: time.perf_counter() - begun > _USUAL)
        begin = time.perf_counter()
        coming = pool.submit(_come, f"{url}/@{commit}{page}")
        meanwhile = _p99(url, page, lambda _: coming.done())
        coming.result()
        seconds = time.perf_counter() - begin
        begin = time.perf_counter()
        load.ask(f"{url}/@{commit}/simple/{seed.project(7)}/", indexes.HEADERS)
        return usual, meanwhile, seconds, (time.perf_counter() - begin) * 1000


def _come(address: str) -> None:
    end = time.perf_counter() + _PATIENCE
    while load.ask(address, indexes.HEADERS).status != 200:
        if time.perf_counter() > end:
            raise RuntimeError("the history does not come")
        time.sleep(0.5)


def _p99(url: str, path: str, is_over: Callable[[float], bool]) -> float:
    """The 99th percentile of the answers to one question after the other, in ms."""
    parts, found = urlsplit(url), []
    begun = time.perf_counter()
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)) as connection:
        while not is_over(begun):
            begin = time.perf_counter()
            connection.request("GET", path, headers=indexes.HEADERS)
            response = connection.getresponse()
            response.read()
            if response.status != 200:
                raise RuntimeError(f"{path} is answered with {response.status}")
            found.append((time.perf_counter() - begin) * 1000)
            time.sleep(_EVERY)
    return statistics.quantiles(found, n=100)[98]
