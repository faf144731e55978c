"""All indexes of one repository, as they are on this machine, and those that were removed. Nothing here asks the network."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wharf.errors import StorageError, WharfError
from wharf.index.index_name import BRANCHES, REMOVED, is_index_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.index.branch import Branch
    from wharf.index.snapshot import Snapshot

MOST_INDEXES: Final = 1000
"""A repository with more is not read: each index costs a look several times a second."""


@dataclass(frozen=True, slots=True)
class FoundIndexes:
    """What was found: each index as a snapshot or as what is wrong with it, and the last commits of removed indexes.

    `names` are those of the projects of broken indexes, as far as they can be read.
    """

    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    broken: dict[str, WharfError | OSError] = field(default_factory=dict)
    removed: dict[str, Snapshot] = field(default_factory=dict)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)


class AllIndexes:
    """Reads every index of the repository that a branch belongs to.

    - What is wrong with one index keeps no other from being read. That goes for removed ones, too.
    - An index that is removed or restored at this moment is found in one state or the other, or is broken.
    - Branches whose names no index can have are left out.
    - The index of the branch itself is among the snapshots even if there is no commit of it yet.
    - One thread at a time.
    """

    def __init__(self, branch: Branch) -> None:
        self._branches = {branch.index: branch}
        self._own = branch

    def stamp(self) -> object:
        """A value that changes whenever any tip may have moved: a few system calls, and one for each index."""
        return self._own.stamp_of_all()

    def read(self, before: Mapping[str, Snapshot]) -> FoundIndexes:
        """All that is here. Of a snapshot from before, only what changed since is read. Raises StorageError and OSError."""
        listed = self._own.local_names()
        names = {*filter(is_index_name, listed.there), self._own.index}
        if len(names) > MOST_INDEXES:
            raise StorageError(
                f"The repository has {len(names)} indexes, and wharf serves at most {MOST_INDEXES}.",
                "Remove those that nobody needs: `wharf index remove NAME`.",
            )
        found = FoundIndexes()
        for name in names:
            if name not in self._branches:
                self._branches[name] = self._own.sibling(name)
            try:
                snapshot = self._branches[name].snapshot(before.get(name))
            except (WharfError, OSError) as error:
                self._note(found, name, error, f"{BRANCHES}{name}")
                continue
            if snapshot.commit is not None or name == self._own.index:
                found.snapshots[name] = snapshot
        for name in filter(is_index_name, listed.removed):
            self._read_removed(found, name)
        return found

    def _read_removed(self, found: FoundIndexes, name: str) -> None:
        ref = f"{REMOVED}{name}"
        try:
            commit = self._own.commit_at(ref)
            if commit is not None:
                found.removed[name] = self._own.snapshot_at(commit)
                return
            if name in found.snapshots and found.snapshots[name].commit is not None:
                return  # it was restored at this moment
            lost = StorageError(f"{ref} is lost or damaged: the names of that removed index are not known.")
        except WharfError as error:
            self._note(found, name, error, ref)
        else:
            found.broken.setdefault(name, lost)

    def _note(self, found: FoundIndexes, name: str, error: WharfError | OSError, ref: str) -> None:
        """What is wrong with an index; the names of its projects, if they can be read all the same."""
        found.broken.setdefault(name, error)
        with contextlib.suppress(WharfError, OSError):
            commit = self._own.commit_at(ref)
            if commit is not None:
                found.names[name] = (*found.names.get(name, ()), *self._own.names_at(commit))

    def continues(self, before: str, after: str) -> bool:
        """Whether a commit has an earlier one below it, as far as the commits on this machine show."""
        return self._own.continues(before, after)
