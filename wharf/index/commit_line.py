"""The commits that were the tip of an index one after the other, and from when each of them counts."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

from wharf.errors import NotFoundError, RewrittenError, StorageError
from wharf.index.index_name import SEEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wharf.index.git import Git
    from wharf.index.git_objects import GitObjects
    from wharf.index.moment import Moment

_LATEST = 1 << 60  # seconds: git takes any number for a time


class CommitLine:
    """The first parents of a commit, the oldest one first. Without a commit it is empty.

    - A commit counts from its own time (the committer's), or from when its parent counts, whichever is later. So a commit
      never counts before the one that it stands on, whatever clocks say.
    - It grows at its end, and never changes otherwise.
    - What was merged is no part of it: those commits were never the tip.
    """

    def __init__(self) -> None:
        self._commits: list[str] = []
        self._times = array("q")
        self._places: dict[str, int] = {}
        self._sorted: list[str] = []  # the commits by their ids, as far as somebody looked for the beginning of one

    @property
    def tip(self) -> str | None:
        """The newest commit."""
        return self._commits[-1] if self._commits else None

    def __len__(self) -> int:
        return len(self._commits)

    def __contains__(self, commit: str) -> bool:
        return commit in self._places

    def at(self, time: int) -> str | None:
        """The commit that was the tip at that time (seconds since 1970, UTC); None: there was none yet."""
        place = bisect_right(self._times, time)
        return self._commits[place - 1] if place else None

    def time_of(self, commit: str) -> int:
        """From when a commit of the line counts, in seconds since 1970. Raises KeyError for any other commit."""
        return self._times[self._places[commit]]

    def named(self, beginning: str) -> str | None:
        """The one commit of the line whose id begins so; None if there is none, or several."""
        if beginning in self._places:
            return beginning
        ids = self._sorted
        if len(ids) < len(self._commits):
            ids = self._sorted = sorted([*ids, *self._commits[len(ids) :]])
        place = bisect_left(ids, beginning)
        found = [commit for commit in ids[place : place + 2] if commit.startswith(beginning)]
        return found[0] if len(found) == 1 else None

    def since(self, time: int) -> list[str]:
        """The commits that were the tip at that time or later, the oldest one first."""
        place = bisect_right(self._times, time)
        return self._commits[max(place - 1, 0) :]

    def __iter__(self) -> Iterator[str]:
        return iter(self._commits)

    def extended(self, program: Git, tip: str, *, over: str | None = None) -> CommitLine:
        """The line up to that commit. It is this very value, grown, or unchanged if it ends there already.

        Raises RewrittenError if the commit does not stand on this line, or the line does not go over `over`; and StorageError.
        Then it is as it was.
        """
        moments, commits = self._behind(program, tip)
        if over is not None and over not in self and over not in commits:
            raise _rewritten(tip, over)
        try:
            times = [min(max(int(each), 0), _LATEST) for each in moments]
        except ValueError as error:
            raise StorageError(f"git tells no time of a commit below {tip[:12]}.") from error
        times[:1] = [max(each, self._times[-1] if self._times else 0) for each in times[:1]]
        self._places.update(zip(commits, range(len(self._commits), len(self._commits) + len(commits)), strict=True))
        self._commits += commits
        self._times.extend(accumulate(times, max))
        return self

    def _behind(self, program: Git, tip: str) -> tuple[list[str], list[str]]:
        """The commits behind the line up to that one, and their own times, as git prints them. Raises RewrittenError."""
        if tip == self.tip:
            return [], []
        # Where git has a commit-graph, this reads no commit at all.
        words = ["rev-list", "--first-parent", "--reverse", "--timestamp", tip]
        if self.tip is None:
            fields = program.run(*words, "--").decode().split()
            return fields[::2], fields[1::2]
        rows = [line.split() for line in program.run(*words, "--parents", f"^{self.tip}", "--").decode().splitlines()]
        if not rows or rows[0][2:3] != [self.tip] or rows[-1][1] != tip:
            raise _rewritten(tip, self.tip)
        return [row[0] for row in rows], [row[1] for row in rows]


def _rewritten(tip: str, before: str) -> RewrittenError:
    return RewrittenError(f"The branch was rewritten: {tip[:12]} does not stand on {before[:12]}, which was its tip before.")


def grown(line: CommitLine, program: Git, objects: GitObjects, index: str, tip: str) -> CommitLine:
    """The line up to the tip of an index, which is kept in a ref of this machine for the next time.

    Raises RewrittenError where the branch does not stand on what it was at the last time. Then the line is as it was, and grows
    again once the branch is set back. Raises StorageError in a clone that was made with a depth: nobody sees what lies below.
    """
    if (program.git_dir / "shallow").exists():
        raise StorageError(
            f"{program.git_dir} has no whole history: git cloned or fetched it with a depth.",
            f"`git --git-dir={program.git_dir} fetch --unshallow ADDRESS` brings the rest from where it was cloned.",
        )
    ref = f"{SEEN}{index}"
    seen = objects.one(ref)
    try:
        line = line.extended(program, tip, over=None if seen is None else seen.id)
    except RewrittenError as error:
        raise RewrittenError(
            error.message.replace("The branch", f"The index {index!r}", 1),
            f"Set the branch back. If it is meant: `git --git-dir={program.git_dir} update-ref -d {ref}`, and start again.",
        ) from error
    if seen is None or seen.id != tip:
        program.attempt("update-ref", ref, tip)  # whoever may only read keeps no trace
    return line


def resolved(line: CommitLine, moment: Moment, index: str) -> str | None:
    """The commit of the line that a moment means; None for a time before its first one.

    Raises NotFoundError for a commit that was never the tip: GitHub hands out also those of forks by their ids.
    """
    if moment.commit is None:
        return line.at(moment.time or 0)
    commit = line.named(moment.commit)
    if commit is None:
        raise NotFoundError(
            f"The commit {moment.commit[:12]} was never the tip of the index {index!r}.",
            "`wharf log` shows the commits of the index.",
        )
    return commit


def last_before(line: CommitLine, since: Moment, index: str) -> str | None:
    """The commit behind which the part of a line begins that counts since a moment; None: all of it does.

    What came since a commit came after it. Raises as `resolved`.
    """
    return resolved(line, since if since.time is None else replace(since, time=since.time - 1), index)
