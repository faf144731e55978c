"""What is logged, as lines for the operator; among them, within bounds, each login and upload that was refused.

The words of somebody else are one line of ASCII, without what looks like a token.
"""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING

from wharf.secret import for_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Scope

_WORDS = 300  # characters of an address, or of a client's name for itself
_ESCAPED = re.compile(r"[^ -~]")


class OperatorLog(logging.Handler):
    """What is logged, as lines for the operator's terminal. A terminal that is gone is no reason to stop."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Tell it. What follows in further lines is set in, so that somebody else's words never look like a message."""
        for number, line in enumerate(record.getMessage().splitlines()):
            self._say(f"{'  ' if number else ''}{shown(line, 2000)}")
        if record.exc_info:
            self._say(logging.Formatter().formatException(record.exc_info))


def quietly(say: Callable[[str], None]) -> Callable[[str], None]:
    """The same, for who continues when nobody can be told any more: the terminal was closed, or the disk of the log is full."""

    def say_if_possible(text: str) -> None:
        try:
            say(text)
        except OSError:
            return

    return say_if_possible


def shown(text: str, most: int = _WORDS) -> str:
    """Somebody else's words in one line of ASCII."""
    text = for_log(text[: 4 * most])
    text = _ESCAPED.sub(lambda found: ascii(found.group())[1:-1], text)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def client_of(scope: Scope) -> str:
    """The address that a request came from, or `-`."""
    client = scope.get("client")
    return shown(str(client[0])) if client else "-"


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
