"""The upstreams that the settings of indexes name, opened when somebody asks for one."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from wharf.errors import StorageError, UsageError
from wharf.server.daemon_threads import DaemonThreads
from wharf.sources import public_index_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.index.upstream_settings import UpstreamSettings
    from wharf.sources.public_index_address import PublicIndex
    from wharf.sources.upstream_index import SeenProject, UpstreamIndex
    from wharf.sources.upstream_project import UpstreamFile

T = TypeVar("T")

AT_ONCE: Final = 32
"""Questions to one upstream at the same time."""

_MOST = 64  # upstreams that are open: what somebody once wrote on the branch is not kept for ever


class OpenUpstreams:
    """Upstreams by their addresses. `open_index` opens one, and raises StorageError for an address that may not be asked.

    `public_index` is the upstream that the operator named on the command line, or that is meant where nobody names one.

    - A question is asked once for all who ask it meanwhile. A slow upstream lets questions to itself wait, and no others.
    - All methods are for the event loop's thread; questions are asked in others.
    """

    def __init__(self, open_index: Callable[[str], UpstreamIndex], public_index: PublicIndex | None) -> None:
        self._open = open_index
        self._public = public_index
        self._indexes: dict[str, UpstreamIndex] = {}
        self._being_opened: dict[str, asyncio.Task[UpstreamIndex]] = {}  # it takes a while to read the certificates
        self._asked = False
        self._opening = DaemonThreads("upstream", AT_ONCE)
        self._threads: dict[str, DaemonThreads] = {}  # of each upstream
        self._asking: dict[tuple[str, str], asyncio.Task[SeenProject | None]] = {}

    @property
    def asked(self) -> bool:
        """Whether one was asked."""
        return self._asked

    @property
    def problems(self) -> list[str]:
        """What keeps upstreams from being shown as they are."""
        return [index.problem for index in self._indexes.values() if index.problem is not None]

    async def address(self, settings: UpstreamSettings, source: str) -> str:
        """The address of an upstream of a route. Raises StorageError if the environment names a public index by no address."""
        given = settings.address(source)
        if given is not None:
            return given
        if self._public is None:
            try:
                self._public = await self._opening.run(partial(public_index_address.default, os.environ))  # may import
            except UsageError as error:  # what the operator set: no fault of the client that asks
                raise StorageError(error.message, f"Correct or unset {public_index_address.VARIABLE}.") from error
        return self._public.address

    async def index(self, address: str) -> UpstreamIndex:
        """The upstream at an address. Raises StorageError if it may not be asked."""
        found = self._indexes.pop(address, None)
        if found is not None:
            self._indexes[address] = found  # the one that was used least lately is dropped first
            return found
        task = self._being_opened.get(address)
        if task is None:
            task = self._being_opened[address] = asyncio.create_task(self._opened(address))
        return await asyncio.shield(task)

    async def _opened(self, address: str) -> UpstreamIndex:
        """Open an upstream, and have it at hand before the opening is over: whoever asks at that moment opens no other one."""
        try:
            found = self._indexes[address] = await self._opening.run(partial(self._open, address))
        finally:
            del self._being_opened[address]
        while len(self._indexes) > _MOST:
            dropped = self._indexes.pop(next(iter(self._indexes)))
            self._threads.pop(dropped.address.url, None)
        return found

    async def project(self, index: UpstreamIndex, name: str, *, may_ask: Callable[[], bool]) -> SeenProject | None:
        """What the upstream has of a project; None: it has none. Raises StorageError if it is away, and nothing is kept.

        `may_ask` is called in another thread, when the question has its turn: it may have waited for long. None too if it is
        False then.
        """
        from wharf.sources.upstream_index import MISSING  # who has an index has imported it

        self._asked = True
        ready = index.ready(name)
        if ready is MISSING:
            return None
        if ready is not None:
            return ready
        what = (index.address.url, name)
        task = self._asking.get(what)
        if task is None:
            task = asyncio.create_task(self._ask(index, lambda: index.project(name) if may_ask() else None))
            self._asking[what] = task
            task.add_done_callback(lambda _task: self._asking.pop(what))
        return await asyncio.shield(task)  # a client that goes away takes nothing from the others

    async def core_metadata(self, index: UpstreamIndex, file: UpstreamFile) -> bytes:
        """The core metadata of a file. Raises StorageError."""
        return await self._ask(index, partial(index.core_metadata, file))

    async def _ask(self, index: UpstreamIndex, question: Callable[[], T]) -> T:
        threads = self._threads.setdefault(index.address.url, DaemonThreads("upstream", AT_ONCE))
        return await threads.run(question)
