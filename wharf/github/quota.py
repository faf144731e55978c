"""GitHub's limits as arithmetic: when the next request may go, and what an answer says about waiting. Pure.

"Rate limits for the REST API": besides the primary limit, which every answer's headers tell, there are secondary ones that no
header tells before they are hit: 80 content-creating requests a minute and 500 an hour, and 900 points a minute, of which a
request that reads costs 1 and one that writes 5.
"""

from __future__ import annotations

import threading
import time
from bisect import insort
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from wharf.errors import QuotaError, StorageError
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

READ, WRITE = 1, 5
"""Points of a request."""
FIRST_WAIT = 60.0
"""Seconds to wait after a refusal that does not say how long; doubled each time."""

_LATE = 1.0  # seconds that one request may be longer on its way than another: GitHub counts when they come
_LONGEST = 3600.0  # seconds: no window of GitHub's is longer, so after that it is asked again, whatever it said
_NEVER = 2.0**33  # seconds since 1970 (the year 2242) that no clock tells
_SHORT = 1.0  # seconds that are not worth a word


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
        """Count a request no more that was booked and refused: its next try is booked anew."""
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


@dataclass(frozen=True, slots=True)
class Rate:
    """The primary limit as an answer told it: requests an hour, those left, and seconds from the answer to the next hour."""

    resource: str
    limit: int
    remaining: int
    reset_in: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """What to do about waits: the most seconds in all, who is told (reason, seconds), and how time is read and spent.

    Without a `sleep` of its own a wait ends when it is interrupted.
    """

    at_most: float = 3600.0
    tell: Callable[[str, float], None] = lambda _reason, _seconds: None
    clock: Callable[[], float] = elapsed
    sleep: Callable[[float], None] | None = None


class Tally:
    """What GitHub counts against one token or user, shared by all that send for it; read and changed under its lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pace = Pace()
        self.rates: dict[str, Rate] = {}
        self.closed_until = 0.0
        self.reason = ""  # why it is closed
        self.reserved = 0.0  # for when the last whole publish has its room

    def close(self, until: float, reason: str) -> None:
        """Let nobody send before a moment: a pause that GitHub makes longer gets longer here."""
        if until > self.closed_until:
            self.closed_until, self.reason = until, reason


class Turns:
    """Who may send when, for all threads that use one client. No lock is held while anybody waits.

    The `tally` may be shared with other clients; how long was waited, and whether that goes on, is of this one alone.
    """

    def __init__(self, waiting: Waiting, tally: Tally | None = None) -> None:
        self.waiting = waiting
        self.tally = tally or Tally()
        self._lock = self.tally.lock
        self.skew = 0.0  # seconds that GitHub's clock is ahead of ours
        self._ended = threading.Event()
        self._waited = 0.0
        self._waited_until = 0.0

    @property
    def rates(self) -> Mapping[str, Rate]:
        """The primary limits as last told, by resource."""
        with self._lock:
            return dict(self.tally.rates)

    def of_another(self, tally: Tally) -> Turns:
        """Those for another tally; what is under way with this one counts here only."""
        found = Turns(self.waiting, tally)
        found.skew = self.skew
        found._ended = self._ended
        return found

    def take(self, points: int, *, creates: bool) -> float:
        """Wait until the limits allow one request more; the moment that it is booked for. Raises QuotaError."""
        booked: float | None = None
        while True:
            with self._lock:
                now = self.waiting.clock()
                if self.tally.closed_until > now:
                    wait = Wait(self.tally.closed_until - now, self.tally.reason)
                    if booked is not None:  # it goes later than that, and is counted then
                        self.tally.pace.give_back(booked, points=points, creates=creates)
                        booked = None
                elif booked is not None:
                    return booked
                else:
                    wait = self.tally.pace.next(now, points=points, creates=creates)
                    self._allow(wait, now)
                    booked = now + wait.seconds
                    self.tally.pace.book(booked, points=points, creates=creates)
            if wait.seconds > 0:
                self._wait(wait)

    def give_back(self, booked: float, points: int, *, creates: bool) -> None:
        """Take back what was booked for a request that a limit refused."""
        with self._lock:
            self.tally.pace.give_back(booked, points=points, creates=creates)

    def close(self, wait: Wait) -> None:
        """Let nobody send before a wait is over, and wait. Raises QuotaError if that is too long."""
        wait = Wait(min(wait.seconds, _LONGEST), wait.reason)
        with self._lock:
            self.tally.close(self.waiting.clock() + wait.seconds, wait.reason)
        self._wait(wait)

    def learn(self, headers: Mapping[str, str]) -> None:
        """Remember what an answer's headers tell of the primary limit, and of the time at GitHub."""
        now = time.time()
        told = rate(headers, now)
        with self._lock:
            self.skew = _moment(headers, now) - now
            if told is not None:
                self.tally.rates[told.resource] = told

    def _wait(self, wait: Wait) -> None:
        """Wait and tell about it. Threads that wait at the same time are counted, and told about, once."""
        with self._lock:
            now = self.waiting.clock()
            more = self._allow(wait, now)
            self._waited += more
            self._waited_until = max(self._waited_until, now + wait.seconds)
        if more > _SHORT:
            self.waiting.tell(wait.reason, wait.seconds)
        self.pause(wait.seconds)

    def pause(self, seconds: float) -> None:
        """Wait, and no longer than until `interrupted`: then a StorageError."""
        if self.waiting.sleep is not None:
            self.waiting.sleep(seconds)
        elif self._ended.wait(seconds):
            raise StorageError("It was interrupted while it waited.", "Run the same command again: it continues there.")

    @contextmanager
    def interrupted(self) -> Iterator[None]:
        """Let nobody wait any longer while the threads that do are brought to their end."""
        self._ended.set()
        try:
            yield
        finally:
            self._ended.clear()

    def _allow(self, wait: Wait, now: float) -> float:
        """The seconds that a wait adds to those spent. Raises QuotaError if that is more than allowed in all."""
        if wait.seconds <= _SHORT:
            return 0.0
        more = max(0.0, now + wait.seconds - max(now, self._waited_until))
        if self._waited + more > self.waiting.at_most:
            raise too_long(wait)
        return more


