"""The names that belong to a repository, and are looked for nowhere else: what keeps others from taking them elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wharf.index.wharf_toml import IndexSettings

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(slots=True)
class _OfIndex:
    """What one index has claimed: the names of its projects, what it reserves, and what commits reserved that were replaced."""

    names: set[str] = field(default_factory=set)
    settings: IndexSettings = field(default_factory=IndexSettings)
    before: list[IndexSettings] = field(default_factory=list)


class ClaimedNames:
    """The names of every commit of every index that was seen, for as long as the server runs, and those that they reserve.

    - A name that one index of the repository owns or reserves belongs to all of them.
    - wharf takes no name away from an index: a project stays in it when its last release is removed. So a commit that lacks a
      name is no reason to let others have that name. A reservation ends by a commit on top of the one that made it.
    - The names of a removed index stay claimed.
    - `unread`: there are indexes of which no commit was ever read. Their names are not known, so no name is free.
    """

    def __init__(self) -> None:
        self.unread = False
        self._by_index: dict[str, _OfIndex] = {}

    def learn(self, index: str, names: Iterable[str], settings: IndexSettings, *, rewritten: bool = False) -> list[str]:
        """What another commit of an index says; the names that earlier ones had and this one lacks.

        `rewritten`: the commit does not stand on the one before, so that it takes nothing back.
        """
        claimed = self._by_index.setdefault(index, _OfIndex())
        if rewritten and claimed.settings not in claimed.before:
            claimed.before.append(claimed.settings)
        claimed.settings = settings
        now = set(names)
        lost = sorted(claimed.names - now)
        claimed.names |= now
        return lost

    def reserves(self, name: str) -> bool:
        """Whether a (normal) name is reserved by any index."""
        return any(each.reserves(name) for found in self._by_index.values() for each in (found.settings, *found.before))

    def has(self, name: str) -> bool:
        """Whether a (normal) name belongs to the repository, whether or not an index has a project of it now."""
        return any(name in found.names for found in self._by_index.values()) or self.reserves(name)
