"""The moments of the past that are held in memory, each made once for all who ask for it meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from wharf.errors import DamagedError
from wharf.index.moment import check_not_ahead, parse_moment
from wharf.server.answer_maker import SETTLED, YOUNG
from wharf.server.daemon_threads import DaemonThreads
from wharf.server.past.past_view import PastView
from wharf.server.past.view_maker import SETTLES, NotYetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from wharf.server.answer_cache import AnswerCache
    from wharf.server.past.history_copy import HistoryCopy
    from wharf.server.past.past_view import NeverTip, WholeId
    from wharf.server.past.view_maker import ViewMaker

MOMENTS: Final = 64
"""Moments that are held at most."""
WEIGHT: Final = 24 << 20
"""Bytes that they have in memory at most, by a cautious estimate, or it is one of them: part of the budget of the answers."""

_AT_ONCE = 2  # moments that are made at the same time, or read for one name

_Key = tuple[str, str]
T = TypeVar("T")


class HeldViews:
    """Views of the past, of all indexes of a repository.

    - A moment that settled is made once while it is held. A younger one is made again when any index moved.
    - A moment settles by the time until which all tips are known: a copy tells of no commit that GitHub got later.
    - At most `MOMENTS` are held, with `WEIGHT` bytes. What was looked up least lately goes first, with its place in the cache.
    - All methods are for the event loop's thread; git is read in other threads.
    """

    def __init__(
        self,
        cache: AnswerCache,
        history: HistoryCopy,
        maker: ViewMaker,
        *,
        now: Callable[[], datetime],
        age: Callable[[], float],
    ) -> None:
        self.asked = False
        self._cache = cache
        self._history = history
        self._maker = maker
        self._looked = -1  # the count of swaps at the last look at all branches
        self._now = now
        self._age = age
        self._threads = DaemonThreads("past", _AT_ONCE)
        self._held: OrderedDict[_Key, PastView] = OrderedDict()
        self._weights: dict[_Key, int] = {}
        self._making: dict[tuple[object, ...], asyncio.Task[PastView | NeverTip | WholeId]] = {}
        self._pins: Counter[str] = Counter()
        self._preparing: dict[tuple[PastView, str], asyncio.Task[None]] = {}
        cache.past_damaged, cache.read_past = history.distrust, history.run

    async def view(self, index: str, when: str) -> PastView | NeverTip | WholeId:
        """The index at a moment, as it is written in an address.

        Raises UsageError for what is no moment or ahead of now, NotYetError, RewrittenError and StorageError.
        """
        moment, now = parse_moment(when), self._now().timestamp()
        check_not_ahead(moment, now)
        self.asked = True
        if not self._history.is_here:
            raise NotYetError("The history of the repository is not here yet.")
        if self._looked != self._cache.swaps:
            looked = self._cache.swaps
            await self._read(self._maker.look)
            self._looked = looked
        self._maker.check(index)
        held = self._held.get((index, when))
        known = now - self._age()
        if held is not None and self._holds(held, known):
            self._held.move_to_end((index, when))
            return held
        shown = {name: source.layers[0].snapshot for name, source in self._cache.sources.items()}
        doing = (index, when, self._cache.swaps)
        task = self._making.get(doing)
        if task is None:
            make = partial(self._maker.make, index, moment, known, shown)
            task = asyncio.create_task(self._make(index, when, make))
            self._making[doing] = task
            task.add_done_callback(lambda _task: self._making.pop(doing))
        return await asyncio.shield(task)

    @contextlib.contextmanager
    def pinned(self, view: PastView) -> Iterator[None]:
        """The view keeps its place in the cache, whatever else is asked for meanwhile."""
        self._cache.past.setdefault(view.key, (view.layers, SETTLED if view.settled else YOUNG))
        self._pins[view.key] += 1
        try:
            yield
        finally:
            self._pins[view.key] -= 1
            self._forget(view.key)

    async def prepare(self, view: PastView, name: str) -> None:
        """Have in memory what the view says of a (normal) name. Raises StorageError."""
        if name in view.prepared:
            return
        task = self._preparing.get((view, name))
        if task is None:
            task = asyncio.create_task(self._prepare(view, name))
            self._preparing[view, name] = task
            task.add_done_callback(lambda _task: self._preparing.pop((view, name)))
        await asyncio.shield(task)

    async def _prepare(self, view: PastView, name: str) -> None:
        await self._read(partial(view.prepare, name))
        self.weigh(view)  # also of names that nobody has: clients make them up

    def settles(self, view: PastView) -> float | None:
        """In how many seconds a view has to be made again though nothing moves; None: never."""
        if view.settled:
            return None
        return max(view.time + SETTLES + 1 - self._now().timestamp() + self._age(), 0.0)

    def weigh(self, view: PastView) -> None:
        """Count what a view has in memory by now, and let others go where that is too much."""
        for place, held in self._held.items():
            if held is view:
                self._weights[place] = view.weight()
        while len(self._held) > MOMENTS or (len(self._held) > 1 and sum(self._weights.values()) > WEIGHT):
            self._drop(next(iter(self._held)))
        self._cache.beside = sum(self._weights.values())

    def _holds(self, view: PastView, known: float) -> bool:
        if view.settled:
            return True
        return known - view.time <= SETTLES and all(
            source.layers[0].snapshot.commit == view.tips.get(name, "") for name, source in self._cache.sources.items()
        )

    async def _make(
        self, index: str, when: str, make: Callable[[], PastView | NeverTip | WholeId]
    ) -> PastView | NeverTip | WholeId:
        found = await self._read(make)
        if isinstance(found, PastView):
            self._hold((index, when), found)
        return found

    async def _read(self, question: Callable[[], T]) -> T:
        try:
            return await self._threads.run(partial(self._history.run, question))
        except DamagedError:
            self._history.distrust()
            raise

    def _hold(self, place: _Key, view: PastView) -> None:
        self._drop(place)
        self._held[place] = view
        self.weigh(view)

    def _drop(self, place: _Key) -> None:
        gone = self._held.pop(place, None)
        self._weights.pop(place, None)
        if gone is not None:
            self._forget(gone.key)

    def _forget(self, key: str) -> None:
        """Take a view out of the cache if nobody needs it there."""
        if not self._pins[key]:
            del self._pins[key]
            if all(view.key != key for view in self._held.values()):
                self._cache.past.pop(key, None)