def rate(headers: Mapping[str, str], now: float) -> Rate | None:
    """What an answer's headers (in lower case) say of the primary limit. `now` (seconds since 1970) is for want of a date."""
    try:
        reset = float(int(headers["x-ratelimit-reset"])) - _moment(headers, now)
        limit, remaining = int(headers["x-ratelimit-limit"]), int(headers["x-ratelimit-remaining"])
    except (KeyError, ValueError, OverflowError):
        return None
    return Rate(headers.get("x-ratelimit-resource", "core"), limit, remaining, min(max(reset, 0.0), 3600.0))


def wait_after(status: int, headers: Mapping[str, str], message: str, *, tries: int, now: float) -> Wait | None:
    """How long a refused request has to wait, if a limit refused it; None if it was something else.

    Headers are in lower case, `tries` counts the waits before this one.
    """
    if status not in {403, 429}:
        return None
    least = 2.0 ** min(tries, 20)  # whoever says "now" again and again must not be asked without end
    after = _retry_after(headers, now)
    if after is not None:
        # None is believed to last for more than a day.
        return Wait(min(max(after, least - 1), 86400.0), "GitHub asks for a pause (a secondary limit)")
    primary = rate(headers, now)
    # If something is left, it is not enough: an upload counts twice.
    short = "rate limit exceeded" in message.lower() and "secondary" not in message.lower()
    if primary is not None and (primary.remaining == 0 or short):
        return Wait(max(primary.reset_in + 1, least), f"the {primary.limit} requests of this hour are used up")
    if status == 429 or "secondary rate limit" in message.lower() or "abuse" in message.lower():
        return Wait(FIRST_WAIT * least, "GitHub asks for a pause (a secondary limit) and does not say how long")
    return None


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds, which GitHub says, or what is left until a date, which a proxy may say (RFC 9110, section 10.2.3)."""
    said = headers.get("retry-after", "")
    if said.isdecimal():
        return float(said)
    left = _moment({"date": said}, -1.0) - _moment(headers, now)
    return left if left > 0 else None


def _moment(headers: Mapping[str, str], now: float) -> float:
    """GitHub's own time where it tells it: the clock here may be wrong."""
    try:
        moment = parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return now
    return moment if 0 <= moment < _NEVER else now


def too_long(wait: Wait) -> QuotaError:
    """The error where nobody can wait so long."""
    moment = time.strftime("%H:%M:%S", time.localtime(time.time() + wait.seconds))
    return QuotaError(
        f"{wait.reason[:1].upper()}{wait.reason[1:]}: it continues at {moment}, and that is too long to wait here.",
        "What is done stays done: run the same command again then, or allow more with --max-wait SECONDS.",
        retry_after=wait.seconds,
        reason=wait.reason,
    )
