"""Threads for what waits for GitHub. GitHub may be slow or hang: neither pages nor the end of the server wait with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sys
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from wharf.system import file_lock
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

T = TypeVar("T")

_NICE = 10
_IDLE = 5.0  # seconds after which a thread ends that nobody needs: starting one costs as much as a small question


class DaemonThreads:
    """Carries out questions in threads called `name`, at most `at_once` at the same time.

    A thread pool would be joined at the end of the process, however long GitHub takes; these threads end with it. With
    `last`, everything else that the machine has to do goes before them, and before the processes that they start (on Linux).
    A thread whose question nobody waits for any more is not waited for, either. For locks of files each question waits until
    `file_lock.IN_REQUEST` seconds after it was asked, its wait for a thread included.
    """

    def __init__(self, name: str, at_once: int, *, last: bool = False) -> None:
        self._name = name
        self._last = last
        self._turns = asyncio.Semaphore(at_once)
        self._asked: queue.SimpleQueue[_Question[object]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._free = 0  # threads that have no question, or whose question is answered

    async def run(self, question: Callable[[], T]) -> T:
        """What the question gives, or raises."""
        end = elapsed() + file_lock.IN_REQUEST
        async with self._turns:
            carried: _Question[T] = _Question(question, self._is_free, end)
            with self._lock:
                starts = self._free == 0
                if not starts:
                    self._free -= 1
                self._asked.put(carried)  # type: ignore[arg-type]  # each question has the future of its own answer
            if starts:
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
            return await carried.result

    def _work(self) -> None:
        if self._last and sys.platform == "linux":  # elsewhere it would be the whole process
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while True:
            try:
                question = self._asked.get(timeout=_IDLE)
            except queue.Empty:
                with self._lock:
                    if self._free:  # else a question was put this very moment
                        self._free -= 1
                        return
                continue
            question.run()
            del question  # and what it holds, while the thread waits for the next one

    def _is_free(self) -> None:
        """Said before the answer is: whoever gets that may ask again at once."""
        with self._lock:
            self._free += 1


class _Question(Generic[T]):
    """One question, and the future of its answer. A context manager: what is raised in it is the answer."""

    def __init__(self, question: Callable[[], T], done: Callable[[], None], end: float) -> None:
        self._question = question
        self._done = done
        self._end = end
        self._loop = asyncio.get_running_loop()
        self.result: asyncio.Future[T] = self._loop.create_future()

    def run(self) -> None:
        with self, file_lock.patience(file_lock.Patience(end=self._end)):
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

        self._done()
        with contextlib.suppress(RuntimeError):  # the server has ended, and nobody wants to know
            self._loop.call_soon_threadsafe(unless_cancelled)
