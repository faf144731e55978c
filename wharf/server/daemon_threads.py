"""Threads for what waits for GitHub. GitHub may be slow or hang: neither pages nor the end of the server wait with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

T = TypeVar("T")

_NICE = 10


class DaemonThreads:
    """Carries out questions in threads called `name`, at most `at_once` at the same time.

    A thread pool would be joined at the end of the process, however long GitHub takes; these threads end with it. With
    `last`, everything else that the machine has to do goes before them, and before the processes that they start (on Linux).
    """

    def __init__(self, name: str, at_once: int, *, last: bool = False) -> None:
        self._name = name
        self._last = last
        self._turns = asyncio.Semaphore(at_once)

    async def run(self, question: Callable[[], T]) -> T:
        """What the question gives, or raises."""
        async with self._turns:
            carried: _Question[T] = _Question(partial(_as_last, question) if self._last else question)
            threading.Thread(target=carried.run, name=self._name, daemon=True).start()
            return await carried.result


def _as_last(question: Callable[[], T]) -> T:
    """What the question gives, in a thread that was started for it alone."""
    if sys.platform == "linux":  # elsewhere it would be the whole process
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
    return question()


class _Question(Generic[T]):
    """One question, and the future of its answer. A context manager: what is raised in it is the answer."""

    def __init__(self, question: Callable[[], T]) -> None:
        self._question = question
        self._loop = asyncio.get_running_loop()
        self.result: asyncio.Future[T] = self._loop.create_future()

    def run(self) -> None:
        with self:
            answer = self._question()
            self._tell(lambda: self.result.set_result(answer))

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        if error is not None:
            self._tell(lambda: self.result.set_exception(error))
        return True

    def _tell(self, tell: Callable[[], None]) -> None:
        def unless_cancelled() -> None:
            if not self.result.done():
                tell()

        with contextlib.suppress(RuntimeError):  # the server has ended, and nobody wants to know
            self._loop.call_soon_threadsafe(unless_cancelled)
