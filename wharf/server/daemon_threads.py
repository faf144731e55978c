"""Threads for what waits for GitHub. GitHub may be slow or hang: neither pages nor the end of the server wait with it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

T = TypeVar("T")


class DaemonThreads:
    """Carries out questions in threads called `name`, at most `at_once` at the same time.

    A thread pool would be joined at the end of the process, however long GitHub takes; these threads end with it.
    """

    def __init__(self, name: str, at_once: int) -> None:
        self._name = name
        self._turns = asyncio.Semaphore(at_once)

    async def run(self, question: Callable[[], T]) -> T:
        """What the question gives, or raises."""
        async with self._turns:
            carried: _Question[T] = _Question(question)
            threading.Thread(target=carried.run, name=self._name, daemon=True).start()
            return await carried.result


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
