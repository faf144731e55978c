"""The names that belong to an index, and are looked for nowhere else: what keeps others from taking them elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.index.wharf_toml import IndexSettings

if TYPE_CHECKING:
    from collections.abc import Iterable


class ClaimedNames:
    """The names of every commit that was shown, for as long as the server runs, and those that the index reserves.

    wharf takes no name away from an index: a project stays in it when its last release is removed. So a commit that lacks a
    name is no reason to let others have that name. A reservation ends by a commit on top of the one that made it.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._settings = IndexSettings()
        self._before: list[IndexSettings] = []

    def learn(self, names: Iterable[str], settings: IndexSettings, *, rewritten: bool) -> list[str]:
        """What another commit says; the names that earlier ones had and this one lacks.

        `rewritten`: the commit does not stand on the one before, so that it takes nothing back.
        """
        if rewritten and self._settings not in self._before:
            self._before.append(self._settings)
        self._settings = settings
        now = set(names)
        lost = sorted(self._names - now)
        self._names |= now
        return lost

    def reserves(self, name: str) -> bool:
        """Whether a (normal) name is reserved."""
        return any(each.reserves(name) for each in (self._settings, *self._before))

    def has(self, name: str) -> bool:
        """Whether a (normal) name belongs to the index, whether or not it has a project of it now."""
        return name in self._names or self.reserves(name)
