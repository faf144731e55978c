"""A line for each login and upload that was refused, within bounds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from wharf.server.logs.operator_log import client_of, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Scope

REFUSALS = 30
"""Refusals a minute that get a line each; of more only the number is told."""


class RefusalLog:
    """`say` is given each line. What clients send is shown in one line of ASCII, without what looks like a token."""

    def __init__(self, say: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._begun = clock()
        self._told = 0
        self._more = 0

    def refused(self, scope: Scope, status: int, sentence: str, who: str | None) -> None:
        """Report a login or an upload that was refused."""
        self.end_of_minute()
        if self._told >= REFUSALS:
            self._more += 1
            return
        self._told += 1
        by = f" by {who}" if who else ""
        self._say(f"refused: {scope['method']} {shown(scope['path'])} from {client_of(scope)}{by}: {status} {shown(sentence)}")

    def end_of_minute(self, *, ends: bool = False) -> None:
        """Tell how many were not told, if the minute is over or the server `ends`."""
        now = self._clock()
        if now < self._begun + 60 and not ends:
            return
        if self._more:
            self._say(f"refused: {self._more} more within a minute")
        self._begun, self._told, self._more = now, 0, 0
