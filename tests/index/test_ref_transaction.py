"""The git that moves refs stays, may die at any moment, and ends with whoever started it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.index.test_branch import WHY, git
from tests.index.test_change import A, add, new
from wharf.index.branch import Branch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wharf.index.change import Change


@pytest.fixture
def branch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Branch]:
    """A branch that asks git to tidy up where the test says so, and not by chance: that ends the git that stays."""
    monkeypatch.setattr("wharf.index.branch._GC_SHARE", 0)
    with Branch(tmp_path / "index.git", "main") as opened:
        opened.create(tmp_path / "scratch")
        opened.commit(release(0), WHY)
        yield opened


@pytest.fixture(autouse=True)
def _by_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """All refs are moved by git, also one that is a plain file."""
    monkeypatch.setattr("wharf.index.lone_ref.move", lambda *_asked: None)


def release(number: int) -> Change:
    return add(new(f"p_{number}-1.0.tar.gz", A, "1.0", f"p-{number}"))


def processes(parent: int, word: str) -> list[int]:
    """The git processes of a parent that carry out a command."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
    ).stdout
    lines = [line.split(None, 3) for line in listed.splitlines()]
    return [int(pid) for pid, above, state, args in lines if int(above) == parent and word in args and "Z" not in state]


def of(branch: Branch, word: str = "update-ref") -> list[int]:
    return [pid for pid in processes(os.getpid(), word) if str(branch.git_dir) in _arguments(pid)]


def _arguments(pid: int) -> str:
    return subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True).stdout


def test_one_git_moves_all_refs_and_ends_with_the_branch(branch: Branch, tmp_path: Path) -> None:
    first = of(branch)
    assert len(first) == 1
    with branch.sibling("other") as beside:
        beside.commit(release(1), WHY)
    for number in range(2, 5):
        branch.commit(release(number), WHY)
    assert of(branch) == first
    branch.close()
    assert of(branch) == of(branch, "cat-file") == []
    branch.commit(release(9), WHY)
    assert len(of(branch)) == 1, "a branch that was closed can be used again"
    assert git(tmp_path, "fsck", "--full", "--no-dangling") == ""


def test_a_git_that_keeps_its_answers_back_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So did all before 2.33.1. This one ends after some seconds, so that nothing waits for ever where it is asked to stay."""
    monkeypatch.setattr("wharf.index.branch._GC_SHARE", 0)
    own, ends = tmp_path / "programs" / "git", tmp_path / "ends"
    own.parent.mkdir()
    own.write_text(f"""#!/bin/sh
case "$*" in
  *" version") echo "git version 2.33.0" ;;
  *update-ref*) said=$(timeout 5 {shutil.which("git")} "$@"); status=$?; echo $status >>{ends}; echo "$said"; exit $status ;;
  *) exec {shutil.which("git")} "$@" ;;
esac
""")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", f"{own.parent}:{os.environ['PATH']}")
    with Branch(tmp_path / "index.git", "main") as branch:
        branch.create(tmp_path / "scratch")
        commits = [branch.commit(release(number), WHY).commit for number in range(2)]
        assert branch.tip() == commits[1] is not None
    assert ends.read_text().split() == ["0"] * len(commits)


def test_a_git_that_died_between_two_commits_is_started_again(branch: Branch, tmp_path: Path) -> None:
    for number in (1, 3):
        (kept,) = of(branch)
        os.kill(kept, signal.SIGKILL)
        for after in (number, number + 1):
            assert branch.commit(release(after), WHY).commit == branch.tip()
    assert len(of(branch)) == 1
    assert git(tmp_path, "rev-list", "--count", "wharf/main") == "5"
    assert git(tmp_path, "fsck", "--full", "--no-dangling") == ""


DYING = """#!/bin/sh
case "$*" in *" update-ref "*) ;; *) exec {git} "$@";; esac
[ -e {once} ] && exec {git} "$@"
touch {once}
{what}
"""
READ = 'lines=; while read -r line; do lines="$lines$line\n"; [ "$line" = commit ] && break; done'


@pytest.mark.parametrize(
    "what",
    [
        "exit 128",
        f"{READ}; kill -9 $$",
        f"{READ}; echo start: ok; kill -9 $$",
        f"{READ}; echo start: ok; echo prepare: ok; kill -9 $$",
        f'{READ}; echo start: ok; echo prepare: ok; printf "$lines" | {{git}} "$@" >/dev/null; kill -9 $$',
        f'{READ}; printf "$lines" | {{git}} "$@"; echo fatal: transaction is closed >&2; exit 128',
    ],
    ids=["at once", "before it began", "when it began", "before the commit", "after the commit", "after one, as git 2.30"],
)
def test_a_git_that_dies_while_it_moves_a_ref_leaves_one_commit_and_takes_the_next(
    branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    branch.close()
    real, program = shutil.which("git"), tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(DYING.format(git=real, once=tmp_path / "once", what=what.replace("{git}", str(real))))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    for number in (1, 2):
        done = branch.commit(release(number), WHY)
        assert done.commit == branch.tip(), "it is told as the commit that it is"
        assert [each.project for each in done.outcome.changed] == [f"p-{number}"]
    assert (tmp_path / "once").exists()
    assert git(tmp_path, "rev-list", "--count", "wharf/main") == "3"
    assert git(tmp_path, "fsck", "--full", "--no-dangling") == ""


@pytest.mark.slow
def test_two_writers_by_turns_while_git_tidies_up(branch: Branch, tmp_path: Path) -> None:
    """Each has its own git; each reads what the other one wrote into packs that are merged meanwhile."""
    with Branch(tmp_path / "index.git", "main") as other:
        for number in range(1, 9):
            (branch if number % 2 else other).commit(release(number), WHY)
            if number % 3 == 0:
                git(tmp_path, "gc", "--quiet", "--prune=now")
        assert len(of(branch)) == 2
    assert len(branch.snapshot().names()) == 9
    assert git(tmp_path, "rev-list", "--count", "wharf/main") == "9"
    assert git(tmp_path, "fsck", "--full", "--no-dangling") == ""


SERVER = """
import sys, time
from tests.index.test_branch import WHY
from tests.index.test_ref_transaction import release
from wharf.index.branch import Branch
from pathlib import Path
branch = Branch(Path(sys.argv[1]), "main")
branch.sibling("other").commit(release(7), WHY)
branch.commit_at(branch.ref)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_they_end_when_whoever_started_them_is_killed(branch: Branch) -> None:
    command = [sys.executable, "-c", SERVER, str(branch.git_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        kept = processes(server.pid, "git")
        assert len(kept) == 2
        server.kill()
    end = time.monotonic() + 60
    while any("git" in _arguments(pid) for pid in kept):
        assert time.monotonic() < end
