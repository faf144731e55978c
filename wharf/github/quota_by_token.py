"""What GitHub counts against each token, remembered: its limits outlive the request that met them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeVar

from wharf.github.quota import Pace

if TYPE_CHECKING:
    from wharf.github.quota_headers import Rate
    from wharf.secret import Secret

K = TypeVar("K")

_KEPT: Final = 1024  # tokens, and users: whoever makes up tokens drives out none that was used lately


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


class Tallies:
    """One tally a token, or a user as soon as it is known whose token it is. Safe to use from several threads.

    GitHub counts per user, whichever of the user's tokens is sent ("Rate limits for the REST API").
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of_token: OrderedDict[Secret | None, Tally] = OrderedDict()
        self._of_user: OrderedDict[str, Tally] = OrderedDict()

    def of(self, token: Secret | None) -> Tally:
        """What is counted against a token."""
        with self._lock:
            return _kept(self._of_token, token, Tally())

    def belongs(self, token: Secret, user: str) -> Tally:
        """What is counted against a user, whose token it is. A few requests that read, sent before that was known, are not."""
        with self._lock:
            own = _kept(self._of_token, token, Tally())
            shared = self._of_token[token] = _kept(self._of_user, user, own)
        if shared is not own:
            with own.lock:
                until, reason = own.closed_until, own.reason
            with shared.lock:
                shared.close(until, reason)
        return shared


def _kept(found: OrderedDict[K, Tally], key: K, new: Tally) -> Tally:
    """The tally under a key, which is the last now that is forgotten."""
    tally = found.setdefault(key, new)
    found.move_to_end(key)
    if len(found) > _KEPT:
        found.popitem(last=False)
    return tally
