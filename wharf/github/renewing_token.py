"""The token that the next request sends: one that stays as it is, or one that is renewed before it ends."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from wharf.errors import NotAllowedError, WharfError
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.secret import Secret

EARLY: Final = 300.0
"""Seconds before its end at which a token is renewed."""
PAUSE: Final = 30.0
"""Seconds after a renewal that failed in which nobody tries again, while the old token holds."""
NO_TOKEN_PAUSE: Final = 5.0
"""The same where no token holds: whoever asks meanwhile gets the same error."""
SETTLING: Final = 5.0
"""Seconds in which GitHub may still answer 401 to a token that it has just made: not all of its machines know it yet."""
SOONEST: Final = 60.0
"""Seconds after a renewal in which a 401 leads to no other one: then the token is not the cause."""

_TOKEN = re.compile(r"[!-~]{1,1000}", re.ASCII)
_SPARE = 10.0  # seconds before its end at which a token counts as ended: a request takes a moment to arrive


class TokenSource(Protocol):
    """Where each request takes its token from. Safe to use from several threads."""

    def token(self) -> Secret:
        """The token for a request that is sent now. Raises WharfError if there is none."""

    def refused(self, token: Secret) -> bool:
        """GitHub answered 401 to a token. Whether the request should be sent again, with what `token` gives now."""


@dataclass(frozen=True, slots=True)
class FixedToken:
    """A token that a person gave: there is no other one."""

    value: Secret

    @staticmethod
    def checked(token: Secret) -> FixedToken:
        """That token. Raises NotAllowedError for what cannot be one."""
        if not _TOKEN.fullmatch(token.reveal()):
            raise NotAllowedError("What was given as a token cannot be a GitHub token.", "Set the token again.")
        return FixedToken(token)

    def token(self) -> Secret:
        """The token."""
        return self.value

    def refused(self, token: Secret) -> bool:
        """False: there is no other token."""
        del token
        return False


@dataclass(frozen=True, slots=True)
class Issued:
    """A token, and the seconds for which it holds."""

    token: Secret
    seconds: float


@dataclass(frozen=True, slots=True)
class _Held:
    token: Secret
    begun: float
    renew_at: float
    ends: float


class RenewingToken:
    """A token that `issue` gives, and gives again before it ends. Safe to use from several threads.

    - No token is given out after its end, and none that GitHub refused.
    - One thread at a time asks for a new token. While the old one holds, the others use it.
    - A renewal that fails while the old token holds is warned of, and tried again after a pause.
    - Without a token a failure is an error, which everybody gets until the pause is over.
    - A token that is refused leads to one renewal, whatever number of threads it was refused to.
    """

    def __init__(
        self,
        issue: Callable[[], Issued],
        *,
        pause: Callable[[float], None],
        clock: Callable[[], float] = elapsed,
        warn: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._issue = issue
        self._pause = pause
        self._clock = clock
        self._warn = warn
        self._turn = threading.Lock()
        self._held: _Held | None = None  # replaced as a whole, so that it can be read without the lock
        self._failure: WharfError | None = None
        self._again = 0.0

    def token(self) -> Secret:
        """A token that holds. Raises what `issue` raises if there is none."""
        held, now = self._held, self._clock()
        if held is not None and now < held.renew_at:
            return held.token
        if held is None or now >= held.ends:
            with self._turn:
                return self._renewed()
        if not self._turn.acquire(blocking=False):  # somebody renews it, and it still holds
            return held.token
        try:
            return self._renewed()
        finally:
            self._turn.release()

    @property
    def left(self) -> float:
        """Seconds for which the token still holds; 0 if there is none."""
        held = self._held
        return 0.0 if held is None else max(0.0, held.ends - self._clock())

    def refused(self, token: Secret) -> bool:
        """Renew a token that GitHub answered 401 to, unless that is done. Raises what `issue` raises."""
        with self._turn:
            held = self._held
            if held is None or held.token != token:
                return True
            age = self._clock() - held.begun
            if age >= SOONEST:
                self._held = None
                self._renewed()
                return True
        if age < SETTLING:
            self._pause(1.0)
        return age < SETTLING

    def _renewed(self) -> Secret:
        """With the turn: the token, renewed if that is due and nobody did it while the turn was waited for."""
        held, now = self._held, self._clock()
        if held is not None and now < held.renew_at:
            return held.token
        if self._failure is None or now >= self._again:
            try:
                issued = self._issue()
            except WharfError as error:
                self._fail(error)
            else:
                self._failure, self._held = None, _held(issued, self._clock())
                return issued.token
        held = self._held
        if held is not None and self._clock() < held.ends:
            return held.token
        if self._failure is None:
            raise TypeError("there is neither a token nor a reason")
        raise self._failure.with_traceback(None)

    def _fail(self, error: WharfError) -> None:
        if self.left and (self._failure is None or self._failure.message != error.message):
            self._warn(f"The token could not be renewed, and is valid for {self.left:.0f} s more: {error.message}")
        self._failure, self._again = error, self._clock() + (PAUSE if self.left else NO_TOKEN_PAUSE)


def _held(issued: Issued, begun: float) -> _Held:
    """A token that holds for a shorter time than is usual is renewed after half of it."""
    half = issued.seconds / 2
    return _Held(
        token=issued.token,
        begun=begun,
        renew_at=begun + max(issued.seconds - EARLY, half),
        ends=begun + max(issued.seconds - _SPARE, half),
    )
