"""GitHub's secondary limits as arithmetic: when the next request may go. Pure.

"Rate limits for the REST API": besides the primary limit, which every answer's headers tell, there are secondary ones that no
header tells before they are hit: 80 content-creating requests a minute and 500 an hour, and 900 points a minute, of which a
request that reads costs 1 and one that writes 5.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from dataclasses import dataclass, field

READ, WRITE = 1, 5
"""Points of a request."""
FIRST_WAIT = 60.0
"""Seconds to wait after a refusal that does not say how long; doubled each time."""

_LATE = 1.0  # seconds that one request may be longer on its way than another: GitHub counts when they come


@dataclass(frozen=True, slots=True)
class Wait:
    """Seconds, and the reason in words."""

    seconds: float
    reason: str


@dataclass(slots=True)
class Window:
    """At most `limit` units in any `seconds`. Bursts are allowed: nothing waits until the window is full."""

    limit: int
    seconds: float
    reason: str
    _booked: deque[tuple[float, int]] = field(default_factory=deque)
    _used: int = 0

    def earliest(self, now: float, units: int) -> float:
        """When `units` more fit beside all that is booked, not before `now`, which may be a moment to come."""
        over, moment = self._used + units - self.limit, now
        for then, count in self._booked:
            if over <= 0:
                break
            over, moment = over - count, max(moment, then + self.seconds)
        return moment

    def spacing(self, now: float, units: int) -> float:
        """Seconds between groups of `units` with which it never gets full: what is left lasts until more is free."""
        left, most = self.limit - self._used, 0.0
        for then, count in self._booked:
            most = max(most, (then + self.seconds - now) * units / max(left, units))
            left += count
        return most

    def forget(self, now: float) -> None:
        """Drop what counts no longer. Not for a moment to come: a request that gives up its place must not make room."""
        while self._booked and self._booked[0][0] + self.seconds <= now:
            self._used -= self._booked.popleft()[1]

    def book(self, moment: float, units: int) -> None:
        """Count `units` at a moment."""
        insort(self._booked, (moment, units))
        self._used += units

    def give_back(self, moment: float, units: int) -> None:
        """Count what was booked no more: it was refused."""
        if (moment, units) in self._booked:
            self._booked.remove((moment, units))
            self._used -= units


class Pace:
    """The secondary limits of one token. The caller serialises the calls; times are in seconds of any steady clock."""

    def __init__(self) -> None:
        self.minute = Window(80, 60 + _LATE, "GitHub takes 80 new contents a minute")
        self.hour = Window(500, 3600 + _LATE, "GitHub takes 500 new contents an hour")
        self.points = Window(900, 60 + _LATE, "GitHub takes 900 points of requests a minute")

    def next(self, now: float, *, points: int, creates: bool) -> Wait:
        """How long from `now` a request has to wait for its place, and why. It has it when it is booked."""
        moment, reason = now, ""
        for window, units in self._windows(points, creates=creates):
            window.forget(now)
            earliest = window.earliest(moment, units)
            if earliest > moment:
                moment, reason = earliest, window.reason
        return Wait(moment - now, reason)

    def book(self, moment: float, *, points: int, creates: bool) -> None:
        """Count a request at the moment that `next` gave."""
        for window, units in self._windows(points, creates=creates):
            window.book(moment, units)

    def give_back(self, moment: float, *, points: int, creates: bool) -> None:
        """Count a request no more that was booked and refused: its next try is booked again."""
        for window, units in self._windows(points, creates=creates):
            window.give_back(moment, units)

    def _windows(self, points: int, *, creates: bool) -> list[tuple[Window, int]]:
        return [(self.points, points), *((each, 1) for each in (self.minute, self.hour) if creates)]


def duration(creations: int) -> float:
    """Seconds that so many requests which create contents take at least, where none was sent before."""
    pace, moment = Pace(), 0.0
    for _ in range(creations):
        moment += pace.next(moment, points=WRITE, creates=True).seconds
        pace.book(moment, points=WRITE, creates=True)
    return moment
