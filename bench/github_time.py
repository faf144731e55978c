"""Time that passes at once: what a program waits for is skipped, what it works for is not."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_REST = 0.3  # seconds in which whoever is not asleep gets on with what he does, before a sleep is cut short


class Skipping:
    """A clock for several threads. When they sleep, it jumps to where the first of them wakes; `skipped` sums that up."""

    def __init__(self, jump: Callable[[float], object]) -> None:
        self.skipped = 0.0
        self._jump = jump
        self._lock = threading.Lock()
        self._wakes: list[float] = []

    def now(self) -> float:
        """Seconds of a steady clock."""
        return time.monotonic() + self.skipped

    def sleep(self, seconds: float) -> None:
        """Sleep, by this clock."""
        if seconds <= _REST:
            time.sleep(seconds)
            return
        with self._lock:
            wake = self.now() + seconds
            self._wakes.append(wake)
        while self.now() < wake:
            time.sleep(_REST)
            with self._lock:
                ahead = min(self._wakes) - self.now()
                if ahead > 0:
                    self.skipped += ahead
                    self._jump(ahead)
        with self._lock:
            self._wakes.remove(wake)
