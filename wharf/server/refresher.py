"""The refresher: keeps what the server shows at the tip of the branch, and whom it lets in at the tokens as they are."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from wharf.errors import StorageError

if TYPE_CHECKING:
    from wharf.repository import Repository
    from wharf.server.access import Access
    from wharf.server.shelf import Shelf

log = logging.getLogger("wharf")

EVERY = 0.25
"""Seconds between two looks at the branch and at the tokens: two or three system calls each."""


class Refresher:
    """Keeps the shelf at the tip of the branch, and the access at the tokens."""

    def __init__(self, repository: Repository, shelf: Shelf, access: Access) -> None:
        self.problem: str | None = None
        self._branch = repository.branch
        self._shelf = shelf
        self._access = access
        self._snapshot = self._branch.snapshot()
        self._stamp: object = None
        self._turn = asyncio.Lock()
        shelf.swap(self._snapshot, self._snapshot.tree_ids())

    async def refresh(self) -> None:
        """Show the tip. What cannot be read leaves the last whole index in its place, and is told by /healthz."""
        async with self._turn:
            try:
                self._access.refresh()
                stamp = self._branch.stamp()
                if stamp == self._stamp:
                    return
                snapshot = await asyncio.to_thread(self._branch.snapshot, self._snapshot)
                trees = await asyncio.to_thread(snapshot.tree_ids)
            except (StorageError, OSError) as error:
                if str(error) != self.problem:
                    log.error("the index stays as it was: %s", error)  # noqa: TRY400 - the cause is in the message
                self.problem = str(error)
                return
            self._shelf.swap(snapshot, trees)
            self._snapshot, self._stamp, self.problem = snapshot, stamp, None

    async def forever(self) -> None:
        """Refresh until cancelled. Not even a fault of our own ends it: an index that stands still unseen is worse."""
        while True:
            turn = asyncio.create_task(self.refresh())
            await asyncio.wait({turn})
            fault = turn.exception()
            if fault is not None and str(fault) != self.problem:
                self.problem = str(fault)
                log.error("the index stays as it was", exc_info=fault)
            await asyncio.sleep(EVERY)
