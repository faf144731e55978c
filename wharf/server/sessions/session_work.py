"""What all requests about upload sessions share: who may write, which index is meant, and what its store is."""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from wharf.assets.store_folders import told
from wharf.distribution.file_names import plain
from wharf.errors import MayNotWriteError, NoIndexError, NotAllowedError, StorageError, WharfError
from wharf.index.index_name import has_address
from wharf.operations.store_time import StoreTime, by_store
from wharf.operations.upload_session_verbs import find_session, sweep_sessions
from wharf.server.access.borrowed_tokens import as_server_error
from wharf.server.daemon_threads import DaemonThreads
from wharf.server.http.answer import Answer
from wharf.server.web.quota_wait import Crowd, QuotaWait
from wharf.server.web.reserved_names import ReservedNames
from wharf.server.web.uploader_rights import UploaderRights

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from starlette.requests import Request

    from wharf.assets.session_store import SessionStore
    from wharf.assets.upload_session import UploadSession
    from wharf.index.guarded_change import Check
    from wharf.index.snapshot import Snapshot
    from wharf.repository.opening import Repository
    from wharf.server.access.access_protocol import Access, Uploader
    from wharf.server.answer_cache import AnswerCache
    from wharf.server.refresh.refresher import Refresher
    from wharf.server.web.quota_wait import Sleep
    from wharf.server.web.shared_refresh import SharedRefresh

T = TypeVar("T")

AT_ONCE: Final = 8
"""Questions to the store that are asked at the same time."""
WAITING: Final = 128
"""Requests that wait for GitHub's limits at the same time. Each holds a small file or a document."""
SWEEP_EVERY: Final = 3600.0
"""Seconds between two looks for sessions that are over."""

log = logging.getLogger("wharf")


@dataclass(frozen=True, slots=True)
class Work:
    """One index and its sessions, with the rights of one client, on GitHub by its own token. For a thread.

    `snapshot` gives the index as it is now: on GitHub, as the server saw it last.
    """

    repository: Repository
    store: SessionStore
    check: Check
    snapshot: Callable[[], Snapshot]
    now: Callable[[], datetime]

    @property
    def index(self) -> str:
        """The name of the index."""
        return self.repository.branch.index

    def may_write(self, project: str) -> None:
        """Raise NotAllowedError if the client may not write a project as the index is now."""
        self.check(self.snapshot().settings, [project])

    def session(self, session_id: str, *, newest: bool = False) -> UploadSession:
        """A session that the client may write. Raises NotFoundError and NotAllowedError."""
        found = find_session(self.store, self.index, session_id, self.now(), newest=newest)
        self.may_write(found.project)
        return found


class SessionWork:
    """That of one server.

    - Rights are those of this moment: of the token that the request brings, and of the settings of the tip.
    - On GitHub the client's own token reads and writes.
    - What waits for a disk or for GitHub runs in other threads.
    """

    def __init__(
        self,
        repository: Repository,
        access: Access,
        cache: AnswerCache,
        refresher: Refresher,
        refresh: SharedRefresh,
        *,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        sleep: Sleep,
    ) -> None:
        self.access = access
        self.refresher = refresher
        self.refresh = refresh
        self.reserved = ReservedNames()
        """The names of files that are being published by sessions."""
        self.takes_batches = repository.github is None
        """Whether many files may come in one request: on GitHub each file is an upload by itself."""
        self._own = repository
        self._cache = cache
        self.now = StoreTime(repository, now)
        self._now = now
        self._sleep = sleep
        self._crowd = Crowd(WAITING)
        self._repositories = {repository.branch.index: repository}
        self._snapshots: dict[str, tuple[object, Snapshot]] = {}
        self._rights = UploaderRights(repository.github, clock)
        self._threads = DaemonThreads("session", AT_ONCE)

    def patience(self) -> QuotaWait:
        """For how long a new request waits for GitHub's limits."""
        return QuotaWait(self._sleep, self._crowd)

    async def uploader(self, request: Request, index: str, patience: QuotaWait) -> Uploader | Answer:
        """Who asks, or the answer that says why they may not. Raises QuotaError, NoIndexError and StorageError."""
        header = request.headers.get
        allow = partial(
            self.access.uploader,
            _bytes(header("authorization")),
            index=index,
            host=_bytes(header("host")) or b"",
            origin=_bytes(header("origin")),
            fetch_site=_bytes(header("sec-fetch-site")),
        )
        found = await patience.ask(allow)
        if isinstance(found, Answer):
            return found
        known = index in self._cache.sources or index in self._cache.blind
        if index != self._own.branch.index and not (known and has_address(index)):
            await self.refresh()  # it may be new
            if index not in self._cache.sources or not has_address(index):
                raise NoIndexError(f"There is no index {plain(index, 80)!r} here.", "`wharf index list` shows all.")
        if self.refresher.lost(index):
            raise StorageError(
                "An index that sessions go to is gone.",
                "The server takes no upload until it is there again.",
                told="The index that uploads go to is gone. The server takes no upload until it is there again.",
            )
        return found

    async def run(self, index: str, uploader: Uploader, question: Callable[[Work], T]) -> T:
        """What a question gives, in another thread, by the rights of whoever asks."""
        return await self._threads.run(partial(self.carry_out, index, uploader, question))

    def carry_out(self, index: str, uploader: Uploader, question: Callable[[Work], T]) -> T:
        """The same in this thread."""
        if index not in self._repositories:
            self._repositories[index] = self._own.of_index(index)
        repository = own = self._repositories[index]
        with ExitStack() as stack:
            if uploader.token is not None:
                repository = stack.enter_context(repository.acting_as(uploader.token))
            check = self._rights.of(repository, uploader)
            work = Work(repository, repository.sessions, check, partial(self._snapshot, own), self.now)
            try:
                return question(work)
            except NotAllowedError as error:
                if isinstance(error, MayNotWriteError) or uploader.token is not None or repository.github is None:
                    raise
                raise as_server_error(error) from error

    def shows(self, session: UploadSession) -> bool:
        """Whether this server shows the stage of a session, for a thread.

        On GitHub it needs a token of its own for that, which may see drafts. Where that cannot ask, it does not.
        """
        if not session.live:
            return False
        try:
            return self._own.sessions.shows(session)
        except WharfError as error:
            log.warning("The stages of upload sessions are not shown: %s", error.message)
            return False

    async def sweep(self) -> None:
        """Delete sessions that are over, now and each hour, by the clock of the store."""
        while True:
            try:
                await self._threads.run(lambda: sweep_sessions(self._own.sessions, by_store(self._own, self._now())))
            except WharfError as error:
                log.warning("Upload sessions that are over stay: %s", error.message)
            await asyncio.sleep(SWEEP_EVERY)

    def _snapshot(self, repository: Repository) -> Snapshot:
        """The index at its tip, read again when the branch may have moved."""
        with told(repository.branch.git_dir):
            stamp = repository.branch.stamp()
        kept = self._snapshots.get(repository.branch.index)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        snapshot = repository.branch.snapshot()
        self._snapshots[repository.branch.index] = stamp, snapshot
        return snapshot


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else value.encode("latin-1")
