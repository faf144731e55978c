"""Promotions beside publishes, yanks and removals by many processes, some of which die: no record without its file."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.makers import make_sdist, make_wheel
from tests.operations.test_processes import VICTIM, _deaths, _steps, result, wharf
from wharf.operations.verify import verify
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

INDEXES = ("main", "staging")
WORKERS = 8
ROUNDS = 3
KNOWN = {0, 2, 4, 5, 8, -signal.SIGKILL}
"""Done, nothing of that name there, a conflict, a store that others keep busy, killed."""


def whole(store: Path) -> dict[str, dict[str, tuple[str, ...]]]:
    """What each index has, after a check that each record names a file that is stored with its digest."""
    found = {}
    for index in INDEXES:
        with open_repository(Settings(place=store, index=index)) as repository:
            problems = [each for each in verify(repository).problems if each.kind != "unnamed-bytes"]
            assert problems == [], index
            found[index] = repository.branch.snapshot().overview()
    return found


@pytest.mark.parametrize("seed", [1])
def test_racing_processes_that_die_leave_no_record_without_its_file(tmp_path: Path, store: Path, seed: int) -> None:
    files = [make(tmp_path, f"p{number}") for number in range(3) for make in (make_wheel, make_sdist)]
    for index in INDEXES:
        result(wharf(store, "publish", "--json", "--create", "--index", index, make_wheel(tmp_path, "first")))
    steps = _steps(tmp_path, ["publish", "--json", str(files[0])])

    def work(worker: int) -> list[int]:
        source = random.Random(f"{seed} {worker}")
        codes = []
        for _ in range(ROUNDS):
            spec = f"p{source.randrange(3)}==1.0"
            here, there = source.sample(INDEXES, 2)
            words = source.choice(
                [
                    ["publish", *map(str, source.sample(files, 3)), "--index", here],
                    ["promote", spec, "first==1.0", "--from", here, "--to", there],
                    ["promote", spec, "--from", here, "--to", there, "--with-dependencies"],
                    ["remove", spec, "--yes", "--index", here],
                    ["yank", spec, "--index", here],
                    ["verify", "--repair"],
                ]
            )
            dies = source.random() < 0.3
            start = [VICTIM, str(source.randrange(1, steps))] if dies else ["-m", "wharf"]
            command = [sys.executable, *start, "--repo", str(store), "--json", *words]
            done = subprocess.run(command, capture_output=True, text=True, timeout=600)
            assert done.returncode in KNOWN | ({7, 8} if words[0] == "verify" else set()), (words, done.stdout, done.stderr)
            codes.append(done.returncode)
        return codes

    with ThreadPoolExecutor(WORKERS) as pool:
        codes = [code for some in pool.map(work, range(WORKERS)) for code in some]
    assert codes.count(0) > WORKERS
    assert -signal.SIGKILL in codes
    whole(store)


def test_a_promotion_killed_at_any_step_shows_nothing_or_all_and_can_be_run_again(tmp_path: Path, store: Path) -> None:
    wheels = [make_wheel(tmp_path, "demo"), make_wheel(tmp_path, "other")]
    words = ["promote", "demo==1.0", "other==1.0", "--from", "staging", "--json"]
    result(wharf(tmp_path / "counted", "publish", "--json", "--index", "staging", *wheels))
    died = 0
    for step in _deaths(_steps(tmp_path, words), tries=6):
        folder = store / str(step)
        result(wharf(folder, "publish", "--json", "--index", "staging", *wheels))
        died += wharf(folder, *words, step=step).returncode == -signal.SIGKILL
        assert set(whole(folder)["main"]) in (set(), {"demo", "other"})
        again = result(wharf(folder, *words))
        assert len(again["promoted"]) + len(again["unchanged"]) == 2
        assert whole(folder)["main"] == whole(folder)["staging"]
    assert died > 3
