"""When an upstream that failed is asked again. Without I/O; safe to use from several threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from wharf.transport.connections import CONNECTING

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSE: Final = 10.0
"""Seconds after a failure in which the upstream is not asked again: for one project, or at all."""

_LONGEST = 60.0  # seconds of a pause for an upstream that fails again and again
_MOST = 1000  # projects whose failures are remembered


class Pauses:
    """The pauses of one upstream. `problem` is what is wrong now, in a sentence; None: nothing."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until = 0.0
        self._failures = 0
        self._away: str | None = None
        self._of: OrderedDict[str, tuple[float, str]] = OrderedDict()

    @property
    def problem(self) -> str | None:
        """What is wrong with the upstream, or with a page of it."""
        with self._lock:
            return self._away or next((said for _, said in reversed(self._of.values())), None)

    def away(self) -> str | None:
        """Why the upstream is not asked just now, whatever it is asked for."""
        with self._lock:
            return self._away if self._clock() < self._until else None

    def reason(self, name: str) -> tuple[float, str] | None:
        """Until when the project is not asked for, and why; None: ask now.

        Of an upstream that was away, one thread asks first. The others wait for another pause until that is known.
        """
        with self._lock:
            now = self._clock()
            if self._away is not None:
                if now < self._until:
                    return self._until, self._away
                self._until = now + CONNECTING
            until, said = self._of.get(name, (now, ""))
            return (until, said) if now < until else None

    def failed(self, name: str, said: str, *, all_of_it: bool) -> float:
        """Note a failure: of the upstream (`all_of_it`), or with one project. The moment until which nobody asks."""
        with self._lock:
            now = self._clock()
            if all_of_it:
                self._failures = min(self._failures + 1, 10)
                self._away = said
                self._until = now + min(PAUSE * 2 ** (self._failures - 1), _LONGEST)
                return self._until
            self._came()
            self._of[name] = (now + PAUSE, said)
            self._of.move_to_end(name)
            if len(self._of) > _MOST:
                self._of.popitem(last=False)
            return now + PAUSE

    def succeeded(self, name: str) -> None:
        """Note an answer."""
        with self._lock:
            self._came()
            self._of.pop(name, None)

    def _came(self) -> None:
        """The upstream is there."""
        self._away, self._failures, self._until = None, 0, 0.0
