"""All commits of all indexes on this machine: in the folder itself, or brought from GitHub when somebody asks for the past."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from wharf.errors import WharfError
from wharf.github.remote_branch import RemoteBranch
from wharf.index.branch import Branch
from wharf.server.daemon_threads import DaemonThreads

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.server.access.borrowed_tokens import BorrowedTokens

log = logging.getLogger("wharf")

T = TypeVar("T")

PAUSE: Final = 2.0
"""Seconds between two fetches of the history."""
AFTER_FAILURE: Final = 15.0
"""Seconds before a fetch that failed is tried again; doubled each time up to ten minutes."""
_AT_LEAST = 600.0


class HistoryCopy:
    """The history of the repository of `branch`, read by a git process of its own. Where it is a copy it is fetched on demand.

    - One fetch runs at a time, in a thread of its own, and serves all who wait for it.
    - A fetch that failed is not repeated without a pause. `problem` says what is wrong.
    - All methods are for the event loop's thread; `branch` is for other threads.
    """

    def __init__(self, branch: Branch, borrowed: BorrowedTokens | None, *, clock: Callable[[], float]) -> None:
        self.branch = branch.historic() if isinstance(branch, RemoteBranch) else Branch(branch.git_dir, branch.index)
        self.problem: str | None = None
        self._borrowed = borrowed
        self._clock = clock
        self._threads = DaemonThreads("history", 1, last=True)
        self._task: asyncio.Task[None] | None = None
        self._again = 0.0
        self._pause = AFTER_FAILURE
        self._here = borrowed is None

    @property
    def is_here(self) -> bool:
        """Whether there is any history to read."""
        if not self._here:
            self._here = (self.branch.git_dir / "HEAD").is_file() and self.branch.has_every_index
        return self._here

    @property
    def is_coming(self) -> bool:
        """Whether it is fetched at this moment."""
        return self._task is not None and not self._task.done()

    def want(self) -> None:
        """Have it fetched, unless that is done at this moment or was done a moment ago."""
        if self._borrowed is None or self._borrowed.waits or self.is_coming or self._clock() < self._again:
            return
        self._task = asyncio.create_task(self._fetch(self._borrowed))

    def distrust(self) -> None:
        """What is here was found to be damaged: have it fetched again as a whole."""
        if self._borrowed is not None:
            self.branch.distrust()
            self.want()

    def run(self, question: Callable[[], T]) -> T:
        """What a question to the history gives: what it lacks is fetched with a token that GitHub takes. For other threads."""
        return question() if self._borrowed is None else self._borrowed.run(question)

    def close(self) -> None:
        """End the git process that reads."""
        self.branch.close()

    def _bring(self) -> None:
        self.branch.indexes()
        self.branch.close()  # the git that reads was started here, where everything goes before it

    async def _fetch(self, borrowed: BorrowedTokens) -> None:
        try:
            await self._threads.run(partial(borrowed.run, self._bring))
        except (WharfError, OSError) as error:
            if str(error) != self.problem:
                log.error("the history cannot be fetched: %s", error)  # noqa: TRY400 - the cause is in the message
            self.problem = str(error)
            self._again = self._clock() + self._pause
            self._pause = min(self._pause * 2, _AT_LEAST)
        else:
            if self.problem is not None:
                log.warning("The history is fetched again.")
            self.problem, self._pause = None, AFTER_FAILURE
            self._again = self._clock() + PAUSE
