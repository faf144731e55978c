"""The snapshots that the server shows, of all indexes of the repository, and how others take their place."""

from __future__ import annotations

import logging
import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wharf.errors import StorageError, WharfError
from wharf.index.all_indexes import AllIndexes
from wharf.index.index_name import REMOVED
from wharf.index.tree_ids import differing
from wharf.sources.layers import Layer
from wharf.sources.own_policy import layers_as_shown
from wharf.sources.resolution_order import resolution_order
from wharf.system.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from wharf.index.all_indexes import FoundIndexes
    from wharf.index.branch import Branch
    from wharf.index.snapshot import Snapshot
    from wharf.server.answer_cache import AnswerCache
    from wharf.sources.layers import Layers

log = logging.getLogger("wharf")

Problems = dict[str, WharfError | OSError]
"""What is wrong, by the index that it is wrong with."""


@dataclass(frozen=True, slots=True)
class ReadIndexes:
    """What is on this machine: the layer of each index that can be read, and what is wrong with the others.

    `rewritten` are those that drop reservations and do not stand on the commit before. `removed` are layers of indexes that
    were removed. `names` are those of broken indexes, as far as they can be read. `together` is what is shown of all of that.
    """

    layers: dict[str, Layer] = field(default_factory=dict)
    rewritten: set[str] = field(default_factory=set)
    removed: dict[str, Layer] = field(default_factory=dict)
    broken: Problems = field(default_factory=dict)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    together: Together = field(default_factory=lambda: Together())


@dataclass(slots=True)
class Together:
    """The layers that are shown from now on, the source of each index that has one, and what keeps the others from having one.

    `changed` are the indexes that show something else than before, as `AnswerCache.swap` takes them. `differ` are the projects
    that differ in each layer itself (None: any may). `own`: the own index is among the layers as it is here.
    """

    layers: dict[str, Layer] = field(default_factory=dict)
    sources: dict[str, Layers] = field(default_factory=dict)
    problems: Problems = field(default_factory=dict)
    changed: dict[str, Collection[str] | None] = field(default_factory=dict)
    differ: dict[str, Collection[str] | None] = field(default_factory=dict)
    own: bool = True


@dataclass(frozen=True, slots=True)
class NowShown:
    """What came of it. `own`: the own index is shown as it is here. `missing`: others are shown, and are not here any more."""

    own: bool
    missing: Collection[str]
    problems: Problems


