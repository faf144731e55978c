"""Prunes that die, prunes at once, and prunes beside publishers that bring the same bytes back: no record without bytes."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.makers import make_wheel
from tests.operations.test_processes import VICTIM, _deaths, _steps, commits, result, wharf
from tests.operations.test_promote_processes import whole
from wharf.operations.verify import verify
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

RULE = 'retention={names = ["demo"], keep-newest = 1}'
PRUNE = ["prune", "--yes", "--json"]


def prepare(store: Path, wheels: list[Path], past: str) -> None:
    result(wharf(store, "publish", "--json", *wheels))
    result(wharf(store, "index", "settings", "main", "--set", RULE, "--set", f"keep-past={past}", "--json"))


@pytest.mark.parametrize("past", ["0d", "90d"])
def test_a_prune_killed_at_any_step_is_finished_by_the_same_command(tmp_path: Path, store: Path, past: str) -> None:
    wheels = [make_wheel(tmp_path, version=f"{number}.0") for number in range(1, 4)]
    prepare(tmp_path / "counted", wheels, past)
    died = 0
    for step in _deaths(_steps(tmp_path, PRUNE), tries=10):
        folder = store / str(step)
        prepare(folder, wheels, past)
        before = len(commits(folder))
        killed = wharf(folder, *PRUNE, step=step)
        died += killed.returncode == -signal.SIGKILL
        with open_repository(Settings(place=folder)) as repository:
            assert "missing-bytes" not in {each.kind for each in verify(repository).problems}
            assert repository.branch.snapshot().overview()["demo"] in {("1.0", "2.0", "3.0"), ("3.0",)}
        result(wharf(folder, *PRUNE))
        with open_repository(Settings(place=folder)) as repository:
            found = verify(repository)
            assert (found.ok, found.problems) == (True, ())
            assert [each.kind for each in found.leftovers] == ([] if past == "0d" else ["kept-for-past"] * 2)
            assert repository.branch.snapshot().overview() == {"demo": ("3.0",)}
        assert len(commits(folder)) == before + 1, "whoever dies, one commit takes all out"
    assert died > 6


@pytest.mark.parametrize("past", ["0d", "90d"])
def test_two_prunes_at_once_make_one_commit_and_both_succeed(tmp_path: Path, store: Path, past: str) -> None:
    prepare(store, [make_wheel(tmp_path, version=f"{number}.0") for number in range(1, 30)], past)
    before = len(commits(store))
    with ThreadPoolExecutor(2) as pool:
        both = [*pool.map(lambda _number: result(wharf(store, *PRUNE)), range(2))]
    assert sorted(len(each["pruned"]) for each in both) == [0, 28]
    assert len(commits(store)) == before + 1
    assert len([*(store / "assets").iterdir()]) == (1 if past == "0d" else 29)
    whole_of_main(store)


def whole_of_main(store: Path) -> None:
    with open_repository(Settings(place=store)) as repository:
        found = verify(repository)
        assert (found.ok, found.problems) == (True, ())


@pytest.mark.parametrize("past", ["0d", "90d"])
def test_a_file_that_is_published_again_beside_prunes_has_its_bytes(tmp_path: Path, store: Path, past: str) -> None:
    """Five publishers bring the same bytes back again and again, while prunes take them out, and some of these die."""
    wheels = [make_wheel(tmp_path, version=f"{number}.0") for number in range(1, 6)]
    prepare(store, wheels, past)
    result(wharf(store, "publish", "--json", "--create", "--index", "staging", make_wheel(tmp_path, "first")))
    steps = _steps(tmp_path, ["publish", "--json", str(wheels[0])])

    def work(number: int) -> int:
        if number % 2:
            words = ["publish", "--json", str(wheels[number % 4])]
            start = ["-m", "wharf"]
        else:
            words = PRUNE
            start = [VICTIM, str(number * steps // 14 + 1)] if number % 4 else ["-m", "wharf"]
        command = [sys.executable, *start, "--repo", str(store), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=600).returncode

    with ThreadPoolExecutor(6) as pool:
        codes = [*pool.map(work, range(16))]
    assert {*codes} <= {0, -signal.SIGKILL}, codes
    whole(store)
    result(wharf(store, *PRUNE))
    result(wharf(store, "publish", "--json", *wheels))
    whole_of_main(store)
    with open_repository(Settings(place=store)) as repository:
        assert len(repository.branch.snapshot().overview()["demo"]) == 5
