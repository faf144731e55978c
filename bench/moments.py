"""The moments of an index of 100,000 commits: its line read the first time, and the commit of a moment found in it."""

from __future__ import annotations

import shutil
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING

from figures import Row, Target, alone, compared, interleaved

from wharf.index.branch import Branch
from wharf.index.history import Asked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from plan import Plan

    from wharf.index.commit_line import CommitLine

_ROUNDS = 9
_COMMITS = 100_000
_FIRST, _STEP = 1_500_000_000, 60
"""Seconds since 1970 of the first commit, and between two commits."""
_LOOKS = 1000


def run(plan: Plan) -> list[Row]:
    """All commits are in one pack, as `git gc` leaves them, once without a commit-graph and once with the one that it makes."""
    plain = plan.folder / "moments.git"
    _fill(plain)
    graph = plan.folder / "moments-graph.git"
    shutil.copytree(plain, graph)
    _git(graph, "commit-graph", "write", "--reachable")
    with Branch(plain, "main") as branch:
        line = branch.line()
    commits = list(line)
    rows: list[Row] = []
    what = f"{_COMMITS:,} commits"
    for name, git_dir, bound in (("", plain, 1.1), (", with a commit-graph", graph, 0.5)):
        sides: dict[str, Callable[[], float]] = {
            "wharf": partial(_timed, partial(_read, git_dir)),
            "git log": partial(_timed, partial(_logged, plain)),
        }
        samples = interleaved(plan.rounds(_ROUNDS), sides)
        rows += compared("moments", f"{what}: the line, first{name}", "ms", samples, Target(bound=bound, ratio=True))
    looks: dict[str, tuple[float, Callable[[], float]]] = {
        "the commit of a time": (5, lambda: _mean(lambda number: line.at(_FIRST + number * 997 % (_COMMITS * _STEP)))),
        "the commit of 9 digits": (5, lambda: _mean(lambda number: line.named(commits[number * 97][:9]))),
        "the same, the first time": (200, lambda: _first_look(graph, commits[5][:9])),
        "the newest 10 entries": (100, lambda: _timed(partial(_newest, plain))),
    }
    found = interleaved(plan.rounds(_ROUNDS), {name: look for name, (_, look) in looks.items()})
    return rows + [alone("moments", f"{what}: {name}", "ms", found[name], Target(bound=looks[name][0])) for name in looks]


def _fill(git_dir: Path) -> None:
    _git(git_dir, "init", "--quiet", "--bare", str(git_dir))
    parts = ["feature done\n"]
    for number in range(_COMMITS):
        message = f"publish demo {number}.0\n\n\nWharf-Actor: ada\n"
        parts.append(f"commit refs/heads/wharf/main\nmark :{number + 1}\ncommitter ada <> {_FIRST + number * _STEP} +0000\n")
        parts.append(f"data {len(message)}\n{message}\n")
        parts.append(f"from :{number}\n" if number else "M 100644 inline wharf.toml\ndata 11\nformat = 1\n\n")
    parts.append("done\n")
    _git(git_dir, "fast-import", "--quiet", data="".join(parts).encode())


def _git(git_dir: Path, *words: str, data: bytes = b"") -> bytes:
    return subprocess.run(["git", f"--git-dir={git_dir}", *words], input=data, capture_output=True, check=True).stdout


def _timed(do: Callable[[], object]) -> float:
    begin = time.perf_counter()
    do()
    return (time.perf_counter() - begin) * 1000


def _logged(git_dir: Path) -> int:
    out = _git(git_dir, "log", "--first-parent", "--reverse", "--format=%H %ct %P", "wharf/main", "--")
    return len(out.splitlines())


def _read(git_dir: Path) -> CommitLine:
    _git(git_dir, "update-ref", "-d", "refs/wharf/seen/main")
    with Branch(git_dir, "main") as branch:
        return branch.line()


def _newest(git_dir: Path) -> int:
    with Branch(git_dir, "main") as branch:
        return len(list(branch.history(Asked(most=10))))


def _mean(look: Callable[[int], object]) -> float:
    """The mean of many, each of another moment."""
    return _timed(lambda: [look(number) for number in range(_LOOKS)]) / _LOOKS


def _first_look(git_dir: Path, beginning: str) -> float:
    line = _read(git_dir)
    return _timed(lambda: line.named(beginning))
