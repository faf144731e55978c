"""The names that belong to a repository, and are looked for nowhere else: what keeps others from taking them elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wharf.index import name_globs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wharf.index.wharf_toml import IndexSettings


@dataclass(slots=True)
class _OfIndex:
    """What one index has claimed: the names of its projects, the globs that it reserves, and those of replaced commits."""

    names: set[str] = field(default_factory=set)
    reserved: tuple[str, ...] = ()
    before: set[str] = field(default_factory=set)


class ClaimedNames:
    """The names of every commit of every index that was seen, for as long as the server runs, and those that they reserve.

    - A name that one index of the repository owns or reserves belongs to all of them.
    - wharf takes no name away from an index: a project stays in it when its last release is removed. So a commit that lacks a
      name is no reason to let others have that name. A reservation ends by a commit on top of the one that made it.
    - The names of a removed index stay claimed.
    - `has` and `reserves` may be called from any thread.
    - `unread`: there are indexes of which no commit was ever read. Their names are not known, so no name is free.
    """

    def __init__(self) -> None:
        self.unread = False
        self._by_index: dict[str, _OfIndex] = {}
        self._globs: tuple[str, ...] = ()  # of all indexes: one pattern is made of them

    def learn(self, index: str, names: Iterable[str], settings: IndexSettings, *, rewritten: bool = False) -> None:
        """What another commit of an index says: the names that came with it (others may be among them), and what it reserves.

        `rewritten`: the commit does not stand on the one before, so that it takes nothing back.
        """
        claimed = self._by_index.setdefault(index, _OfIndex())
        if rewritten:
            claimed.before.update(claimed.reserved)
        if rewritten or claimed.reserved != settings.reserved:
            claimed.reserved = settings.reserved
            self._reserve()
        self.learn_names(index, names)

    def _reserve(self) -> None:
        every = self._by_index.values()
        self._globs = tuple(sorted({glob for each in every for glob in (*each.reserved, *each.before)}))

    def learn_names(self, index: str, names: Iterable[str]) -> None:
        """The same of a commit whose settings cannot be read: what it reserves is not known."""
        self._by_index.setdefault(index, _OfIndex()).names.update(names)

    def reserves(self, name: str) -> bool:
        """Whether a (normal) name is reserved by any index."""
        return name_globs.matches(self._globs, name)

    def has(self, name: str) -> bool:
        """Whether a (normal) name belongs to the repository, whether or not an index has a project of it now."""
        return any(name in found.names for found in tuple(self._by_index.values())) or self.reserves(name)
