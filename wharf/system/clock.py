"""The time that has passed, by a clock that runs while the machine sleeps; and the time of day. Pure.

`time.monotonic` stands still then: what was to hold for five minutes would hold for a night, if the lid was closed.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

# Linux's own name for it; the systems of the BSDs, and macOS, count sleep in the clock of this name.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed() -> float:
    """Seconds since some moment in the past, those asleep among them."""
    return time.clock_gettime(_CLOCK)


def utc_now() -> datetime:
    """The time of day, by a clock that anybody may set."""
    return datetime.now(UTC)
