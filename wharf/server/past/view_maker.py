"""How an index at a moment is read from the history."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from wharf.errors import RewrittenError, StorageError, WharfError
from wharf.index import wharf_toml
from wharf.index.commit_line import CommitLine
from wharf.index.git_objects import joint_id
from wharf.index.snapshot import Snapshot
from wharf.server.answer_maker import SETTLED, YOUNG
from wharf.server.past.past_lines import PastLines
from wharf.server.past.past_view import NeverTip, PastView, WholeId, as_datetime
from wharf.sources.layers import Layer
from wharf.sources.lazy_trees import LazyTrees
from wharf.sources.own_policy import layers_as_shown
from wharf.sources.resolution_order import resolution_order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wharf.index.branch import Branch
    from wharf.index.moment import Moment
    from wharf.sources.layers import Layers

SETTLES: Final = 3600
"""Seconds after which a moment cannot change any more: whoever writes takes the time from the store."""

_EMPTY = "0" * 40


class NotYetError(StorageError):
    """The history is not here yet, or is older than what is shown, and the moment needs what is new."""


class ViewMaker:
    """Makes views from the history that `branch` has. `copied`: it is a copy, which may be older than what is shown.

    Which commits a moment means is found by one thread at a time, which waits for no network. Layers are shared by all views
    that are still held.
    """

    def __init__(self, branch: Branch, *, copied: bool) -> None:
        self._branch = branch
        self._copied = copied
        self._lines = PastLines(branch)
        self._lock = threading.Lock()
        self._layers: WeakValueDictionary[tuple[str, str], Layer] = WeakValueDictionary()

    def look(self) -> None:
        """Notice commits that came, and branches that were rewritten. Raises StorageError."""
        with self._lock:
            self._lines.read()

    def check(self, index: str) -> None:
        """Raise what is wrong with the branch of an index, as far as it was noticed."""
        if index in self._lines.wrong:
            raise self._lines.wrong[index].with_traceback(None)

    def tip(self, index: str, shown: Mapping[str, Snapshot]) -> str | None:
        """The newest commit that the history has of an index. `shown` is as for `make`, and so are the errors."""
        with self._lock:
            self._lines.read()
            line = self._line(index, shown)
            self._check_new(line, index, shown)
            return line.tip

    @property
    def rewritten(self) -> list[str]:
        """The indexes whose branches do not stand on what they were."""
        return sorted(name for name, error in self._lines.wrong.items() if isinstance(error, RewrittenError))

    def make(self, index: str, moment: Moment, known: float, shown: Mapping[str, Snapshot]) -> PastView | NeverTip | WholeId:
        """The index at a moment. `shown` are the snapshots of now, by index.

        `known` is the time until which all tips are known, in seconds since 1970: that of the last word from GitHub.

        Raises NotYetError, RewrittenError where the branch was rewritten, and StorageError.
        """
        with self._lock:
            self._lines.read()
            line = self._line(index, shown)
            if moment.commit is None:
                time = moment.time or 0
            else:
                commit = line.named(moment.commit)
                if commit is None:
                    self._check_new(line, index, shown)
                    return NeverTip(moment.commit)
                if moment.is_short:
                    return WholeId(commit)
                time = line.time_of(commit)
            commits, wrong = self._commits(time, shown)
        if moment.commit is not None:
            commits[index] = moment.commit
        return self._view(index, moment, time, known, commits, wrong, shown)

    def _line(self, index: str, shown: Mapping[str, Snapshot]) -> CommitLine:
        self.check(index)
        line = self._lines.by_index.get(index)
        if line is None:
            line = CommitLine()
            self._check_new(line, index, shown)
        return line

    def _check_new(self, line: CommitLine, index: str, shown: Mapping[str, Snapshot]) -> None:
        """Raise NotYetError if a commit is shown that the history does not have."""
        commit = shown[index].commit if index in shown else None
        if self._copied and commit is not None and commit not in line:
            raise NotYetError(f"The history of {index!r} on this machine ends before {commit[:12]}.")

    def _commits(self, time: int, shown: Mapping[str, Snapshot]) -> tuple[dict[str, str | None], set[str]]:
        """What each index was at, and the indexes of which that is not known."""
        found: dict[str, str | None] = {}
        for name in {*self._lines.by_index, *shown} - self._lines.wrong.keys():
            line = self._lines.by_index.get(name, CommitLine())
            found[name] = line.at(time)
            if found[name] == line.tip:  # else what is new counts later
                self._check_new(line, name, shown)
        return found, set(self._lines.wrong)

    def _view(
        self,
        index: str,
        moment: Moment,
        time: int,
        known: float,
        commits: Mapping[str, str | None],
        wrong: set[str],
        shown: Mapping[str, Snapshot],
    ) -> PastView:
        layers = self._read({name: commit for name, commit in commits.items() if commit is not None}, wrong, shown)
        own = layers.get(index)
        if own is None and commits.get(index) is not None:
            raise StorageError(f"The index {index!r} at {moment.text} cannot be read.")
        if own is None:
            own = Layer(index, Snapshot(self._branch.objects, None), {})
        source = self._source(own, layers, time)
        tip = own.snapshot.commit
        # A commit of another index may still come in the same second, so a commit alone settles nothing that has bases.
        settled = known - time > SETTLES or (moment.commit is not None and len(source.layers) == 1)
        policy = own.snapshot.settings.policy
        holding = [] if policy is None else [str(each.holds(as_datetime(time))) for each in policy.exceptions]
        parts = joint_id([index, *(layer.snapshot.commit or _EMPTY for layer in source.layers), *holding])
        return PastView(
            index=index,
            key=f"{SETTLED if settled else YOUNG}:{parts}",
            time=time,
            commit=tip,
            settled=settled,
            layers=source,
            others=tuple(layers.values()),
            unread=bool(wrong),
            tips={name: snapshot.commit for name, snapshot in shown.items()},
            copied=self._copied,
            reserved=tuple(sorted({glob for layer in layers.values() for glob in layer.snapshot.settings.reserved})),
        )

    def _source(self, own: Layer, layers: Mapping[str, Layer], time: int) -> Layers:
        every = {**layers, own.index: own}

        def bases_of(name: str) -> Sequence[str] | None:
            self.check(name)
            return every[name].snapshot.settings.bases if name in every else None

        order, clock = resolution_order(own.index, bases_of), as_datetime(time)
        return layers_as_shown([every[name] for name in order], lambda: clock)

    def _read(self, commits: Mapping[str, str], wrong: set[str], shown: Mapping[str, Snapshot]) -> dict[str, Layer]:
        """The layers of these commits. What cannot be read is added to `wrong`."""
        found = {name: layer for name, commit in commits.items() if (layer := self._layers.get((name, commit))) is not None}
        missing = {name: commit for name, commit in commits.items() if name not in found}
        objects = self._branch.objects
        if self._copied and missing:  # their settings at once, not one after the other
            with contextlib.suppress(WharfError):
                roots = objects.trees(f"{commit}^{{tree}}" for commit in missing.values())
                blobs = [blob for root in roots if (blob := root.files.get(wharf_toml.PATH)) not in {None, *wharf_toml.KNOWN}]
                objects.read([blob for blob in blobs if blob is not None])
        for name, commit in missing.items():
            try:
                snapshot = Snapshot(objects, commit, shown.get(name))
            except WharfError:
                wrong.add(name)
                continue
            layer = Layer(name, snapshot, LazyTrees(snapshot))
            self._layers[name, commit] = layer
            found[name] = layer
        return found
