"""What an index shows: its own projects and those of its bases, as they are on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.sources.layers import Layer, Layers
from wharf.sources.own_policy import layers_as_shown
from wharf.sources.resolution_order import resolution_order

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from wharf.index.snapshot import Snapshot
    from wharf.repository.opening import Repository


def read_with_bases(repository: Repository) -> Layers:
    """The index of a repository with all of its bases. Raises StorageError for bases that are missing, broken or in a circle.

    On GitHub these are the indexes at their last fetch: `Branch.indexes` brings all of them.
    """
    own = repository.branch.index
    snapshots = {own: repository.branch.snapshot()}

    def bases_of(name: str) -> Sequence[str] | None:
        if name not in snapshots:
            snapshots[name] = repository.branch.sibling(name).snapshot()
        found = snapshots[name]
        return None if found.commit is None and name != own else found.settings.bases

    return Layers([_layer(name, snapshots[name]) for name in resolution_order(own, bases_of)])


def read_as_shown(repository: Repository, now: datetime) -> Layers:
    """The same without the own files that the policy of the index hides at that moment: what installers see."""
    return layers_as_shown(read_with_bases(repository).layers, lambda: now)


def _layer(name: str, snapshot: Snapshot) -> Layer:
    return Layer(name, snapshot, snapshot.tree_ids())
