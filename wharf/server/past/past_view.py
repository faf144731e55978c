"""An index at a moment, and which names belonged to the repository then."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wharf.index import name_globs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.sources.layers import Layer, Layers

_LATEST = 253_402_300_799
_PREPARED = 10_000  # names that a view remembers as read
_WEIGHT = 3000  # bytes of a view without its layers


@dataclass(frozen=True, slots=True, eq=False)
class PastView:
    """The index at a moment.

    - `key` is what the answers of its `layers` are kept by: two moments at which the same commits were the tips have the same.
    - `time` is the moment, in seconds since 1970, and `commit` the tip then (None: the index had none yet).
    - `settled`: no commit that is still to come can change it. Where it is not, `tips` are the tips that it was made of.
    - `others` are all indexes of the repository at the moment. `unread`: one of them cannot be read, so no name is free.
    - What `prepare` has read of a name, the other methods find without reading. It is for any thread but the event loop's.
    """

    index: str
    key: str
    time: int
    commit: str | None
    settled: bool
    layers: Layers
    others: tuple[Layer, ...]
    unread: bool
    tips: Mapping[str, str | None]
    copied: bool
    reserved: tuple[str, ...] = ()
    prepared: set[str] = field(default_factory=set)

    def prepare(self, name: str) -> None:
        """Read what `owns` and the source say of a (normal) name. Where the history is a copy, all records of it at once."""
        self.reserves(name)  # which makes a pattern of up to thousands of globs
        for layer in self.others:
            layer.trees.get(name)
        if self.copied:
            for layer in self.layers.layers:
                layer.snapshot.prefetch((name, version) for version in layer.snapshot.versions(name))
        if len(self.prepared) >= _PREPARED:
            self.prepared.clear()
        self.prepared.add(name)

    def owns(self, name: str) -> bool:
        """Whether an index had a project of that (normal) name."""
        return any(name in layer.trees for layer in self.others)

    def reserves(self, name: str) -> bool:
        """Whether an index reserved that (normal) name."""
        return name_globs.matches(self.reserved, name)

    def weight(self) -> int:
        """Bytes in memory, by a cautious estimate."""
        return _WEIGHT + sum(layer.snapshot.weight() for layer in self.others) + 100 * len(self.prepared)


@dataclass(frozen=True, slots=True)
class NeverTip:
    """In the place of a view: the moment names a commit that was never the tip of the index, or none."""

    commit: str


@dataclass(frozen=True, slots=True)
class WholeId:
    """In the place of a view: the moment names a commit by the beginning of its id."""

    commit: str


def as_datetime(time: int) -> datetime:
    """A time (seconds since 1970) as a value of Python, which has none after the year 9999."""
    return datetime.fromtimestamp(min(time, _LATEST), UTC)
