"""A promotion of 500 releases on the store in a folder, as one commit."""

from __future__ import annotations

import itertools
import json
import subprocess
import time
from typing import TYPE_CHECKING

import servers
from figures import Row, Target, alone
from wheels import make_wheels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from plan import Plan

_ROUNDS = 5
_SECONDS = 2.0


def run(plan: Plan) -> list[Row]:
    """Whole processes: 500 releases of 500 projects and of 10, each time into a new index."""
    rows = []
    for projects, versions in ((500, 1), (10, 50)):
        store = plan.folder / f"promote-{projects}"
        wheels = make_wheels(plan.folder / f"promoted-{projects}", projects, versions)
        _wharf(store, "publish", "--index", "staging", *map(str, wheels))
        specs = ["{}=={}".format(*wheel.name.split("-")[:2]) for wheel in wheels]
        _wharf(store, "publish", "--index", "main", *map(str, make_wheels(plan.folder / "one", 1)))
        samples = [_promoted(store, specs, number) for number in itertools.islice(itertools.count(), plan.rounds(_ROUNDS))]
        what = f"500 releases of {projects} projects, one commit"
        rows.append(alone("promote", what, "s", samples, Target(bound=_SECONDS)))
    return rows


def _promoted(store: Path, specs: Sequence[str], number: int) -> float:
    """Seconds for all of them, into a copy of the index `main`."""
    index = f"release-{number}"
    git = ["git", f"--git-dir={store}/index.git"]
    subprocess.run([*git, "update-ref", f"refs/heads/wharf/{index}", "refs/heads/wharf/main"], check=True, timeout=60)
    begin = time.perf_counter()
    done = _wharf(store, "promote", *specs, "--from", "staging", "--to", index)
    seconds = time.perf_counter() - begin
    count = subprocess.run(
        [*git, "rev-list", "--count", f"wharf/main..wharf/{index}"], check=True, capture_output=True, text=True, timeout=60
    )
    if len(json.loads(done)["promoted"]) != len(specs) or count.stdout.strip() != "1":
        raise RuntimeError("the promotion is not one commit of all releases")
    return seconds


def _wharf(store: Path, *words: str) -> str:
    command = [*servers.WHARF, words[0], "--repo", str(store), "--json", *words[1:]]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=servers.environment(), timeout=600).stdout
