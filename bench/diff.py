"""What differs between two commits that are 5,000 releases apart, on the store in a folder."""

from __future__ import annotations

import gc
import json
import shutil
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING

import seed
import servers
from figures import Row, Target, alone, interleaved

from wharf.operations.diff import diff
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from plan import Plan

_ROUNDS = 7
_SECONDS = 1.0
_PROJECTS, _VERSIONS, _MORE = 5000, 2, 5000


def run(plan: Plan) -> list[Row]:
    """10,000 releases before, and 5,000 more of them, one of each project or ten of some: by itself, and as whole processes."""
    rows = []
    for each in (1, 10):
        store = plan.folder / f"diff-{each}"
        shutil.copytree(seed.store(plan.stores, _PROJECTS, _VERSIONS), store)
        before = _tip(store)
        names = [seed.project(number) for number in range(_MORE // each)]
        seed.add_releases(store, ((name, f"2.{version}") for name in names for version in range(each)))
        ways = {
            "alone": partial(_alone, store, before),
            "whole process, --json": partial(_seconds, store, before, "--json"),
            "whole process, --markdown": partial(_seconds, store, before, "--markdown"),
        }
        for way, samples in interleaved(plan.rounds(_ROUNDS), ways).items():
            what = f"5,000 releases of {_MORE // each:,} projects apart, {way}"
            rows.append(alone("diff", what, "s", samples, Target(bound=_SECONDS) if way == "alone" else None))
    return rows


def _alone(store: Path, before: str) -> float:
    """Seconds in the bench's own process, with a repository that is open, as a server has it."""
    with open_repository(Settings(place=store)) as repository:
        gc.collect()
        gc.disable()
        begin = time.perf_counter()
        found = diff(repository, f"{before}..")
        seconds = time.perf_counter() - begin
        gc.enable()
    if sum(len(each.releases) for each in found.projects) != _MORE:
        raise RuntimeError("the diff does not have all releases")
    return seconds


def _tip(store: Path) -> str:
    command = ["git", f"--git-dir={store}/index.git", "rev-parse", "wharf/main"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def _seconds(store: Path, before: str, way: str) -> float:
    command = [*servers.WHARF, "diff", "--repo", str(store), f"{before}..", way]
    begin = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=servers.environment(), timeout=600)
    seconds = time.perf_counter() - begin
    if way == "--json":
        count = sum(len(each["releases"]) for each in json.loads(done.stdout)["projects"])
        if count != _MORE:
            raise RuntimeError(f"the diff has {count} releases")
    elif "comes: `2.0`" not in done.stdout:
        raise RuntimeError("the diff does not tell of the releases")
    return seconds