class ShownIndexes:
    """Keeps names from getting out:

    - A snapshot is shown whole or not at all.
    - A commit that was shown is shown until another one can be read whole, whatever becomes of branch and store. Only an index
      that was removed as such is shown no more.
    - An index whose bases lead nowhere, or back to itself, is shown as it was before, and so is what stands on it.
    - The own index, which is at the root, is shown as an empty one where it has no commit only if it `may_be_empty`. Any other
      index of which nothing can be shown yet is `blind` in the cache.
    - The cache's claims learn the names of everything that can be read: shown or not, removed, or with settings that cannot be
      read. What the last of these reserve is not known, but what they reserved before is.
    - `read` may run in another thread. All else is for the event loop's thread.
    - What `read` gave is shown before `read` begins again, because it says what takes the place of what is shown.
    """

    def __init__(
        self,
        branch: Branch,
        cache: AnswerCache,
        *,
        may_be_empty: bool,
        every: Callable[[], bool],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._own = branch.index
        self._indexes = AllIndexes(branch)
        self._cache = cache
        self._may_be_empty = may_be_empty
        self._every = every
        self._now = now
        self._complete = False  # whether all indexes were here once: a copy that is thrown away takes nothing back
        self._layers: dict[str, Layer] = {}
        self._orders = _Orders()
        self._learned: dict[str, Layer] = {}  # of indexes, and of removed ones by their refs: what the claims know already

    @property
    def commit(self) -> str | None:
        """The commit of the own index that is shown."""
        return None if self._own not in self._layers else self._layers[self._own].snapshot.commit

    @property
    def blind(self) -> bool:
        """Whether nothing of the own index was seen yet."""
        return self._own in self._cache.blind

    def stamp(self) -> object:
        """A value that changes whenever any tip may have moved, or all indexes are here for the first time."""
        return self._indexes.stamp(), self._every()

    def read(self) -> ReadIndexes:
        """The indexes as they are on this machine. Raises WharfError and OSError."""
        found = self._indexes.read({name: layer.snapshot for name, layer in self._layers.items()})
        read = ReadIndexes(broken=dict(found.broken), names=found.names)
        self._read_layers(found, read)
        self._put_together(read)
        return read

    def _read_layers(self, found: FoundIndexes, read: ReadIndexes) -> None:
        shown = self._layers
        for name, snapshot in found.snapshots.items():
            known = self._learned.get(name)
            same = [each for each in (shown.get(name), known) if each is not None and each.snapshot.commit == snapshot.commit]
            if same:
                read.layers[name] = same[0]
                continue
            try:
                read.layers[name] = Layer(name, snapshot, snapshot.tree_ids())
            except WharfError as error:
                read.broken[name] = error
                continue
            if known is not None and self._is_rewritten(known.snapshot, snapshot):
                read.rewritten.add(name)
        for name, snapshot in found.removed.items():
            known = self._learned.get(f"{REMOVED}{name}")
            if known is not None and known.snapshot.commit == snapshot.commit:
                read.removed[name] = known
                continue
            try:
                read.removed[name] = Layer(name, snapshot, snapshot.tree_ids())
            except WharfError as error:
                read.broken.setdefault(name, error)

    def _put_together(self, read: ReadIndexes) -> None:
        """What is shown of what was read. Of very many indexes upon each other, that takes seconds."""
        fresh = dict(read.layers)
        own = fresh.get(self._own)
        empty = own is not None and own.snapshot.commit is None
        if empty and (self.commit or not self._may_be_empty or self._own in read.removed):
            del fresh[self._own]
        into = read.together
        into.layers = {**self._layers, **fresh}
        into.sources, into.problems = self._resolved(into.layers)
        into.own = not empty or self._own in fresh
        self._drop_removed(read.removed.keys() - read.layers.keys(), into.layers, into.sources)
        into.differ = {name: _difference(self._layers.get(name), layer) for name, layer in into.layers.items()}
        into.changed = self._changed(into.differ, into.sources)

    def _is_rewritten(self, before: Snapshot, after: Snapshot) -> bool:
        """Whether a commit drops reservations and does not stand on the one before."""
        if before.commit is None or after.commit is None:
            return False
        fewer = set(before.settings.reserved) - set(after.settings.reserved)
        return bool(fewer) and not self._indexes.continues(before.commit, after.commit)

    def show(self, read: ReadIndexes) -> NowShown:
        """Show what was read. What is wrong with an index leaves that one as it was."""
        layers, sources = read.together.layers, read.together.sources
        missing = layers.keys() - read.layers.keys() - read.broken.keys()
        problems = {**read.together.problems, **read.broken}
        self._learn(read)
        of_broken = read.broken.keys() - read.removed.keys()
        self._cache.blind = frozenset({*layers, *read.layers, *of_broken, self._own} - sources.keys())
        self._complete = self._complete or self._every()
        self._cache.claims.unread = not self._complete or not all(map(self._was_read, read.broken))
        self._cache.forget_upstreams()
        self._layers = layers
        if read.together.changed:
            self._cache.swap(sources, read.together.changed)
        return NowShown(own=self._own not in missing and read.together.own, missing=missing, problems=problems)

    def _drop_removed(self, removed: Collection[str], layers: dict[str, Layer], sources: dict[str, Layers]) -> None:
        """Show removed indexes no more, but for those that others still have as bases."""
        used = {layer.index for name, source in sources.items() if name not in removed for layer in source.layers}
        for name in {*removed} - used:
            layers.pop(name, None)
            sources.pop(name, None)

    def show_nothing(self) -> None:
        """Nothing can be said of any index yet."""
        self._cache.blind |= {self._own}
        self._cache.claims.unread = True
        self._cache.forget_upstreams()

    def _resolved(self, layers: dict[str, Layer]) -> tuple[dict[str, Layers], Problems]:
        """What each index shows. Layers whose bases cannot be resolved give way to those that were shown; then to nothing."""
        problems: Problems = {}
        while True:
            sources: dict[str, Layers] = {}
            failed: Problems = {}
            for name, order in self._orders.of(layers).items():
                if isinstance(order, StorageError):
                    failed[name] = order
                else:
                    sources[name] = self._source([layers[each] for each in order])
            changed = [name for name in failed if layers[name] is not self._layers.get(name)]
            problems = {**failed, **problems}
            if not failed:
                return sources, problems
            for name in changed or failed:
                if name in self._layers and changed:
                    layers[name] = self._layers[name]
                else:
                    del layers[name]

    def _source(self, layers: list[Layer]) -> Layers:
        """The source of these layers; the one that is shown, if it is of the same."""
        shown = self._cache.sources.get(layers[0].index)
        if shown is not None and len(shown.layers) == len(layers) and all(map(operator.is_, shown.layers, layers)):
            return shown
        return layers_as_shown(layers, self._now)

    def _learn(self, read: ReadIndexes) -> None:
        """Claim the names of all that was read, whether or not it can be shown."""
        known = {**{f"{REMOVED}{name}": layer for name, layer in read.removed.items()}, **read.layers}
        for key, layer in known.items():
            before = self._learned.get(key)
            if layer is before or layer.snapshot.commit is None:
                continue
            self._learned[key] = layer
            came = self._names_since(before, key, layer, read.together)
            lost = () if before is None else sorted(name for name in came if name not in layer.trees)
            self._cache.claims.learn(key, came, layer.snapshot.settings, rewritten=key in read.rewritten)
            self._tell_of_lost(lost)
        for name, names in read.names.items():
            self._cache.claims.learn_names(name, names)

    def _names_since(self, before: Layer | None, key: str, layer: Layer, together: Together) -> Collection[str]:
        """The names that differ from what the claims know; those that were found for what is shown, if that is the same."""
        same = before is not None and before is self._layers.get(key) and layer is together.layers.get(key)
        found = together.differ.get(key) if same else None
        if found is not None:
            return found
        return layer.trees if before is None else differing(before.trees, layer.trees)

    def _was_read(self, name: str) -> bool:
        """Whether an index was ever read whole, before or after it was removed: what it reserved then is known."""
        return name in self._learned or f"{REMOVED}{name}" in self._learned

    def _tell_of_lost(self, lost: Sequence[str]) -> None:
        if lost:
            some = ", ".join(lost[:3]) + (" and others" if len(lost) > 3 else "")
            log.warning("The index lacks projects that it had: %s. This server sends nobody elsewhere for them.", some)

    def _changed(
        self, differ: Mapping[str, Collection[str] | None], sources: dict[str, Layers]
    ) -> dict[str, Collection[str] | None]:
        """The indexes that are going to show something else, with the names of the projects that may differ (None: any)."""
        before = self._cache.sources
        changed: dict[str, Collection[str] | None] = {}
        for name, source in sources.items():
            if source is before.get(name):
                continue
            parts = [differ[layer.index] for layer in source.layers]
            same = name in before and [each.index for each in before[name].layers] == [each.index for each in source.layers]
            whole = not same or any(part is None for part in parts)
            changed[name] = None if whole else {each for part in parts for each in part or ()}
        changed.update(dict.fromkeys(before.keys() - sources.keys()))
        return changed


class _Orders:
    """The resolution orders of indexes, computed again only if the bases of one of them changed."""

    def __init__(self) -> None:
        self._bases: dict[str, tuple[str, ...]] = {}
        self._found: dict[str, list[str] | StorageError] = {}

    def of(self, layers: Mapping[str, Layer]) -> Mapping[str, list[str] | StorageError]:
        """The order of each index, or what is wrong with its bases."""
        bases = {name: layer.snapshot.settings.bases for name, layer in layers.items()}
        if bases != self._bases:
            self._bases, self._found = bases, {name: _order(name, bases) for name in bases}
        return self._found


def _order(name: str, bases: Mapping[str, tuple[str, ...]]) -> list[str] | StorageError:
    try:
        return resolution_order(name, bases.get)
    except StorageError as error:
        return error


def _difference(before: Layer | None, after: Layer) -> Collection[str] | None:
    """The names of projects that differ between two snapshots of an index; None: any may."""
    if before is after:
        return ()
    if before is None or before.snapshot.settings != after.snapshot.settings:
        return None
    return differing(before.trees, after.trees)
