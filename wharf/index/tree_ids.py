"""The git ids of the folders of projects, by name, in the shards that the branch keeps them in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


class TreeIds(Mapping[str, str]):
    """The id of each project's folder. What two snapshots have in common they share, shard by shard.

    So neither making one nor comparing two of them costs more than their shards, of which there are some hundreds, and the
    names in those shards that differ.
    """

    __slots__ = ("_shards",)

    def __init__(self, shards: Mapping[str, Mapping[str, str]]) -> None:
        self._shards = shards

    def __getitem__(self, name: str) -> str:
        return self._shards[name[:2]][name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._shards.get(name[:2], ())

    def __iter__(self) -> Iterator[str]:
        for shard in self._shards.values():
            yield from shard

    def __len__(self) -> int:
        return sum(map(len, self._shards.values()))

    def __bool__(self) -> bool:
        return any(self._shards.values())

    def differing(self, before: TreeIds) -> list[str]:
        """The names whose folders are others than before, or are in one of the two alone."""
        found: list[str] = []
        old, new = before._shards, self._shards
        for shard in [shard for shard, names in new.items() if old.get(shard) is not names] + [*(old.keys() - new.keys())]:
            found += _differing(old.get(shard, {}), new.get(shard, {}))
        return found


def differing(before: Mapping[str, str], after: Mapping[str, str]) -> Collection[str]:
    """The same of any two mappings of that kind."""
    if isinstance(before, TreeIds) and isinstance(after, TreeIds):
        return after.differing(before)
    return _differing(before, after)


def _differing(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return [*{name for name, _ in before.items() ^ after.items()}]  # that alone, of a thousand names, is not a loop in Python
