"""Whether the time of day was set, and did not only pass: what a policy hides depends on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

JUMP: Final = 1.0
"""Seconds by which the time of day is set, and not only corrected."""


class ClockJumps:
    """Compares the time of day with a clock that nobody sets."""

    def __init__(self, clock: Callable[[], float], now: Callable[[], datetime]) -> None:
        self._clock = clock
        self._now = now
        self._drift = self._between()

    def happened(self) -> bool:
        """Whether the time of day was set since this was asked last."""
        before, self._drift = self._drift, self._between()
        return abs(self._drift - before) > JUMP

    def _between(self) -> float:
        return self._now().timestamp() - self._clock()
