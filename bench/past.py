"""An index as it was: the first page of a moment, a cached one, and what many moments have in memory."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import indexes
import load
import seed
import servers
from figures import Row, Target, alone, compared, interleaved

if TYPE_CHECKING:
    from pathlib import Path

    from plan import Plan

PROJECTS, VERSIONS = 1000, 10
"""Of the index: 10,000 releases."""
COMMITS = 10_000
"""Of its history, one project changed by each."""

_HELD, _MOMENTS = 64, 1000
_ROUNDS = 9


def run(plan: Plan) -> list[Row]:
    """All of it over 10,000 releases and 10,000 commits."""
    store = _store(plan)
    commits = add_commits(store / "index.git")
    return [*_pages(plan, store, commits), *_memory(plan, store, commits)]


def add_commits(git_dir: Path) -> list[str]:
    """So many commits upon `main`, in each of which one project gets another reason for its status; the oldest one first."""
    ref = "refs/heads/wharf/main"
    stream = []
    for number in range(COMMITS):
        name = seed.project(number % PROJECTS)
        status = json.dumps({"project-status": {"status": "active", "reason": f"{number}"}})
        start = f"from {ref}^0\n" if not number else ""
        stream.append(
            f"commit {ref}\ncommitter bench <bench> {1_767_225_600 + number} +0000\ndata 4\nedit\n{start}"
            f"M 100644 inline projects/{name[:2]}/{name}/project.json\ndata {len(status)}\n{status}\n"
        )
    git = ["git", f"--git-dir={git_dir}"]
    subprocess.run([*git, "fast-import", "--quiet"], input="".join(stream).encode(), check=True, timeout=600)
    found = subprocess.run([*git, "rev-list", "--reverse", ref], capture_output=True, text=True, check=True, timeout=60)
    return found.stdout.split()[-COMMITS:]


def _store(plan: Plan) -> Path:
    target = plan.folder / "past"
    shutil.copytree(seed.store(plan.stores, PROJECTS, VERSIONS), target)
    return target


def _pages(plan: Plan, store: Path, commits: list[str]) -> list[Row]:
    """The first question of all, the first page of one moment after the other, and a cached page against one of now."""
    with servers.wharf(store) as url:
        name = seed.project(0)
        load.ask(f"{url}/simple/{name}/", indexes.HEADERS)
        begun = _asked(f"{url}/@{commits[0]}/simple/{name}/")
        first = [
            _asked(f"{url}/@{commits[number * 97 + 1]}/simple/{seed.project(number * 13 % PROJECTS)}/")
            for number in range(30 if plan.quick else 100)
        ]
        lists = [_asked(f"{url}/@{commits[-number - 1]}/simple/") for number in range(10)]
        # Of a project that no later commit changes, so that both have the same bytes.
        seconds, past, now = 1 if plan.quick else 2, f"{url}/@{commits[-1]}/simple/{name}/", f"{url}/simple/{name}/"
        sides = {
            "of the past": lambda: load.wrk(past, indexes.HEADERS, seconds).requests,
            "of now": lambda: load.wrk(now, indexes.HEADERS, seconds).requests,
        }
        cached = interleaved(plan.close_rounds(_ROUNDS), sides)
    what = f"{PROJECTS * VERSIONS:,} releases, {COMMITS:,} commits"
    return [
        alone("past", f"the first question about the past: {what}", "ms", [begun], None),
        alone("past", f"the first page of a moment, median: {what}", "ms", first, Target(bound=30)),
        alone("past", f"the slowest of {len(first)} of these", "ms", [max(first)], None),
        alone("past", f"the first list of a moment: {what}", "ms", lists, None),
        *compared("past", "a cached page", "/s", cached, Target(bound=0.95, at_least=True, ratio=True)),
    ]


def _memory(plan: Plan, store: Path, commits: list[str]) -> list[Row]:
    """What a server has more after moments were asked for, of each the list and a page."""
    with indexes.serving(servers.WHARF, store) as (url, process):
        indexes.read(url, ["/simple/", f"/simple/{seed.project(0)}/", f"/@{commits[0]}/simple/"])
        before = sum(servers.resident(process.pid))
        more = []
        for count in (_HELD, 200 if plan.quick else _MOMENTS):
            asked = commits[:: COMMITS // count][:count]
            indexes.read(url, [f"/@{commit}/simple/{below}" for commit in asked for below in ("", f"{seed.project(0)}/")])
            more.append(sum(servers.resident(process.pid)) - before)
    return [
        alone("past", f"{_HELD} moments, the list and a page of each: more memory", "MB", more[:1], Target(bound=100)),
        alone("past", "all moments that one reader makes up: more memory", "MB", more[1:], Target(bound=250)),
    ]


def _asked(address: str) -> float:
    """Milliseconds for one answer."""
    begin = time.perf_counter()
    reply = load.ask(address, indexes.HEADERS)
    if reply.status != 200:
        raise RuntimeError(f"{address} is answered with {reply.status}")
    return (time.perf_counter() - begin) * 1000
