"""The commits that were the tip of an index one after the other, and from when each of them counts."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import replace
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
        found = [commit for commit in self._commits if commit.startswith(beginning)]
        return found[0] if len(found) == 1 else None

    def since(self, time: int) -> list[str]:
        """The commits that were the tip at that time or later, the oldest one first."""
        place = bisect_right(self._times, time)
        return self._commits[max(place - 1, 0) :]

    def __iter__(self) -> Iterator[str]:
        return iter(self._commits)

    def extended(self, program: Git, tip: str) -> CommitLine:
        """The line up to that commit. It is this very value, grown, or unchanged if it ends there already.

        Raises RewrittenError if the commit does not stand on this line, and StorageError.
        """
        if tip == self.tip:
            return self
        range_ = [f"^{self.tip}"] if self.tip else []
        out = program.run("log", "--first-parent", "--reverse", "--format=%H %ct %P", tip, *range_, "--").decode()
        rows = [line.split() for line in out.splitlines()]
        parent = rows[0][2] if rows and len(rows[0]) > 2 else None
        if not rows or rows[-1][0] != tip or parent != self.tip:
            before = (self.tip or "nothing")[:12]
            raise RewrittenError(f"The branch was rewritten: {tip[:12]} does not stand on {before}, which was its tip before.")
        try:
            moments = [min(max(int(row[1]), 0), _LATEST) for row in rows]
        except ValueError as error:
            raise StorageError(f"git tells no time of a commit below {tip[:12]}.") from error
        for row, moment in zip(rows, moments, strict=True):
            self._places[row[0]] = len(self._commits)
            self._commits.append(row[0])
            self._times.append(max(moment, self._times[-1] if self._times else 0))
        return self


def grown(line: CommitLine, program: Git, objects: GitObjects, index: str, tip: str) -> CommitLine:
    """The line up to the tip of an index, which is kept in a ref of this machine for the next time.

    Raises RewrittenError where the branch does not stand on what it was at the last time.
    """
    ref = f"{SEEN}{index}"
    seen = objects.one(ref)
    line = line.extended(program, tip)
    if seen is not None and seen.id not in line:
        raise RewrittenError(
            f"The index {index!r} was rewritten: {tip[:12]} does not stand on {seen.id[:12]}, which was its tip before.",
            f"Set the branch back. If it is meant: `git --git-dir={program.git_dir} update-ref -d {ref}`, and start again.",
        )
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
