"""The turns of requests: who may send when, by the limits of one token, and how long a whole command may wait."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.errors import QuotaError, StorageError
from wharf.github.quota import Wait
from wharf.github.quota_by_token import Tally
from wharf.github.quota_headers import moment_at_github, rate
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from wharf.github.quota_headers import Rate

_LONGEST = 3600.0  # seconds: no GitHub window is longer, so after that GitHub is asked again, whatever it said
_SHORT = 1.0  # seconds that are not worth a word


@dataclass(frozen=True, slots=True)
class Waiting:
    """What to do about waits: the most seconds in all, who is told (reason, seconds), and how time is read and spent.

    Without a `sleep` of its own a wait ends when it is interrupted.
    """

    at_most: float = 3600.0
    tell: Callable[[str, float], None] = lambda _reason, _seconds: None
    clock: Callable[[], float] = elapsed
    sleep: Callable[[float], None] | None = None


class Turns:
    """Who may send when, for all threads that use one client.

    - Nobody holds a lock while somebody waits.
    - A request has its place when it is booked. A request that a limit refused gives its place back.
    - The `tally` may be shared with other clients. How long was waited, and whether waits are interrupted, belongs to this one.
    - All waits of one client together last `Waiting.at_most` seconds at most. Waits at the same time count once.
    """

    def __init__(self, waiting: Waiting, tally: Tally | None = None) -> None:
        self.waiting = waiting
        self.tally = tally or Tally()
        self._lock = self.tally.lock
        self.skew: float | None = None  # seconds that GitHub's clock is ahead of this machine's; None: no answer yet
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
        """Remember what an answer's headers say about the primary limit, and about the time at GitHub."""
        now = time.time()
        told = rate(headers, now)
        with self._lock:
            self.skew = moment_at_github(headers, now) - now
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


def too_long(wait: Wait) -> QuotaError:
    """The error where nobody can wait so long."""
    moment = time.strftime("%H:%M:%S", time.localtime(time.time() + wait.seconds))
    return QuotaError(
        f"{wait.reason[:1].upper()}{wait.reason[1:]}: it continues at {moment}, and that is too long to wait here.",
        "What is done stays done: run the same command again then, or allow more with --max-wait SECONDS.",
        retry_after=wait.seconds,
        reason=wait.reason,
    )
