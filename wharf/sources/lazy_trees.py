"""The git ids of the folders of projects, each read when somebody asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wharf.index.snapshot import Snapshot


class LazyTrees(Mapping[str, str]):
    """What `Snapshot.tree_ids` has, in the same way; to ask for one name reads at most one folder. Any thread may ask.

    Raises StorageError for damage.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._whole: Mapping[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        found = self._snapshot.tree_id(name) if self._whole is None else self._whole.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> Mapping[str, str]:
        if self._whole is None:
            self._whole = self._snapshot.tree_ids()
        return self._whole
