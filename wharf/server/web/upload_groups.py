"""Uploads that wait for the same branch: those that gather while a commit lands share the next one."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable, Sequence

K = TypeVar("K", bound="Hashable")
T = TypeVar("T")
R = TypeVar("R")

MOST: Final = 40
"""Members of a group: as many as a commit still names one by one in a page of the log."""


class UploadGroups(Generic[K, T, R]):
    """The queue of one server. `land` carries a group out: for each member, in order, a result or the error of that member.

    - A group has one key: one index, and one person with one token.
    - Who comes alone waits for nobody. While one group lands, others gather.
    - One group lands at a time. The keys take turns, in the order in which they came; those of one key stay in theirs.
    - A member that is not waited for any more is left out if its group has not begun. Otherwise it is carried out all the same.
    - `hold` is called with each member at the moment from which it is carried out.
    - A thread that just checked a member may take the turn for it: where nobody lands or waits, the event loop is not asked.
    - All methods but `enter` and `leave` are for the event loop's thread.
    """

    def __init__(
        self,
        land: Callable[[K, Sequence[T]], Coroutine[None, None, Sequence[R | Exception]]],
        hold: Callable[[T], None] = lambda _member: None,
    ) -> None:
        self._land = land
        self._hold = hold
        self._waiting: dict[K, deque[tuple[T, asyncio.Future[R]]]] = {}
        self._turns: asyncio.Task[None] | None = None
        self._turn = threading.Lock()  # whoever lands has it
        self._loop: asyncio.AbstractEventLoop | None = None

    async def join(self, key: K, member: T) -> R:
        """What becomes of a member, when its group has landed. Raises its own error, or that of the group."""
        self._loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = self._loop.create_future()
        self._waiting.setdefault(key, deque()).append((member, future))
        self._begin()
        return await future

    def enter(self) -> bool:
        """Take the turn for one who is alone, in any thread, until `leave`; False where a group lands or somebody waits."""
        return not self._waiting and self._turn.acquire(blocking=False)

    def leave(self) -> None:
        """Give the turn back. Who came meanwhile saw that it was taken, and is seen here."""
        self._turn.release()
        if self._waiting and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the server has ended
                self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        if self._waiting and self._turn.acquire(blocking=False):
            self._turns = asyncio.create_task(self._take_turns())

    async def _take_turns(self) -> None:
        try:
            await self._land_all()
        finally:
            self._turn.release()

    async def _land_all(self) -> None:
        while self._waiting:
            key = next(iter(self._waiting))
            waiting = self._waiting.pop(key)
            group: list[tuple[T, asyncio.Future[R]]] = []
            while waiting and len(group) < MOST:
                member, future = waiting.popleft()
                if not future.done():
                    self._hold(member)
                    group.append((member, future))
            if waiting:
                self._waiting[key] = waiting  # behind the other keys
            if group:
                await self._carry_out(key, group)

    async def _carry_out(self, key: K, group: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        members = [member for member, _ in group]
        landing = asyncio.create_task(self._land(key, members))
        await asyncio.wait({landing})
        fault = landing.exception()
        results: Sequence[R | BaseException] = [fault] * len(group) if fault is not None else landing.result()
        for (_, future), result in zip(group, results, strict=True):
            if future.done():  # nobody waits for it any more
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)
