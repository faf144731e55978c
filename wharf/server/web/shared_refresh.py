"""A refresh for all who wait for one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class SharedRefresh:
    """Refreshes that are shared: whoever asks waits for one that began after the question. For the event loop's thread.

    So what an uploader sees afterwards is at least as new as the commit of its upload, and eight who ask at once cost one.
    `is_unmoved` may say that there is nothing to do: then nobody waits, and no task is made.
    """

    def __init__(
        self, refresh: Callable[[], Coroutine[None, None, None]], is_unmoved: Callable[[], bool] = lambda: False
    ) -> None:
        self._refresh = refresh
        self._is_unmoved = is_unmoved
        self._now: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def __call__(self) -> None:
        """Wait for a refresh that began after this call. Raises what it raises."""
        if self._next is None:
            if self._is_unmoved():
                return
            self._next = asyncio.create_task(self._run(self._now))
        await asyncio.shield(self._next)

    async def _run(self, before: asyncio.Task[None] | None) -> None:
        if before is not None and not before.done():
            await asyncio.wait({before})
        self._now, self._next = self._next, None  # who asks from here on may have seen something newer
        await self._refresh()
