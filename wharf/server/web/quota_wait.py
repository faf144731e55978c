"""How long one request waits for GitHub's limits: a short pause is waited out, and a longer one answered at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from wharf.errors import QuotaError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Sleep = Callable[[float], Awaitable[None]]

T = TypeVar("T")

IN_ALL: Final = 50.0
"""Seconds of all waits of one request: with the publish itself it stays within a minute, after which proxies give up.

A wait that is longer than what is left of them is answered at once.
"""

_LEAST = 1.0  # seconds of one wait, so that there are not many


class Crowd:
    """How many may wait at the same time, as each holds what it was sent. For the event loop's thread."""

    def __init__(self, most: int) -> None:
        self._free = most

    @property
    def is_full(self) -> bool:
        """Whether nobody more may wait."""
        return self._free <= 0

    def __enter__(self) -> None:
        self._free -= 1

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._free += 1


class QuotaWait:
    """That of one request. It keeps no thread and no other request waiting. `crowd` are all who wait in the same way."""

    def __init__(self, sleep: Sleep = asyncio.sleep, crowd: Crowd | None = None) -> None:
        self._left = IN_ALL
        self._sleep = sleep
        self._crowd = crowd or Crowd(1)

    @property
    def most(self) -> float:
        """The seconds that the next wait may take."""
        return self._left

    async def wait(self, seconds: float) -> None:
        """Wait. How long is the caller's to bound by `most`."""
        if seconds > 0:
            self._left -= seconds
            await self._sleep(seconds)

    def spend(self, seconds: float) -> None:
        """Count what the request waited for otherwise."""
        self._left -= seconds

    async def ask(self, question: Callable[[], Awaitable[T]], again: Callable[[], bool] = lambda: True) -> T:
        """What a question gives; it is asked again after each pause that is short enough. Raises QuotaError for another.

        `again` is called before each such pause: whether it is still worth it.
        """
        while True:
            try:
                return await question()
            except QuotaError as error:
                seconds = max(error.retry_after, _LEAST)
                if seconds > self.most or self._crowd.is_full or not again():
                    raise
            with self._crowd:
                await self.wait(seconds)
