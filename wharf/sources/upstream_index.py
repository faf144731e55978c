"""An upstream index as something to ask for projects: what it said is kept in memory and on disk."""

from __future__ import annotations

import enum
import hashlib
import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wharf.errors import StorageError
from wharf.sources import first_sight, upstream_page_store, upstream_requests
from wharf.sources.upstream_address import origin
from wharf.sources.upstream_answers import LARGEST_METADATA
from wharf.sources.upstream_folder import FolderUpstream
from wharf.sources.upstream_over_http import HttpUpstream
from wharf.sources.upstream_page import UPSTREAM_FAILED
from wharf.sources.upstream_page_store import KeptPage, PageStore
from wharf.sources.upstream_pauses import Pauses
from wharf.sources.upstream_project import UpstreamFile, UpstreamProject
from wharf.sources.upstream_requests import UpstreamRequests
from wharf.system.clock import elapsed
from wharf.transport.http_client import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from wharf.sources.upstream_address import UpstreamAddress
    from wharf.sources.upstream_answers import Answered, Upstream
    from wharf.transport.http_client import Download, Transport

MEMORY: Final = 32 << 20
"""Bytes of pages that are kept in memory, by their size on disk. In memory it is some three times as much."""
MISS: Final = 60.0
"""Seconds for which it is remembered at most that the upstream has no project of a name."""

_MOST_MISSES = 10_000
_TRUSTED = 24 * 3600.0  # seconds after which a page is asked for whole: a validator that never changes hides news for ever


