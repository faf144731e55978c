"""What happens once a day and token: its use is noted, and whoever runs the server is told if it ends soon."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from wharf.errors import StorageError
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    from wharf.repository.token_usage import TokenUsage
    from wharf.repository.tokens import Token

log = logging.getLogger("wharf")

AGAIN: Final = 600.0
"""Seconds after a note that could not be written until the next try."""


class TokenDays:
    """Those of one server. A request adds a digest to `used`, and costs nothing else; `look` does the rest, now and then.

    - A token is noted at most once a day. What cannot be written is told once, and tried again after `AGAIN` seconds.
    - A token that ends soon is told once a day.
    """

    def __init__(
        self,
        usage: TokenUsage,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = elapsed,
    ) -> None:
        self.used: set[str] = set()
        self._usage = usage
        self._now = now
        self._clock = clock
        self._day: date | None = None
        self._noted: set[str] = set()
        self._warned: set[str] = set()
        self._seen: Mapping[str, Token] | None = None
        self._again = 0.0
        self._told = False

    def look(self, tokens: Mapping[str, Token]) -> None:
        """Note what was used since the last look, of these tokens by their digests; warn of those that end soon."""
        now = self._now()
        if now.date() != self._day:
            self.used -= self._noted  # what is left was used on the day before, and could not be noted then
            self._noted.clear()
            self._warned.clear()
            self._seen = None
            self._day = now.date()
        if tokens is not self._seen:
            self._seen = tokens
            self._warn(tokens, now)
        new = (self.used - self._noted) & tokens.keys()
        if new and self._clock() >= self._again:
            self._note(new, tokens, now.date())

    def _warn(self, tokens: Mapping[str, Token], now: datetime) -> None:
        for digest, token in tokens.items():
            if digest not in self._warned and token.expires is not None and token.ends_soon(now):
                self._warned.add(digest)
                owner = f" of {ascii(token.owner)[1:-1]}" if token.owner else ""
                log.warning(
                    "The token %r%s ends on %s. `wharf token create` makes another one.",
                    token.name,
                    owner,
                    f"{token.expires.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
                )

    def _note(self, new: set[str], tokens: Mapping[str, Token], day: date) -> None:
        try:
            if not self._usage.note(new, day, tokens.keys()):
                return  # another server is at it: the next look tries again
        except (StorageError, OSError) as error:
            self._again = self._clock() + AGAIN
            if not self._told:
                self._told = True
                why = error.message if isinstance(error, StorageError) else f"{error.strerror or error}."
                log.warning("When tokens are used last is not noted in %s: %s", self._usage.path, why)
            return
        self._noted |= new
