"""The refresher: keeps what the server shows at the tip of the branch, and whom it lets in at the rules as they are."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from wharf.errors import WharfError

if TYPE_CHECKING:
    from wharf.repository import Repository
    from wharf.secret import Secret
    from wharf.server.access import Access
    from wharf.server.shelf import Shelf

log = logging.getLogger("wharf")

EVERY = 0.25
"""Seconds between two looks at the branch and at the tokens on this machine: two or three system calls each."""
ASK_EVERY = 5.0
"""Seconds between two questions to GitHub: an answer that nothing has changed is free for who has a token."""
ASK_AT_LEAST = 60.0
"""Seconds between two questions when GitHub does not answer, after a while."""


class Refresher:
    """Keeps the shelf at the tip of the branch, and the access at the tokens."""

    def __init__(self, repository: Repository, shelf: Shelf) -> None:
        self.problem: str | None = None
        self.access: Access | None = None
        self.public = False
        self.borrows = False  # the token is some client's: until there is one, GitHub is not asked
        self._repository = repository
        self._branch = repository.branch
        self._shelf = shelf
        self._snapshot = self._branch.snapshot()
        self._stamp: object = None
        self._etag: str | None = None
        self._asked = 0.0
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        shelf.swap(self._snapshot, self._snapshot.tree_ids())

    @property
    def age(self) -> float | None:
        """Seconds since GitHub last confirmed what is shown; None for a store that is here, or if it never did."""
        return time.monotonic() - self._asked if self._repository.github and self._asked else None

    async def refresh(self) -> None:
        """Show the tip as it is here. What cannot be read leaves the last whole index in its place, and is told by /healthz."""
        async with self._turn:
            try:
                if self.access is not None:
                    self.access.refresh()
                stamp = self._branch.stamp()
                if stamp == self._stamp:
                    return
                snapshot = await asyncio.to_thread(self._branch.snapshot, self._snapshot)
                trees = await asyncio.to_thread(snapshot.tree_ids)
            except (WharfError, OSError) as error:
                self._tell(error)
                return
            self._shelf.swap(snapshot, trees)
            self._snapshot, self._stamp, self.problem = snapshot, stamp, None

    async def lend(self, token: Secret) -> None:
        """Take a client's token for the clone and the files, if the server has none of its own."""
        github = self._repository.github
        if github is not None and self.borrows:
            first, github.token = github.token is None, token
            if first:
                await self.ask()

    def wake(self) -> None:
        """Ask GitHub at once: it said itself that something changed."""
        self._etag = None
        self._wake.set()

    async def ask(self) -> bool:
        """Bring the tip from GitHub, and show it. False if that failed."""
        try:
            await asyncio.to_thread(self._ask)
        except (WharfError, OSError) as error:
            self._tell(error)
            return False
        self.problem = None
        await self.refresh()
        return True

    def _ask(self) -> None:
        """By a question that costs nothing if the answer is no; without a token there is none, and git has to ask."""
        github = self._repository.github
        if github is None or (self.borrows and github.token is None):
            return
        if github.token is not None:
            ref = self._branch.ref.removeprefix("refs/")
            reply = github.call("GET", f"{{repo}}/git/ref/{ref}", etag=self._etag, allow=(404, 409))
            if reply.status == 304:
                self._asked = time.monotonic()
                return
            self._branch.fetch()
            self._etag = reply.headers.get("etag")
        else:
            self._branch.fetch()
        if not self._asked or not self.public:
            found = github.call("GET", "{repo}").data
            self.public = isinstance(found, dict) and found.get("private") is False
        self._asked = time.monotonic()

    def _tell(self, error: BaseException) -> None:
        if str(error) != self.problem:
            log.error("the index stays as it was: %s", error)
        self.problem = str(error)

    async def forever(self) -> None:
        """Refresh until cancelled."""
        tasks = [asyncio.create_task(self._watch_here())]
        if self._repository.github is not None:
            tasks.append(asyncio.create_task(self._watch_github()))
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _watch_here(self) -> None:
        """Not even a fault of our own ends it: an index that stands still unseen is worse."""
        while True:
            turn = asyncio.create_task(self.refresh())
            await asyncio.wait({turn})
            fault = turn.exception()
            if fault is not None and str(fault) != self.problem:
                self.problem = str(fault)
                log.error("the index stays as it was", exc_info=fault)
            await asyncio.sleep(EVERY)

    async def _watch_github(self) -> None:
        pause = ASK_EVERY
        while True:
            self._wake.clear()
            turn = asyncio.create_task(self.ask())
            await asyncio.wait({turn})
            if (fault := turn.exception()) is not None:
                self.problem = str(fault)
                log.error("the index stays as it was", exc_info=fault)
            pause = ASK_EVERY if fault is None and turn.result() else min(pause * 2, ASK_AT_LEAST)
            await asyncio.wait({asyncio.create_task(self._wake.wait())}, timeout=pause)