class Missing(enum.Enum):
    """Says that the upstream has no project of a name."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


@dataclass(frozen=True, slots=True)
class SeenProject:
    """A project as the upstream shows it, each file with `since`.

    `validator` are 40 hex digits that change when, and only when, anything in `project` differs. Until `fresh_until`, by the
    clock of the index, nobody asks again. `stale_since`: the upstream is away, or lies, since when this may be old.
    """

    project: UpstreamProject
    validator: str
    fresh_until: float
    stale_since: datetime | None = None


class UpstreamIndex:
    """One upstream, over HTTP or in a folder. All methods but `ready` may wait for it.

    Safe to use from several threads; processes may share `folder`.

    `folder` is the folder of all upstreams in the cache: this one has `<folder>/<address.folder>` in it.
    `transports` send requests to the upstream itself, and to other origins that it leads to. By default
    `upstream_requests.transports` makes them, which raises UsageError for certificates or a proxy that cannot be used. `clock`
    gives seconds that pass, `now` the time in UTC.
    """

    def __init__(
        self,
        address: UpstreamAddress,
        folder: Path,
        *,
        transports: tuple[Transport, Transport] | None = None,
        clock: Callable[[], float] = elapsed,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        memory: int = MEMORY,
    ) -> None:
        self.address = address
        here = folder / address.folder
        self._upstream: Upstream
        if address.is_folder:
            self._upstream = FolderUpstream(Path(address.url), PageStore(here / upstream_page_store.DIGESTS), clock)
        else:
            requests = UpstreamRequests(address, *(transports or upstream_requests.transports(address)))
            self._upstream = HttpUpstream(address, requests)
        self._clock = clock
        self._now = now
        self._memory = memory
        self._pages = PageStore(here / upstream_page_store.PAGES)
        self._metadata = PageStore(here / upstream_page_store.METADATA)
        self._pauses = Pauses(clock)
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[KeptPage, SeenProject]] = OrderedDict()
        self._bytes = 0
        self._misses: OrderedDict[str, float] = OrderedDict()
        self._asking: dict[str, Future[SeenProject | None]] = {}

    @property
    def problem(self) -> str | None:
        """What is wrong with the upstream, or with the folder: a sentence for the operator."""
        return self._pauses.problem or self._pages.problem or self._metadata.problem

    def close(self) -> None:
        """Close the connections."""
        self._upstream.close()

    def ready(self, name: str) -> SeenProject | Missing | None:
        """The project if it is in memory and fresh, MISSING if it is known that there is none; None: ask `project`. No I/O."""
        with self._lock:
            now = self._clock()
            found = self._kept.get(name)
            if found is not None and now < found[1].fresh_until:
                self._kept.move_to_end(name)
                return found[1]
            return MISSING if now < self._misses.get(name, now) else None

    def project(self, name: str) -> SeenProject | None:
        """The project of that name (PEP 503 form); None: the upstream has none. Whoever asks meanwhile waits for one request.

        Raises StorageError if the upstream is away, or lies, and nothing is kept.
        """
        with self._lock:
            there = self._asking.get(name)
            future: Future[SeenProject | None] = there or self._asking.setdefault(name, Future())
        if there is not None:
            return there.result()
        try:
            found = self._found(name)
        except BaseException as error:
            future.set_exception(error)
            raise
        else:
            future.set_result(found)
            return found
        finally:
            with self._lock:
                del self._asking[name]

    def core_metadata(self, file: UpstreamFile) -> bytes:
        """The core metadata of a file that announces them, byte for byte. Raises StorageError, also for other bytes."""
        if file.core_metadata is None:
            raise self._upstream.error(f"announces no core metadata of {file.filename}")
        kept = self._metadata.read_bytes(file.core_metadata, LARGEST_METADATA)
        if kept is not None and hashlib.sha256(kept).hexdigest() == file.core_metadata:
            return kept
        self._check_there(file)
        data = self._upstream.core_metadata(file)
        if hashlib.sha256(data).hexdigest() != file.core_metadata:
            raise self._upstream.error(f"gives other core metadata of {file.filename} than its page says")
        self._metadata.write(file.core_metadata, data)
        return data

    def open(self, file: UpstreamFile) -> AbstractContextManager[Download]:
        """The bytes of a file as they come. They are NOT checked: the reader compares the sha256. Raises StorageError."""
        self._check_there(file)
        return self._upstream.open(file)

    def _check_there(self, file: UpstreamFile) -> None:
        """Raise StorageError at once if the file is where the upstream is, and that is away."""
        away = self._pauses.away()
        if away is not None and origin(file.url) == origin(self.address.url):
            raise StorageError(away, "It is asked again soon.", told=UPSTREAM_FAILED)

    def _found(self, name: str) -> SeenProject | None:
        """The project, asked for if need be."""
        ready = self.ready(name)
        if ready is not None:
            return None if ready is MISSING else ready
        with self._lock:
            entry = self._kept.get(name)
        kept = entry[0] if entry else self._pages.read(name)
        if entry is None and kept is not None and not kept.missing:
            age = (self._now() - kept.got).total_seconds()
            if 0 <= age < kept.lifetime:  # below 0: the clock was set back
                return self._remember(name, kept, kept.lifetime - age)
        pause = self._pauses.reason(name)
        if pause is not None:
            error = StorageError(pause[1], "Nothing of it is kept here. It is asked again soon.", told=UPSTREAM_FAILED)
            return self._stale(name, kept, pause[0], error)
        try:
            answered = self._upstream.ask(name, self._to_compare(kept))
        except StorageError as error:
            away = isinstance(error, NoAnswerError) and (not error.sent or error.slow)
            until = self._pauses.failed(name, error.message, all_of_it=away)
            return self._stale(name, kept, until, error)
        self._pauses.succeeded(name)
        return self._taken(name, kept, answered)

    def _to_compare(self, kept: KeptPage | None) -> KeptPage | None:
        """The page whose validators are sent: one of which the upstream may say that it still holds."""
        if kept is None or kept.missing:
            return None
        return kept if 0 <= (self._now() - kept.got).total_seconds() < _TRUSTED else None

    def _taken(self, name: str, kept: KeptPage | None, answered: Answered) -> SeenProject | None:
        """Keep what the upstream answered."""
        if answered.same and kept is not None:
            return self._remember(name, replace(kept, confirmed=self._now()), answered.lifetime)
        now = self._now()
        if answered.project is None:
            self._forget(name, min(answered.lifetime, MISS))
            if kept is not None and not kept.missing:  # the sights count if the project comes back
                gone = UpstreamProject(name=name)
                self._write(name, replace(kept, project=gone, missing=True, etag=None, last_modified=None))
            return None
        sights = first_sight.seen(answered.project.files, None if kept is None else kept.sights, now)
        project = replace(answered.project, files=first_sight.dated(answered.project.files, sights))
        page = KeptPage(
            project=project,
            sights=sights,
            got=now,
            lifetime=answered.lifetime,
            etag=answered.etag,
            last_modified=answered.last_modified,
            validator=upstream_page_store.validator_of(project),
        )
        return self._remember(name, self._write(name, page), answered.lifetime)

    def _write(self, name: str, page: KeptPage) -> KeptPage:
        data = upstream_page_store.encoded(page)
        self._pages.write(name, data)
        return replace(page, size=len(data))

    def _remember(self, name: str, kept: KeptPage, seconds: float) -> SeenProject:
        return self._store(name, kept, SeenProject(kept.project, kept.validator, self._clock() + seconds))

    def _stale(self, name: str, kept: KeptPage | None, until: float, error: StorageError) -> SeenProject:
        """What was kept, until the upstream is asked again. Raises the error if nothing was."""
        if kept is None or kept.missing:
            raise error
        return self._store(name, kept, SeenProject(kept.project, kept.validator, until, kept.confirmed or kept.got))

    def _store(self, name: str, kept: KeptPage, seen: SeenProject) -> SeenProject:
        """Keep it in memory, and let go of what was not asked for the longest time."""
        with self._lock:
            self._drop(name)
            self._misses.pop(name, None)
            self._kept[name] = kept, seen
            self._bytes += kept.size
            while self._bytes > self._memory and len(self._kept) > 1:
                self._drop(next(iter(self._kept)))
        return seen

    def _drop(self, name: str) -> None:
        found = self._kept.pop(name, None)
        self._bytes -= found[0].size if found else 0

    def _forget(self, name: str, seconds: float) -> None:
        """Remember for so long that there is no such project."""
        with self._lock:
            self._drop(name)
            self._misses[name] = self._clock() + seconds
            self._misses.move_to_end(name)
            if len(self._misses) > _MOST_MISSES:
                self._misses.popitem(last=False)
