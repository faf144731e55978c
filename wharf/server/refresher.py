"""The refresher: keeps what the server shows at the tip of the branch, and whom it lets in at the rules as they are."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from functools import partial
from typing import TYPE_CHECKING

from wharf.errors import DamagedError, NotFoundError, StorageError, WharfError
from wharf.server.github_threads import Outside
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.github.api import GitHub
    from wharf.index.snapshot import Snapshot
    from wharf.repository.opening import Repository
    from wharf.secret import Secret
    from wharf.server.access.borrowed_tokens import Lending
    from wharf.server.access.token_access import Access
    from wharf.server.answer_cache import Shelf

log = logging.getLogger("wharf")

EVERY = 0.25
"""Seconds between two looks at the branch and at the tokens on this machine: two or three system calls each."""
ASK_EVERY = 5.0
"""Seconds between two questions to GitHub: an answer that nothing has changed is free for who has a token."""
ASK_AT_LEAST = 60.0
"""Seconds between two questions when GitHub does not answer, after a while."""
SOONEST = 2.0
"""Seconds between two questions out of turn, however often it is said that something changed: each is one of 5,000 an hour."""
MEND_EVERY = 60.0
"""Seconds before a clone is fetched anew once more; doubled each time up to an hour, as what is wrong may lie elsewhere."""
LOOK_EVERY = 300.0
"""Seconds between two looks at whether the repository is public: without a token there are 60 free questions an hour."""


class Refresher:
    """Keeps the shelf at the tip of the branch, and the access at the tokens.

    `asked` is set as soon as GitHub was asked once, whatever came of it. `hasty`: that first time a question that fails is not
    asked again, and what goes wrong is left in `problem`, for whoever shows the first page to tell; logged is what comes later.
    `public` is whether everybody may read the repository, as far as that is known when it begins.

    What keeps names from getting out:
    - A commit that was shown is shown until there is another one that can be read whole, whatever becomes of branch and store.
    - An index without a commit is shown as an empty one only if it is on this machine and `may_be_empty`. Else nothing is shown
      before there is a commit: the shelf is blind.
    """

    def __init__(
        self,
        repository: Repository,
        shelf: Shelf,
        lending: Lending | None = None,
        *,
        hasty: bool = False,
        public: bool = False,
        may_be_empty: bool = True,
        clock: Callable[[], float] = elapsed,
    ) -> None:
        self.access: Access | None = None
        self.asked = asyncio.Event()
        self.public = public
        self._problems: dict[str, str] = {}  # by where they are: "here", or "there" at GitHub
        self._repository = repository
        self._branch = repository.branch
        self._lending = lending
        self._hasty = hasty
        self._clock = clock
        self._shelf = shelf
        self._snapshot: Snapshot | None = None
        self._stamp: object = None
        self._etag: str | None = None
        self._about: str | None = None
        self._looked = 0.0
        self._closings = 0
        self._asked = 0.0
        self._absent = lending is None  # there is no index: so it is here, or GitHub said so
        self._may_be_empty = lending is None and may_be_empty
        self._first: asyncio.Task[bool] | None = None
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._anew = False  # what is here is to be brought anew, whether or not it moved
        self._mended, self._mend_pause = 0.0, MEND_EVERY
        self._outside = Outside("refresh", 1)
        shelf.damaged = self.distrust
        self._begin()

    def _begin(self) -> None:
        """Show what is here. A copy that cannot be read shows nothing until it is brought anew: no reason not to begin."""
        try:
            snapshot = self._branch.snapshot()
            trees = snapshot.tree_ids()
        except StorageError as error:
            if self._lending is None:
                raise
            self._shelf.blind = True
            if isinstance(error, DamagedError):
                self.distrust()
            self._tell("here", error)
            return
        if snapshot.commit is None and not self._may_be_empty:
            self._shelf.blind = True
            return
        self._snapshot = snapshot
        self._shelf.swap(snapshot, trees)

    @property
    def age(self) -> float | None:
        """Seconds since GitHub last confirmed what is shown; None for a store that is here, or if it never did."""
        return self._clock() - self._asked if self._asked else None

    @property
    def problem(self) -> str | None:
        """What keeps the index from being shown as it is."""
        return next(iter(self._problems.values()), None)

    @property
    def lost(self) -> bool:
        """Whether the index that is shown is not there any more."""
        return self._seen is not None and "index" in self._problems

    @property
    def waits(self) -> bool:
        """Whether GitHub cannot be asked before a client lends its token."""
        return self._lending is not None and self._lending.waits

    @property
    def _seen(self) -> str | None:
        """The commit that is shown."""
        return None if self._snapshot is None else self._snapshot.commit

    @property
    def blind(self) -> bool:
        """Whether no index was seen yet."""
        return self._shelf.blind

    @property
    def current(self) -> bool:
        """Whether what is shown is known to be the index as it is; before a client lent its token nothing else can be said."""
        if self._lending is None or self.waits:
            return self.problem is None
        return self.problem is None and self.age is not None and self.age < ASK_AT_LEAST + ASK_EVERY

    async def refresh(self) -> None:
        """Show the tip as it is here. What cannot be read leaves the last whole index in its place, and is told by /healthz."""
        async with self._turn:
            try:
                if self.access is not None:
                    self.access.refresh()
                stamp = self._branch.stamp(), self._absent
                if stamp == self._stamp:
                    self._is_back("here")
                    return
                snapshot, trees, rewritten = await asyncio.to_thread(self._read)
            except (WharfError, OSError) as error:
                self._tell("here", error)
                if isinstance(error, DamagedError):
                    self.distrust()
                return
            self._stamp = stamp
            if snapshot.commit is None and (self._seen or not self._may_be_empty):
                self._problems.pop("here", None)
                self._miss()
                return
            self._shelf.swap(snapshot, trees, rewritten=rewritten)
            self._snapshot = snapshot
            self._is_back("here", "index")

    def _is_back(self, *wheres: str) -> None:
        """What is here can be read: tell so, if it was told that it cannot."""
        was_told = [self._problems.pop(where, None) for where in wheres]
        if any(was_told) and not self._hasty:
            log.warning("The index is here again, and is shown as it is.")

    def _read(self) -> tuple[Snapshot, dict[str, str], bool]:
        """The index as it is here, the ids of its projects' folders, and whether it drops reservations of another history."""
        before = self._snapshot
        snapshot = self._branch.snapshot(before)
        trees = snapshot.tree_ids()
        if before is None or before.commit is None or snapshot.commit is None:
            return snapshot, trees, False
        fewer = set(before.settings.reserved) - set(snapshot.settings.reserved)
        return snapshot, trees, bool(fewer) and not self._branch.continues(before.commit, snapshot.commit)

    def _miss(self) -> None:
        """There is no index here. Where this is a copy, that says nothing before GitHub says so."""
        if not self._absent:
            if self._seen is not None:
                self._anew = True
                self.wake()
            return
        more = " any more" if self._seen else ""
        self._tell("index", StorageError(f"There is no index {self._branch.index!r} in {self._repository.where}{more}."))

    async def lend(self, token: Secret) -> None:
        """Take a client's token for the clone and the files, if the server has none. The first clients wait for the index."""
        if self._lending is None or not self._lending.borrows:
            return
        waited = self._lending.waits  # what is here may be of the time of the last one who lent
        self._lending.take(token)
        if waited or not self._asked:
            if self._first is None or self._first.done():
                self._first = asyncio.create_task(self.ask())
            await asyncio.shield(self._first)

    def distrust(self) -> None:
        """What is here was found to be damaged: where it is a copy, have it brought anew, and tell until that is done."""
        if self._lending is None or (self._mended and self._clock() < self._mended + self._mend_pause):
            return
        self._mend_pause = min(self._mend_pause * 2, 3600.0) if self._mended else MEND_EVERY
        self._mended = self._clock()
        self._branch.distrust()
        self._problems["copy"] = "The copy of the index is damaged, and is fetched anew."
        log.error(self._problems["copy"])
        self._anew = True
        self.wake()

    def wake(self) -> None:
        """Ask GitHub at once: it said itself that something changed."""
        self._etag = None
        self._wake.set()

    def look_again(self, *, closed: bool) -> None:
        """Ask GitHub at once who may read the repository: it said that this changed. `closed`: nobody else may from now on.

        GitHub may go on saying for a moment what was so before, so that a repository that is closed is not asked about at once.
        """
        self._closings += closed
        if closed and self.public:
            self.public = False
            log.warning("The repository is private on GitHub now.")
        self._about = None
        self._looked = self._clock() if closed else 0.0
        self.wake()

    async def ask(self) -> bool:
        """Bring the tip from GitHub, and show it. False if that failed."""
        lending = self._lending
        if lending is None or lending.waits:
            return True
        try:
            await self._outside.run(partial(lending.run, self._ask))
        except (WharfError, OSError) as error:
            if isinstance(error, NotFoundError):
                self.public = False  # as of a repository that was made private, where there is no token
            self._tell("there", error)
            return False
        was_away = self._problems.pop("there", None) is not None
        if not self._anew:  # nothing was found to be damaged meanwhile
            self._problems.pop("copy", None)
        await self.refresh()
        if was_away and not self._hasty:
            log.warning(
                "GitHub answers again. %s", "There is no index there yet." if self.blind else "The index is up to date."
            )
        return True

    def _ask(self) -> None:
        """By a question that costs nothing if the answer is no; without a token there is none, and git has to ask."""
        github = self._repository.github
        if github is None:
            return
        etag, anew = None, self._anew
        if github.source is not None:
            ref = self._branch.ref.removeprefix("refs/")
            before = None if anew else self._etag
            with _once(github) if self._hasty and not self.asked.is_set() else contextlib.nullcontext(github) as client:
                reply = client.call("GET", f"{{repo}}/git/ref/{ref}", etag=before, allow=(404, 409))
            etag = reply.headers.get("etag") if reply.status != 304 else before
        if github.source is None or reply.status != 304:
            self._anew = False
            try:
                self._branch.fetch()
            except (WharfError, OSError):
                self._anew = anew
                raise
            self._absent = self._branch.tip() is None
        self._etag = etag
        self._look(github)
        self._asked = self._clock()

    def _look(self, github: GitHub) -> None:
        """See now and then whether everybody may read the repository: that can change."""
        if self._looked and self._clock() < self._looked + LOOK_EVERY:
            return
        closings = self._closings
        reply = github.call("GET", "{repo}", etag=self._about)
        if closings != self._closings:
            return  # it was closed while GitHub was asked, and the answer may be from before
        if reply.status != 304:
            public = isinstance(reply.data, dict) and reply.data.get("private") is False
            if self.public != public and (self.public or self._looked or "there" in self._problems):
                log.warning("The repository is %s on GitHub now.", "public" if public else "private")
            self.public = public
            self._about = reply.headers.get("etag")
        self._looked = self._clock()

    def _tell(self, where: str, error: BaseException, *, fault: bool = False) -> None:
        told = self._hasty and (where in self._problems or not self.asked.is_set())
        if str(error) != self._problems.get(where) and (fault or not told):
            what = "nothing is shown" if self.blind else "the index stays as it was"
            log.error("%s: %s", what, error, exc_info=error if fault else None)
        self._problems[where] = str(error)

    async def forever(self) -> None:
        """Refresh until cancelled."""
        tasks = [asyncio.create_task(self._watch_here())]
        if self._lending is None:
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
        while True:
            turn = asyncio.create_task(self.refresh())
            await asyncio.wait({turn})
            if (fault := turn.exception()) is not None:
                self._tell("here", fault, fault=True)
            await asyncio.sleep(EVERY)

    async def _watch_github(self) -> None:
        pause, woken = ASK_EVERY, -SOONEST
        while True:
            self._wake.clear()
            turn = asyncio.create_task(self.ask())
            await asyncio.wait({turn})
            if (fault := turn.exception()) is not None:
                self._tell("there", fault, fault=True)
            self.asked.set()
            pause = ASK_EVERY if fault is None and turn.result() else min(pause * 2, ASK_AT_LEAST)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)
                await asyncio.sleep(woken + SOONEST - time.monotonic())
                woken = time.monotonic()


def _once(github: GitHub) -> GitHub:
    """The same repository and token, without a second try of what fails."""
    from wharf.github.api import GitHub
    from wharf.github.quota import Waiting

    def give_up(_seconds: float) -> None:
        raise StorageError(f"{github.address.host} does not answer.", "Check the network, and whether GitHub is up.")

    return GitHub(github.address, github.source, waiting=Waiting(0.0, sleep=give_up))
