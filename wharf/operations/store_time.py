"""The time where a repository is kept. The clock of one machine may be wrong, and others share what it dates or deletes."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from wharf.errors import StorageError
from wharf.system.clock import elapsed, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from wharf.repository.opening import Repository

_DIFFERENCE: Final = 60.0
"""Seconds between two clocks that count as right: the store tells whole seconds, and answers take time."""
_HOLDS: Final = 60.0
"""Seconds for which the difference between two clocks is remembered."""
_JUMP: Final = 1.0
"""Seconds by which the time of day is set, and not only corrected."""


def by_store(repository: Repository, now: datetime) -> datetime:
    """A time of this machine, moved to the clock of the store where the two differ by more than a minute.

    Raises StorageError where that clock cannot be seen.
    """
    ahead = repository.branch.now() - now.timestamp()
    return now if abs(ahead) <= _DIFFERENCE else now + timedelta(seconds=ahead)


class StoreTime:
    """The same for many questions. Called, it gives the time; from any thread.

    GitHub is not asked for it. Where none of its answers told the time yet, or nothing can be written into a folder to see what
    its clock says, it is the time of this machine.
    """

    def __init__(self, repository: Repository, now: Callable[[], datetime] = utc_now) -> None:
        self._repository = repository
        self._now = now
        self._known: tuple[float, float, timedelta] | None = None  # when it was asked, the drift then, and the difference

    def __call__(self) -> datetime:
        """The time of the store."""
        now, passed = self._now(), elapsed()
        drift = now.timestamp() - passed
        if self._known is None or passed > self._known[0] + _HOLDS or abs(drift - self._known[1]) > _JUMP:
            github = self._repository.github
            if github is not None and not github.is_dated:
                return now
            ahead = timedelta()
            with contextlib.suppress(StorageError):
                ahead = by_store(self._repository, now) - now
            self._known = passed, drift, ahead
        return now + self._known[2]
