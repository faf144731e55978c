"""Room in GitHub's limits for one publish as a whole, before it begins: for whoever cannot wait in its middle.

The clients of a server wait for an answer about a minute, and neither twine nor uv comes back after a pause. Where a burst has
used up the room of a minute, the next one would wait for the whole rest of it. So what is left is spread while some still is:
those who come one after the other wait for a few seconds each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wharf.github.quota import Wait
from wharf.github.request_turns import too_long

if TYPE_CHECKING:
    from wharf.github.quota import Pace, Window
    from wharf.github.request_turns import Turns

CREATIONS: Final = 3
"""New contents of one file of a new version: the draft, the asset, and the release made visible."""
POINTS: Final = 30
"""Points of its requests, those that read among them."""
DENSE: Final = 4.0
"""Seconds between two publishes: as long as what is left lasts for as many, nobody waits.

A wait is less than twice as long (6.7 seconds at most, tried with publishes that take up to 4 seconds). With the publish
itself that has to be an answer for hatch, which gives up after 10 seconds, and for poetry and pdm, which do after 15; twine and
uv wait for many minutes.
"""


class Reservation:
    """Room for one publish that begins in so many `seconds`. It has to be given back when that begins, or never will."""

    def __init__(self, turns: Turns, moment: float, seconds: float) -> None:
        self.seconds = seconds
        self._turns = turns
        self._moment = moment
        self._held = True

    def give_back(self) -> None:
        """From now on the publish's own requests are counted. More than once does no harm."""
        with self._turns.tally.lock:
            if self._held:
                self._held = False
                for window, units in _windows(self._turns.tally.pace):
                    window.give_back(self._moment, units)


def reserve(turns: Turns, patience: float) -> Reservation:
    """Reserve room for a publish behind those that have some. Raises QuotaError if it is not there within so many seconds."""
    tally, now = turns.tally, turns.waiting.clock()
    with tally.lock:
        wait = _wait(tally.pace, now, max(now, tally.reserved), now + patience)
        if tally.closed_until > now + wait.seconds:
            wait = Wait(tally.closed_until - now, tally.reason)
        if wait.seconds > patience:
            raise too_long(wait)
        moment = tally.reserved = now + wait.seconds
        for window, units in _windows(tally.pace):
            window.book(moment, units)
    return Reservation(turns, moment, wait.seconds)


def _wait(pace: Pace, now: float, begin: float, end: float) -> Wait:
    """How long from `now` a publish has to wait that goes not before `begin`, and why. Spreading alone ends at `end`."""
    moment, reason = begin, pace.minute.reason
    for window, units in _windows(pace):
        window.forget(now)
        # An hour's room is not spread: nobody waits for minutes.
        spacing = 0.0 if window is pace.hour else window.spacing(begin, units)
        spread = max(begin, min(begin + spacing, end)) if spacing > DENSE else begin
        earliest = window.earliest(spread, units)
        if earliest > moment:
            moment, reason = earliest, window.reason
    return Wait(moment - now, reason)


def _windows(pace: Pace) -> list[tuple[Window, int]]:
    return [(pace.minute, CREATIONS), (pace.hour, CREATIONS), (pace.points, POINTS)]
