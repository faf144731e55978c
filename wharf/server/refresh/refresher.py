"""The refresher: keeps what the server shows at the tip of the branch, and whom it lets in at the rules as they are."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from functools import partial
from typing import TYPE_CHECKING

from wharf.errors import DamagedError, NotFoundError, StorageError, WharfError
from wharf.server.daemon_threads import DaemonThreads
from wharf.server.refresh.branch_poll import BranchPoll
from wharf.server.refresh.clock_jumps import ClockJumps
from wharf.server.refresh.index_problems import OF_OTHER, IndexProblems
from wharf.server.refresh.repository_visibility import RepositoryVisibility
from wharf.server.refresh.shown_indexes import ShownIndexes
from wharf.system.clock import elapsed, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from wharf.repository.opening import Repository
    from wharf.secret import Secret
    from wharf.server.access.access_protocol import Access
    from wharf.server.access.borrowed_tokens import BorrowedTokens
    from wharf.server.answer_cache import AnswerCache
    from wharf.server.refresh.index_problems import Where
    from wharf.server.refresh.shown_indexes import NowShown

log = logging.getLogger("wharf")

EVERY = 0.25
"""Seconds between two looks at the branch and at the tokens on this machine: two or three system calls each."""
LOOK_AGAIN = 1.0
"""Seconds before an index that cannot be read is read again, where nothing moved."""
ASK_EVERY = 5.0
"""Seconds between two questions to GitHub: an answer that nothing has changed is free for who has a token."""
ASK_AT_LEAST = 60.0
"""Seconds between two questions when GitHub does not answer, after a while."""
SOONEST = 2.0
"""Seconds between two questions out of turn, however often it is said that something changed: each is one of 5,000 an hour."""


class Refresher:
    """Keeps the cache at the tip of the branch, and the access at the tokens.

    What always holds, besides what `ShownIndexes` promises:

    - One refresh runs at a time, and one question to GitHub. What may take long (to read records, to ask GitHub) runs in other
      threads.
    - A copy of the index that is missing or damaged says nothing before GitHub was asked.
    - No problem and no fault ends it. `problem` says what is wrong, and `/healthz` tells it.
    - `asked` is set as soon as GitHub was asked once, whatever came of it, and never cleared.
    - All methods are for the event loop's thread.

    `hasty`: a first question that fails is not asked again, and what goes wrong with it is left in `problem`, for whoever shows
    the first page to tell; what comes later is logged. `public` is whether everybody may read the repository, as far as that
    is known at the beginning.
    """

    def __init__(
        self,
        repository: Repository,
        cache: AnswerCache,
        borrowed: BorrowedTokens | None = None,
        *,
        hasty: bool = False,
        public: bool = False,
        may_be_empty: bool = True,
        clock: Callable[[], float] = elapsed,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.access: Access | None = None
        self.asked = asyncio.Event()
        self._repository = repository
        self._branch = repository.branch
        self._borrowed = borrowed
        self._hasty = hasty
        self._clock = clock
        self._now = now
        self._cache = cache
        self._shown = ShownIndexes(
            repository.branch,
            cache,
            may_be_empty=borrowed is None and may_be_empty,
            every=lambda: repository.branch.has_every_index,
            now=now,
        )
        self._problems = IndexProblems(hasty=hasty, asked=self.asked, blind=lambda: self._shown.blind)
        self._poll = BranchPoll(repository.branch, clock=clock)
        self._visibility = RepositoryVisibility(public=public, clock=clock)
        self._stamp: object = None
        self._again: float | None = None  # when what is broken is read again though nothing moved
        self._confirmed = 0.0  # when GitHub last confirmed what is shown
        self._first: asyncio.Task[bool] | None = None
        self._wake = asyncio.Event()
        self._brought = -ASK_AT_LEAST  # when a publish brought all branches
        self._turn = asyncio.Lock()
        self._threads = DaemonThreads("refresh", 1)
        self._reading = DaemonThreads("show", 1)  # nothing else can keep all of its threads
        cache.damaged = self.distrust
        self._begin()

    def _begin(self) -> None:
        """Show what is here. A copy that cannot be read shows nothing until it was fetched again: no reason not to begin."""
        try:
            read = self._shown.read()
        except StorageError as error:
            if self._borrowed is None:
                raise
            self._shown.show_nothing()
            if isinstance(error, DamagedError):
                self.distrust()
            self._problems.begin("machine", error)
            return
        wrong = read.broken.get(self._branch.index)
        if wrong is not None and self._borrowed is None:
            raise wrong
        self._note(self._shown.show(read))

    @property
    def public(self) -> bool:
        """Whether everybody may read the repository on GitHub."""
        return self._visibility.public

    @property
    def age(self) -> float | None:
        """Seconds since GitHub last confirmed what is shown; None for a store that is here, or if it never did."""
        return self._clock() - self._confirmed if self._confirmed else None

    @property
    def problem(self) -> str | None:
        """What keeps the index from being shown as it is."""
        return self._problems.first

    def lost(self, index: str) -> bool:
        """Whether an index that is shown is not there any more."""
        if index != self._branch.index:
            return f"{OF_OTHER}{index}" in self._problems
        return self._shown.commit is not None and "index" in self._problems

    @property
    def waits(self) -> bool:
        """Whether GitHub cannot be asked before a client lends its token."""
        return self._borrowed is not None and self._borrowed.waits

    @property
    def blind(self) -> bool:
        """Whether no index was seen yet."""
        return self._shown.blind

    @property
    def current(self) -> bool:
        """Whether what is shown is known to be the index as it is; before a client lent its token nothing else can be said."""
        if self._borrowed is None or self.waits:
            return self.problem is None
        return self.problem is None and self.age is not None and self.age < ASK_AT_LEAST + ASK_EVERY

    def is_unmoved(self) -> bool:
        """Whether a refresh would find nothing to do at this moment: a few system calls."""
        if not self._turn.locked() and self._again is None:
            with contextlib.suppress(WharfError, OSError):  # the refresh itself says what is wrong
                return self._look() == self._stamp
        return False

    def _look(self) -> tuple[object, bool]:
        """What changes whenever there may be something else to show; the access looks, too. Raises WharfError and OSError."""
        if self.access is not None:
            self.access.refresh()
        return self._shown.stamp(), self._poll.absent

    async def refresh(self) -> None:
        """Show the tip as it is here. What cannot be read leaves the last whole index in its place, and is told by /healthz."""
        async with self._turn:
            try:
                stamp = self._look()
                if stamp == self._stamp and (self._again is None or time.monotonic() < self._again):
                    if self._again is None:
                        self._is_back("machine")
                    return
                read = await self._reading.run(self._shown.read)
                still = self._shown.stamp() == stamp[0]  # or what was read may be of neither moment
            except (WharfError, OSError) as error:
                self._problems.begin("machine", error)
                if isinstance(error, DamagedError):
                    self.distrust()
                return
            self._stamp = stamp if still else None
            self._again = time.monotonic() + LOOK_AGAIN if read.broken else None
            self._note(self._shown.show(read))

    def _note(self, shown: NowShown) -> None:
        """Tell what is wrong with each index, once, and what is not wrong any more."""
        own = self._branch.index
        problems = {f"{OF_OTHER}{name}": error for name, error in shown.problems.items() if name != own}
        for name in {*shown.missing} - {own}:
            if self._borrowed is None or shown.own:  # else the whole copy is gone
                problems[f"{OF_OTHER}{name}"] = StorageError(
                    f"There is no index {name!r} in {self._repository.where} any more."
                )
        for where, error in problems.items():
            self._problems.begin(where, error)
        ended = [f"{OF_OTHER}{name}" for name in self._problems.others() if f"{OF_OTHER}{name}" not in problems]
        if own in shown.problems:
            self._problems.begin("machine", shown.problems[own])
            self._is_back(*ended)
        elif shown.own:
            self._is_back("machine", "index", *ended)
        else:
            self._problems.end("machine", *ended)
            self._miss()
        if any(isinstance(error, DamagedError) for error in shown.problems.values()):
            self.distrust()

    def _is_back(self, *wheres: Where) -> None:
        """What is here can be read: tell so, if it was told that it cannot."""
        if self._problems.end(*wheres):
            log.warning("The index is here again, and is shown as it is.")

    def _miss(self) -> None:
        """There is no index here. Where this is a copy, that says nothing before GitHub says so."""
        seen = self._shown.commit is not None
        if self._borrowed is None or self._poll.absent:
            where = f"{self._repository.where}{' any more' if seen else ''}"
            self._problems.begin("index", StorageError(f"There is no index {self._branch.index!r} in {where}."))
        elif seen:
            self._poll.must_fetch = True
            self.wake()

    async def lend(self, token: Secret) -> None:
        """Take a client's token for the clone and the files, if the server has none. The first clients wait for the index."""
        if self._borrowed is None or not self._borrowed.borrows:
            return
        waited = self._borrowed.waits  # what is here may be of the time of the last one who lent
        self._borrowed.take(token)
        if waited or not self._confirmed:
            if self._first is None or self._first.done():
                self._first = asyncio.create_task(self.ask())
            await asyncio.shield(self._first)

    def distrust(self) -> None:
        """What is here was found to be damaged: where it is a copy, have it fetched again, and tell until that is done."""
        if self._borrowed is not None and self._poll.distrust():
            self._problems.begin_damage()
            self.wake()

    def brought(self, seconds: float) -> None:
        """A publish brought all branches so many seconds ago, and made a commit: that was a question, too."""
        self._poll.moved()
        self._brought = max(self._brought, time.monotonic() - seconds)
        if self._confirmed:
            self._confirmed = max(self._confirmed, self._clock() - seconds)

    def wake(self) -> None:
        """Ask GitHub at once: it said itself that something changed."""
        self._poll.forget()
        self._wake.set()

    def look_again(self, *, closed: bool) -> None:
        """Ask GitHub at once who may read the repository: it said that this changed. `closed`: nobody else may from now on."""
        self._visibility.forget(closed=closed)
        self.wake()

    async def ask(self) -> bool:
        """Bring the tip from GitHub, and show it. False if that failed."""
        borrowed = self._borrowed
        if borrowed is None or borrowed.waits:
            return True
        try:
            await self._threads.run(partial(borrowed.run, self._ask))
        except (WharfError, OSError) as error:
            if isinstance(error, NotFoundError):
                self._visibility.public = False  # as of a repository that was made private, where there is no token
            self._problems.begin("github", error)
            return False
        was_away = self._problems.end("github")
        if self._again is not None:
            self._again = 0.0  # the copy may be whole again
        if not self._poll.must_fetch:  # nothing was found to be damaged meanwhile
            self._problems.end("copy")
        await self.refresh()
        if was_away:
            log.warning(
                "GitHub answers again. %s", "There is no index there yet." if self.blind else "The index is up to date."
            )
        return True

    def _ask(self) -> None:
        """Ask GitHub for the branch and, now and then, whether the repository is public. In another thread."""
        github = self._repository.github
        if github is None:
            return
        self._poll.bring(github, once=self._hasty and not self.asked.is_set())
        self._visibility.look(github, was_away="github" in self._problems)
        self._confirmed = self._clock()

    async def forever(self) -> None:
        """Refresh until cancelled."""
        tasks = [asyncio.create_task(self._watch_here())]
        if self._borrowed is None:
            self.asked.set()
        else:
            tasks.append(asyncio.create_task(self._watch_github()))
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _watch_here(self) -> None:
        """Not even a fault of our own ends it: an index that stands still unseen is worse."""
        jumps = ClockJumps(self._clock, self._now)
        while True:
            self._cache.expire(self._clock())
            if jumps.happened():
                self._cache.forget_upstreams()  # what a policy hides depends on the time of day
            turn = asyncio.create_task(self.refresh())
            await asyncio.wait({turn})
            if (fault := turn.exception()) is not None:
                self._problems.begin("machine", fault, fault=True)
            await asyncio.sleep(EVERY)

    async def _watch_github(self) -> None:
        pause, woken = ASK_EVERY, -SOONEST
        while True:
            self._wake.clear()
            turn = asyncio.create_task(self.ask())
            await asyncio.wait({turn})
            if (fault := turn.exception()) is not None:
                self._problems.begin("github", fault, fault=True)
            self.asked.set()
            well = fault is None and turn.result()
            pause = ASK_EVERY if well else min(pause * 2, ASK_AT_LEAST)
            if await self._is_woken(pause, ASK_AT_LEAST if well else pause):
                await asyncio.sleep(woken + SOONEST - time.monotonic())
                woken = time.monotonic()

    async def _is_woken(self, pause: float, most: float) -> bool:
        """Whether somebody wakes it before it is time to ask, which uploads put off, and not for ever."""
        begin = time.monotonic()
        while (left := min(max(begin + pause, self._brought + pause), begin + most) - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), left)
                return True
        return False
