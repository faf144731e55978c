"""The time that has passed, by a clock that runs while the machine sleeps. Pure.

`time.monotonic` stands still then: what was to hold for five minutes would hold for a night, if the lid was closed.
"""

from __future__ import annotations

import time

# Linux's own name for it; the systems of the BSDs, and macOS, count sleep in the clock of this name.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed() -> float:
    """Seconds since some moment in the past, those asleep among them."""
    return time.clock_gettime(_CLOCK)
