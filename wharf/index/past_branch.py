"""The branch of an index as it was at a moment. It is only read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NoReturn

from wharf.errors import NotFoundError, UsageError
from wharf.index.branch import Branch
from wharf.index.change import at_once
from wharf.index.commit_line import resolved
from wharf.index.index_name import is_index_name
from wharf.index.moment import check_not_ahead

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.index.branch import Committed
    from wharf.index.change import Change, Outcome, Stored
    from wharf.index.commit_message import CommitMessage
    from wharf.index.moment import Moment

_LAST: Final = 253_402_300_799  # 9999-12-31T23:59:59Z, what Python can show


class PastBranch(Branch):
    """The index of `branch` at a moment. The siblings are the other indexes at the same moment.

    `branch` has all of its commits at hand (`Branch.with_history`), and ends the git process that reads. `now` is in seconds
    since 1970. `time` is the moment, also where a commit names it: then it is from when that commit counts.

    Raises NotFoundError where the moment names a commit that was never the tip, or the index was not there yet; UsageError for
    a moment ahead of now; RewrittenError.
    """

    def __init__(self, branch: Branch, moment: Moment, now: float) -> None:
        super().__init__(branch.git_dir, branch.index, objects=branch.objects)
        check_not_ahead(moment, now)
        self._now = now
        self._branch = branch
        line = branch.line()
        commit = resolved(line, moment, branch.index)
        if commit is None:
            begins = f"It begins at {_utc(line.time_of(next(iter(line))))}." if line else ""
            raise NotFoundError(f"There was no index {branch.index!r} at {moment.text}.", begins)
        self._hold(branch, commit, line.time_of(commit) if moment.time is None else moment.time)

    def _hold(self, branch: Branch, commit: str | None, time: int) -> None:
        self.ref = branch.ref
        self._commit = commit
        self.time = time

    def sibling(self, index: str, *, removed: bool = False) -> PastBranch:
        """Another index at the same moment, also one that was removed since; it has no tip where it was not there yet."""
        other = self._branch.sibling(index, removed=removed)
        if not removed and other.tip() is None:
            other = self._branch.sibling(index, removed=True)
        found = PastBranch.__new__(PastBranch)
        Branch.__init__(found, other.git_dir, index, removed=removed, objects=self.objects)
        found._now, found._branch = self._now, other
        found._hold(other, other.line().at(self.time), self.time)
        return found

    @property
    def clock(self) -> datetime:
        """The moment as a time of day, or the last one that there is for Python."""
        return datetime.fromtimestamp(min(self.time, _LAST), UTC)

    @property
    def present(self) -> Branch:
        """The same index as it is now, over the same clone."""
        return self._branch

    def tip(self) -> str | None:
        """The commit that the index was at."""
        return self._commit

    def bring(self) -> None:
        """Have every file of the commit at hand, also on GitHub: who reads them one by one does not fetch each of them."""
        if self._commit is not None and self._objects.is_partial:
            contents = self.contents(self._commit)
            contents.bring(entry.id for _, entry in contents.entries() if entry.is_file)

    def indexes(self) -> list[str]:
        """The names of the indexes that were there, also of those that were removed since."""
        names = self.local_names()
        return [name for name in sorted({*names.there, *names.removed}) if is_index_name(name) and self.sibling(name).tip()]

    def commit(self, change: Change, message: CommitMessage, stored: Stored = at_once) -> Committed:
        """Never."""
        del change, message, stored
        self._refuse()

    def begin(self, actor: str | None = None, outcome: Outcome | None = None, at: str | None = None) -> str | None:
        """Never."""
        del actor, outcome, at
        self._refuse()

    def remove(self, tip: str, beside: Mapping[str, str]) -> bool:
        """Never."""
        del tip, beside
        self._refuse()

    def restore(self, tip: str, beside: Mapping[str, str]) -> bool:
        """Never."""
        del tip, beside
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UsageError("The past of an index cannot be changed.", "Leave the moment out (--at).")


def clock_of(branch: Branch) -> datetime:
    """The time of day by which policies judge what a branch has: now, or that of its moment."""
    return branch.clock if isinstance(branch, PastBranch) else datetime.now(UTC)


def _utc(time: int) -> str:
    return f"{datetime.fromtimestamp(min(time, _LAST), UTC):%Y-%m-%dT%H:%M:%SZ}"
