"""The snapshot of the index that the server shows, and how another one takes its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wharf.index.branch import Branch
    from wharf.index.snapshot import Snapshot
    from wharf.server.answer_cache import AnswerCache


@dataclass(frozen=True, slots=True)
class _Read:
    """The index as it is on this machine. `rewritten`: it drops reservations and does not stand on the commit before."""

    snapshot: Snapshot
    trees: dict[str, str]  # the git ids of the projects' folders
    rewritten: bool = False


class ShownIndex:
    """Keeps names from getting out:

    - A snapshot is shown whole or not at all.
    - A commit that was shown is shown until another one can be read whole, whatever becomes of branch and store.
    - An index without a commit is shown as an empty one only if it `may_be_empty`. Else nothing is shown before there is a
      commit: the cache is blind.
    - `read` may run in another thread, one at a time; all else is for the event loop's thread.
    """

    def __init__(self, branch: Branch, cache: AnswerCache, *, may_be_empty: bool) -> None:
        self._branch = branch
        self._cache = cache
        self._may_be_empty = may_be_empty
        self._snapshot: Snapshot | None = None

    @property
    def commit(self) -> str | None:
        """The commit that is shown."""
        return None if self._snapshot is None else self._snapshot.commit

    @property
    def blind(self) -> bool:
        """Whether no index was seen yet."""
        return self._cache.blind

    def read(self) -> _Read:
        """The index as it is on this machine. Raises WharfError and OSError."""
        before = self._snapshot
        snapshot = self._branch.snapshot(before)
        trees = snapshot.tree_ids()
        if before is None or before.commit is None or snapshot.commit is None:
            return _Read(snapshot, trees)
        fewer = set(before.settings.reserved) - set(snapshot.settings.reserved)
        return _Read(snapshot, trees, bool(fewer) and not self._branch.continues(before.commit, snapshot.commit))

    def show(self, read: _Read) -> bool:
        """Show what was read. False: there is no commit, and what was shown stays."""
        if read.snapshot.commit is None and (self.commit or not self._may_be_empty):
            self._cache.blind = self._cache.blind or self._snapshot is None
            return False
        self._cache.swap(read.snapshot, read.trees, rewritten=read.rewritten)
        self._snapshot = read.snapshot
        return True

    def show_nothing(self) -> None:
        """Nothing can be said of the index yet."""
        self._cache.blind = True
