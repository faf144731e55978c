"""How the time of some work grows with its size: a measure that is the same on each machine, however slow it is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_TRIES = 3
_LESS = 8
_MOST = 30  # linear work takes 8 times as long, and work that grows with the square 64 times
_CLOCK = 0.002  # seconds that a clock may be wrong


def is_linear(size: int, work: Callable[[int], object]) -> bool:
    """Whether `work` with that size takes about 8 times as long as with an eighth of it, and not 64 times."""
    return _least(size, work) < _MOST * _least(size // _LESS, work) + _CLOCK


def _least(size: int, work: Callable[[int], object]) -> float:
    """Seconds of processor time that this thread needs, without what disturbed it."""

    def once() -> float:
        begun = time.thread_time()
        work(size)
        return time.thread_time() - begun

    return min(once() for _ in range(_TRIES))
