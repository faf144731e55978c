"""The command line: what `wharf --help` costs, and what publishing does."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import seed
import servers
from figures import Row, Target, alone, compared, interleaved
from wheels import make_wheels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from plan import Plan

_HELP_ROUNDS = 21
_ONE_ROUNDS = 9
_THOUSAND_ROUNDS = 5


def run_help(plan: Plan) -> list[Row]:
    """`wharf --help` over an interpreter that does nothing, in milliseconds."""
    sides = {
        "wharf": lambda: _seconds([*servers.WHARF, "--help"]) * 1000,
        "python": lambda: _seconds([sys.executable, "-c", "pass"]) * 1000,
    }
    samples = interleaved(15 if plan.quick else _HELP_ROUNDS, sides)
    more = statistics.median(samples["wharf"]) - statistics.median(samples["python"])
    row = alone("help", "wharf --help, beyond python -c pass", "ms", [more], Target(bound=60))
    return [*compared("help", "wharf --help", "ms", samples), row]


def run_publish_one(plan: Plan) -> list[Row]:
    """One new wheel, the whole process, into 100,000 files and into a new index; what the index grows by is told too."""
    large, small = seed.store(plan.stores, 10_000, 10), plan.folder / "small"
    wheels = iter(make_wheels(plan.folder / "ones", 4 * _ONE_ROUNDS))

    def publish(store: Path) -> Callable[[], float]:
        return lambda: _publish(store, [next(wheels)])

    for store in (large, small):
        publish(store)()  # both have their folders now, and their files are in the machine's cache
    before = _disk(large / "index.git")
    samples = interleaved(plan.rounds(_ONE_ROUNDS), {"wharf": publish(large), "empty index": publish(small)})
    grown = (_disk(large / "index.git") - before) / plan.rounds(_ONE_ROUNDS) / 1000
    return [
        *compared("publish-one", "one wheel into 100,000 files", "s", samples, Target(bound=1.5, ratio=True)),
        alone("publish-one", "growth of index.git by one wheel", "kB", [grown], None),
    ]


def run_publish_1000(plan: Plan) -> list[Row]:
    """1,000 wheels with one command, into a new index each time, in files a second."""
    rows = []
    for projects, versions in ((1000, 1), (100, 10)):
        wheels = make_wheels(plan.folder / f"thousand-{projects}", projects, versions)
        counter = itertools.count()

        def publish(
            wheels: Sequence[Path] = wheels, projects: int = projects, counter: itertools.count[int] = counter
        ) -> float:
            store = plan.folder / f"store-{projects}-{next(counter)}"
            seconds = _publish(store, wheels)
            _check_one_commit(store)
            return len(wheels) / seconds

        def copy(wheels: Sequence[Path] = wheels, projects: int = projects, counter: itertools.count[int] = counter) -> float:
            return len(wheels) / _copy(wheels, plan.folder / f"copy-{projects}-{next(counter)}")

        samples = interleaved(plan.rounds(_THOUSAND_ROUNDS), {"wharf": publish, "copy and sha256": copy})
        what = f"1,000 wheels of {projects:,} projects, one commit"
        rows += compared("publish-1000", what, "/s", samples, Target(bound=100, at_least=True))
    return rows


def _seconds(command: Sequence[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=servers.environment(), timeout=600)
    return time.perf_counter() - begin


def _publish(store: Path, wheels: Sequence[Path]) -> float:
    return _seconds([*servers.WHARF, "publish", "--repo", str(store), "--json", *map(str, wheels)])


def _check_one_commit(store: Path) -> None:
    command = ["git", f"--git-dir={store}/index.git", "rev-list", "--count", "wharf/main"]
    count = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()
    if count != "1":
        raise RuntimeError(f"one publish made {count} commits")


def _copy(wheels: Sequence[Path], target: Path) -> float:
    """Seconds to read, digest and copy files, without a word about durability."""
    begin = time.perf_counter()
    target.mkdir()
    for wheel in wheels:
        hashlib.sha256(wheel.read_bytes()).hexdigest()
        shutil.copyfile(wheel, target / wheel.name)
    return time.perf_counter() - begin


def _disk(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
