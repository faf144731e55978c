"""Which commits were the tips of the indexes, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.errors import RewrittenError, WharfError
from wharf.index.commit_line import CommitLine
from wharf.index.index_name import is_index_name

if TYPE_CHECKING:
    from wharf.index.branch import Branch


class PastLines:
    """The lines of all indexes of a repository, and of those that were removed, as its history on this machine tells them.

    - They are read again only if a ref moved. A line grows by what is new.
    - A branch that was rewritten has no line, for as long as it does not stand on what it was: `wrong` says so.
    - One thread at a time.
    """

    def __init__(self, branch: Branch) -> None:
        self.by_index: dict[str, CommitLine] = {}
        self.wrong: dict[str, WharfError] = {}
        self._branch = branch
        self._kept: dict[str, CommitLine] = {}
        self._stamp: object = None

    def read(self) -> None:
        """Know all commits that are here. Raises StorageError where nothing can be read."""
        stamp = self._branch.stamp_of_all()
        if stamp == self._stamp:
            return
        listed = self._branch.local_names()
        names = {**dict.fromkeys(filter(is_index_name, listed.removed), True), **dict.fromkeys(listed.there, False)}
        lines: dict[str, CommitLine] = {}
        wrong: dict[str, WharfError] = {}
        for name in filter(is_index_name, names):
            branch = self._branch.sibling(name, removed=names[name])
            try:
                lines[name] = self._line(branch)
            except WharfError as error:
                wrong[name] = error
        self.by_index, self.wrong = lines, wrong
        # What cannot be read now may be readable in a moment, though nothing moves.
        self._stamp = stamp if all(isinstance(each, RewrittenError) for each in wrong.values()) else None

    def _line(self, branch: Branch) -> CommitLine:
        known = self._kept.get(branch.index, CommitLine())
        self._kept[branch.index] = known  # a rewritten branch is known by what it was
        return branch.line(known)
