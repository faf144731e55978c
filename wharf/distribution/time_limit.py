"""The time that one check may take. Whoever sends the file decides how much work it is, and the next one waits behind it."""

from __future__ import annotations

import time

from wharf.distribution.file_names import plain
from wharf.errors import TooLargeError

FREE = 30.0
"""Seconds of processor time that the check of every file may take, however small it is."""

PACE = 4 << 20
"""Bytes of a file for each second more. A machine of today does 30 times that."""


class TimeLimit:
    """The processor time of one check, in the thread that makes it: what other checks cost beside it does not count.

    That clock costs a system call, and a check looks at it for each member. So it is asked when as much time has gone by.
    """

    def __init__(self, filename: str, size: int) -> None:
        self._filename = filename
        self._allowed = FREE + size / PACE
        self._since = time.monotonic()
        self._begin = time.thread_time()

    def check(self) -> None:
        """Raise TooLargeError where the time is over."""
        if time.monotonic() - self._since > self._allowed and time.thread_time() - self._begin > self._allowed:
            cause = f"its check takes longer than {self._allowed:.0f} seconds of processor time"
            hint = "Leave out what has very many members or unpacks to very much."
            raise TooLargeError(f"{plain(self._filename)}: {cause}", hint)
