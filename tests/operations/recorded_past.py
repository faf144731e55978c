"""What the indexes of a repository showed after each change, as it was recorded then, and whether their past shows that."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.simulator import Clock, plumbing
from wharf.errors import NotFoundError, RewrittenError
from wharf.index.index_name import BRANCHES
from wharf.index.moment import parse_moment
from wharf.index.past_branch import PastBranch
from wharf.operations.index_with_bases import read_with_bases

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from wharf.index.branch import Branch
    from wharf.model import Project
    from wharf.repository.opening import Repository

ABOUT = 3
"""Seconds that the time of a commit may be from that of the store: GitHub tells whole seconds."""


@dataclass(frozen=True)
class Shown:
    """What an index shows: its commit, its own projects, and those of it and its bases together."""

    commit: str
    own: tuple[Project, ...]
    merged: tuple[Project, ...]
    names: tuple[str, ...]
    bases: tuple[str, ...]


def shown(repository: Repository) -> Shown:
    snapshot, layers = repository.branch.snapshot(), read_with_bases(repository)
    assert snapshot.commit is not None
    own = tuple(project for project, broken in snapshot.projects(snapshot.names()) if not broken)
    merged = tuple(project for project, broken in layers.projects(layers.names()) if not broken)
    return Shown(snapshot.commit, own, merged, layers.names(), tuple(snapshot.settings.bases))


def written(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass
class RecordedPast:
    """The recorded states by the second from which each holds. `git_dir` is the repository where the indexes are kept."""

    git_dir: Path
    clock: Clock
    states: dict[int, dict[str, Shown]] = field(default_factory=dict)
    tips: dict[str, str] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    told: float = 0.0
    """When the last state was recorded."""

    def record(self, now: dict[str, Shown]) -> None:
        """What holds now. A second that is not over has the last state of it."""
        tips = {index: each.commit for index, each in now.items()}
        changed = [index for index, tip in tips.items() if self.tips.get(index) != tip]
        fresh = {commit for index in changed for commit in self.line(index)} - self.known
        times = [self._time(commit) for commit in fresh]
        self.known |= fresh
        began, self.told = self.told, self.clock.now()
        assert all(began - ABOUT <= time <= self.told + ABOUT for time in times), "not the clock of the store"
        self.tips |= tips
        last = max((*self.states, *times))
        begun = min((last, *times))
        kept = {second: state for second, state in self.states.items() if second < begun or not times}
        self.states = {**kept, last: {**kept.get(last, {}), **now}}

    def _time(self, commit: str) -> int:
        return int(plumbing.git(self.git_dir, "log", "-1", "--format=%ct", commit))

    def line(self, index: str) -> list[str]:
        """The commits of an index, the newest one first."""
        return plumbing.git(self.git_dir, "rev-list", "--first-parent", f"{BRANCHES}{index}").decode().split()

    def compare(self, repository: Repository, branch: Branch, seconds: Iterable[int], later: int = 0) -> None:
        """The past of all indexes in each of these recorded states, up to `later` seconds after it, is what was recorded.

        `branch` has the history.
        """
        moments = sorted(self.states)
        for second in seconds:
            ends = next((each for each in moments if each > second), int(self.clock.now()) + 1)
            moment = min(second + later, ends - 1)
            for index in branch.local_indexes():
                self._compare(repository, branch.sibling(index), self.states[second], second, moment)

    def _compare(self, repository: Repository, branch: Branch, state: dict[str, Shown], second: int, moment: int) -> None:
        expected = state.get(branch.index)
        if expected is None:
            if self._time(self.line(branch.index)[-1]) > moment:
                with pytest.raises(NotFoundError, match="There was no index"):
                    self._at(repository, branch, written(moment))
            return  # otherwise it was removed at that time, and is back
        assert self._at(repository, branch, written(moment)) == expected, (branch.index, written(moment))
        for word in (expected.commit, expected.commit[:16]):
            found = self._at(repository, branch, word)
            assert (found.commit, found.own) == (expected.commit, expected.own), (branch.index, word)
            if self._time(expected.commit) == second:  # then the siblings are those of this state
                assert found == expected, (branch.index, word)

    def _at(self, repository: Repository, branch: Branch, word: str) -> Shown:
        return shown(replace(repository, branch=PastBranch(branch, parse_moment(word), self.clock.now())))

    def check_strangers(self, repository: Repository, branch: Branch) -> None:
        """Commits that were never the tip of an index are none of its past, whatever else they are."""
        lines = {index: self.line(index) for index in branch.local_indexes()}
        others = plumbing.git(self.git_dir, "rev-list", "--all").decode().split()
        for index, line in lines.items():
            for commit in sorted({*others} - {*line})[:5]:
                with pytest.raises(NotFoundError, match="never the tip"):
                    self._at(repository, branch.sibling(index), commit)

    def check_rewritten(self, repository: Repository, branch: Branch, index: str) -> None:
        """An index that is set back to an earlier commit has no past, until it is where it was."""
        tip, *before = self.line(index)
        if not before:
            return
        self._at(repository, branch.sibling(index), tip)
        for commit, refused in ((before[0], True), (tip, False)):
            plumbing.git(self.git_dir, "update-ref", f"{BRANCHES}{index}", commit)
            branch.indexes()
            if refused:
                with pytest.raises(RewrittenError):
                    self._at(repository, branch.sibling(index), written(int(self.clock.now())))
            else:
                self._at(repository, branch.sibling(index), written(int(self.clock.now())))

    def merge(self, index: str, aside: str) -> None:
        """By hand, as the next commit of an index: a merge of the last commit of another one, of which nothing is taken."""
        tip, other = self.line(index)[0], self.line(aside)[0]
        when = f"{int(self.clock.now())} +0000"
        who = {f"GIT_{role}_{what}": "bob" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        words = ("commit-tree", f"{tip}^{{tree}}", "-p", tip, "-p", other)
        made = plumbing.git(self.git_dir, *words, data=f"Merge {aside}".encode(), env=who | dates).decode().strip()
        plumbing.update_ref(self.git_dir, f"{BRANCHES}{index}", made, tip)

    def mislead(self, index: str) -> None:
        """Tags and branches that are called like the recorded moments and commits, at the last commit of an index."""
        commit = self.line(index)[0]
        names = {written(second)[:10] for second in self.states} | {each.commit for each in self._all()}
        lines = [f"update refs/{kind}/{name} {commit}\n" for kind in ("tags", "heads") for name in sorted(names)]
        plumbing.git(self.git_dir, "update-ref", "--stdin", data="".join(lines).encode())

    def _all(self) -> list[Shown]:
        return [each for state in self.states.values() for each in state.values()]
