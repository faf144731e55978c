"""Restorations that are killed, and restorations beside publishers and removals: the index is as before or as it was then."""

from __future__ import annotations

import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from subprocess import run
from typing import TYPE_CHECKING

import pytest

from tests.makers import make_sdist, make_wheel
from tests.operations.test_processes import VICTIM, _deaths, commits, result, wharf
from wharf.index.commit_message import CommitMessage
from wharf.index.yank_and_remove import RemoveFiles
from wharf.operations.verify import verify
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

THEN, NOW = {"old": ("1.0",), "demo": ("1.0",)}, {"old": ("1.0",), "new": ("1.0",)}


def prepared(store: Path, old: Path, gone: Path, new: Path) -> str:
    """An index in which one file left and another came; the commit before that."""
    then = str(result(wharf(store, "publish", "--json", old, gone))["commit"])
    result(wharf(store, "publish", "--json", new))
    with open_repository(Settings(place=store)) as repository:
        repository.branch.commit(RemoveFiles.of("demo", "1.0"), CommitMessage(verb="prune", actor="ada"))
    return then


def whole(store: Path) -> dict[str, tuple[str, ...]]:
    with open_repository(Settings(place=store)) as repository:
        assert {each.kind for each in verify(repository).problems} <= {"unnamed-bytes"}
        return repository.branch.snapshot().overview()


def test_a_restoration_killed_at_any_step_is_done_or_not_begun_and_can_be_run_again(tmp_path: Path, store: Path) -> None:
    files = make_wheel(tmp_path, "old"), make_wheel(tmp_path), make_wheel(tmp_path, "new")
    then = prepared(tmp_path / "counted", *files)
    counted = wharf(tmp_path / "counted", "restore", "--json", "--to", then, "--yes", step=0)
    died = 0
    for step in _deaths(int(counted.stderr.split("steps ")[1]), 8):
        folder = store / str(step)
        then = prepared(folder, *files)
        before = len(commits(folder))
        killed = wharf(folder, "restore", "--json", "--to", then, "--yes", step=step)
        died += killed.returncode == -signal.SIGKILL
        assert whole(folder) == (NOW if len(commits(folder)) == before else THEN)
        result(wharf(folder, "restore", "--json", "--to", then, "--yes"))
        assert whole(folder) == THEN
        assert len(commits(folder)) == before + 1
    assert died > 5


def test_restorations_beside_publishers_and_removals_name_no_file_without_its_bytes(tmp_path: Path, store: Path) -> None:
    files = [make(tmp_path, f"p{number}") for number in range(3) for make in (make_wheel, make_sdist)]
    then = result(wharf(store, "publish", "--json", *files))["commit"]
    commands = [
        words
        for number in range(3)
        for words in (
            ["restore", "--to", then, "--yes"],
            ["remove", f"p{number}==1.0", files[2 * number].name, "--yes"],
            ["publish", str(files[2 * number])],
            ["restore", "--to", then, "--yes"],
            ["verify", "--repair"],
        )
    ]

    def work(numbered: tuple[int, list[str]]) -> int:
        number, words = numbered
        start = [VICTIM, str(40 * number)] if number % 5 == 3 else ["-m", "wharf"]
        command = [sys.executable, *start, "--repo", str(store), "--json", *words]
        done = run(command, capture_output=True, text=True, timeout=600)
        assert done.returncode in {0, 8, -signal.SIGKILL} | ({7} if words[0] == "verify" else set()), (words, done.stdout)
        return done.returncode

    with ThreadPoolExecutor(4) as pool:
        codes = [*pool.map(work, enumerate(commands))]
    assert codes.count(0) > 5
    assert -signal.SIGKILL in codes
    whole(store)
