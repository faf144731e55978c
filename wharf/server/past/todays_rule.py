"""Whether a file that an index showed at a moment is sent today, and who took it away if it is gone."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.distribution.file_names import plain
from wharf.errors import WharfError
from wharf.index import file_removal
from wharf.index.git import Git
from wharf.model import Status
from wharf.sources.own_policy import verdict_on

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from wharf.index.branch import Branch
    from wharf.index.file_removal import Removal
    from wharf.index.policy import Hidden
    from wharf.model import File, Release
    from wharf.server.past.past_view import PastView
    from wharf.server.past.view_maker import ViewMaker
    from wharf.sources.layers import Layer, Layers

_KEPT = 4096  # removals that are remembered, some 500 bytes each
_REASON = 300  # characters of a reason that are told


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What holds today of a file that was shown at a moment.

    `quarantined`: why nothing of its project is sent. `hidden`: why it is not sent itself. `there`: the index still has it.
    `removal`: who took it away, as far as anybody knows. `until` is when that may change by time alone (None: never).
    """

    file: File
    quarantined: str | None = None
    hidden: Hidden | None = None
    there: bool = True
    removal: Removal | None = None
    until: datetime | None = None


class TodaysRule:
    """Judges files of views by what is shown now. All of it reads, and is for any thread but the event loop's."""

    def __init__(self, branch: Branch, maker: ViewMaker, now: Callable[[], datetime]) -> None:
        self._git = Git(branch.git_dir)
        self._maker = maker
        self._now = now
        self._lock = threading.Lock()
        self._removals: OrderedDict[tuple[str, ...], Removal | None] = OrderedDict()

    def of(self, view: PastView, name: str, sha256: str, filename: str, sources: Mapping[str, Layers]) -> Rule | None:
        """The rule for a file of a project (PEP 503 form); None where the view has no such file. `sources` are those of now.

        Raises NotYetError where the history is older than what is shown, and StorageError for damage.
        """
        found = view.layers.holder(name, filename)
        file = None if found is None else found[1].file(filename)
        if found is None or file is None or file.sha256 != sha256:
            return None
        layer, release = found
        now_there = _now(sources, layer.index, name, file)
        status = self._status(sources, view.index, layer.index, name)
        if status.marker == "quarantined":
            return Rule(file=file, quarantined=status.reason or "it gives no reason", there=now_there is not None)
        hidden, until = self._hidden(sources, view.index, name, status, release, now_there or file)
        removal = None if now_there is not None else self._removal(layer, release, file, sources)
        return Rule(file=file, hidden=hidden, there=now_there is not None, removal=removal, until=until)

    def _status(self, sources: Mapping[str, Layers], index: str, holder: str, name: str) -> Status:
        """What the index says of the project today; if that is nothing, what the index says that had the file."""
        status = sources[index].status(name) if index in sources else Status()
        if status == Status() and holder in sources:
            status = sources[holder].status(name)
        return status

    def _hidden(
        self, sources: Mapping[str, Layers], index: str, name: str, status: Status, release: Release, file: File
    ) -> tuple[Hidden | None, datetime | None]:
        settings = sources[index].layers[0].snapshot.settings if index in sources else None
        own = None if settings is None or settings.policy is None else settings.policy.own
        if own is None:
            return None, None
        return verdict_on(own, name, status, release.version, file, self._now())

    def _removal(self, layer: Layer, release: Release, file: File, sources: Mapping[str, Layers]) -> Removal | None:
        """Who took the file away after the moment of the layer."""
        since = layer.snapshot.commit or ""
        tip = self._maker.tip(layer.index, {name: source.layers[0].snapshot for name, source in sources.items()})
        # The last commit that took it away is the same for all moments at which it was there.
        place = (layer.index, tip or "", release.project, release.version, file.filename)
        with self._lock:
            if place in self._removals:
                self._removals.move_to_end(place)
                return self._removals[place]
        found = None
        if tip is not None:
            found = file_removal.find(self._git, since, tip, release.project, release.version, file.filename)
        with self._lock:
            self._removals[place] = found
            while len(self._removals) > _KEPT:
                self._removals.popitem(last=False)
        return found


def words_of(removal: Removal | None, filename: str) -> str:
    """What is said of a file that is gone."""
    if removal is None:
        return f"{filename} is gone: its bytes are not in the store any more."
    who, why = plain(removal.actor, 100), plain(" ".join(removal.reason.split()), _REASON)
    verb = {"remove": "removed", "prune": "pruned"}.get(removal.verb, f"taken away ({plain(removal.verb, 40)})")
    return f"{filename} was {verb} by {who} in commit {removal.commit[:12]}: {why or 'no reason was given'}."


def _now(sources: Mapping[str, Layers], index: str, name: str, file: File) -> File | None:
    """The record that an index has of the same file now."""
    if index not in sources:
        return None
    for each in sources[index].layers[0].snapshot.records_of_file(name, file.filename):
        if isinstance(each, WharfError):
            raise each
        found = each.file(file.filename)
        if found is not None and found.sha256 == file.sha256:
            return found
    return None
