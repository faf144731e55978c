"""What a client is told of a name that the index has no project of: a page without files, what an upstream has, or 404.

Here it is decided whether a name may leave the repository. Nothing else in the server asks an upstream.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from wharf.errors import StorageError
from wharf.index.policy import Hidden
from wharf.index.upstream_settings import UPSTREAM, is_folder
from wharf.server.files.download_cache import Wanted
from wharf.server.http import answer
from wharf.server.http.answer import Answer, FileAnswer, text, uncached_redirect
from wharf.server.page_requests import quoted
from wharf.server.upstream.hidden_files import HiddenFiles
from wharf.server.upstream.judged_projects import file_of_both
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from pathlib import Path

    from wharf.index.policy import Policy
    from wharf.index.upstream_settings import Mode, UpstreamSettings
    from wharf.pages.page_format import Format
    from wharf.server.answer_cache import AnswerCache
    from wharf.server.answer_maker import Variant
    from wharf.server.files.download_cache import DownloadCache
    from wharf.server.files.github_file import GitHubFile
    from wharf.server.files.streamed_download import StreamedDownload
    from wharf.server.upstream.judged_projects import JudgedProject, JudgedProjects
    from wharf.server.upstream.open_upstreams import OpenUpstreams
    from wharf.server.upstream.past_name import PastName
    from wharf.sources.upstream_index import SeenProject, UpstreamIndex
    from wharf.sources.upstream_project import UpstreamFile

log = logging.getLogger("wharf")

PAST_TURNS: Final = 4
"""Moments that projects are cut at at the same time: each has a copy of its own in memory until its page is made."""

_MISSED = 20  # names that are remembered of those that no client was sent elsewhere for
_WAY_ON = (
    "`wharf index settings INDEX --set upstream.mode=proxy` gets such names for this index; "
    "`wharf serve --fall-through` and `wharf run --fall-through -- COMMAND` send clients to the public index for them."
)

_UNREAD = text(
    503,
    "The server cannot read one of the indexes of this repository, so it cannot know whether it has a project of this name.",
    (("retry-after", "5"),),
)
_OWN_NAME = text(403, "The name belongs to this repository: the server sends no file of an upstream under it.")
_NAME_OF_THEN = text(403, "The name belonged to this repository then: the server sends no file of an upstream under it.")
_NO_FILE = text(404, "No upstream of this index has that file.")
_NO_FILE_THEN = text(404, "No upstream of this index has that file among those of that moment.")


@dataclass(frozen=True, slots=True)
class Passing:
    """What is sent for a while, as of an upstream.

    `until` is when it has to be looked at again, in seconds by `elapsed`; None: each time.
    """

    answer: Answer | FileAnswer | StreamedDownload | GitHubFile
    until: float | None = None


@dataclass(frozen=True, slots=True)
class _Way:
    """What an index says of names that it does not have."""

    mode: Mode
    settings: UpstreamSettings
    policy: Policy | None


@dataclass(frozen=True, slots=True)
class _Found:
    """The upstream that has a project, and what it has of it. `seen` None: the client is sent there, and sees for itself."""

    address: str
    index: UpstreamIndex
    seen: SeenProject | None


class FallThrough:
    """Gets what an index does not have from upstreams, as its settings say.

    - A name that any index of the repository owns or reserves is never passed on. It has a page, maybe without files, because
      uv asks the next index after 404. The same holds for a name that a route sends nowhere.
    - While there is an index of which nothing was ever read, nothing is said of a name: it may be one of that index.
    - Both are looked at again after each wait, and before an upstream is asked: a commit may have come meanwhile. If it changed
      the settings, all is decided again.
    - The first upstream of a route that has a name gives all of it. One that does not answer ends the search.
    - Where the settings of an index have no mode, `passes_on` says whether clients are sent to the public index. If there is a
      policy, what they get passes through the server, because a redirect cannot keep it.
    - `missed` has the names that were asked for while none is passed on, the first few of them. With `tells`, each of these is
      logged once. `hidden` says what a policy hides.
    - At an address of the past (`past`), the settings of now say where a name is looked for. What was owned or reserved at that
      moment never leaves either. A page is cut there, which no redirect does: all passes through the server. `past_projects`
      keeps these pages, so that whoever reads many moments takes no memory from the pages of now.
    """

    def __init__(
        self,
        cache: AnswerCache,
        upstreams: OpenUpstreams,
        projects: JudgedProjects,
        past_projects: JudgedProjects,
        downloads: DownloadCache,
        *,
        passes_on: bool,
        tells: bool,
        now: Callable[[], datetime],
        clock: Callable[[], float] = elapsed,
    ) -> None:
        self.missed: set[str] = set()
        self.hidden = HiddenFiles(clock)
        self._cache = cache
        self._upstreams = upstreams
        self._projects = projects
        self._past_projects = past_projects
        self._past_turns = asyncio.Semaphore(PAST_TURNS)
        self._downloads = downloads
        self._passes_on = passes_on
        self._tells = tells
        self._now = now
        self._clock = clock

    def mode(self, index: str) -> Mode | None:
        """How clients get names that an index does not have from elsewhere; None: not at all."""
        if index not in self._cache.sources:
            return "redirect" if self._passes_on else None  # as far as anybody knows before there is a commit
        way = self._way(index)
        return None if way is None else way.mode

    async def prepare(self) -> None:
        """Open the upstreams of the indexes that are shown, or the first client would wait for that. None of them is asked."""
        for index in [*self._cache.sources]:
            way = self._way(index)
            if way is not None and way.mode == "proxy":
                for source in (UPSTREAM, *(name for name, _ in way.settings.others)):
                    with contextlib.suppress(StorageError):  # it is told to whoever asks for a name
                        await self._upstreams.index(await self._upstreams.address(way.settings, source))

    @property
    def asks_upstreams(self) -> bool:
        """Whether an upstream was asked since the server began."""
        return self._upstreams.asked

    @property
    def problems(self) -> list[str]:
        """What is wrong with upstreams."""
        return self._upstreams.problems

    async def page(
        self, index: str, name: str, query: bytes, form: Format, *, zipped: bool, past: PastName | None = None
    ) -> Answer | Passing:
        """The page of a (normal) name that the index has no project of, or had none of."""
        way = self._way(index, past)
        stays = self._stays(name, form, way, past)
        if stays is not None:
            return stays
        if way is None:
            return self._missing(index, name)
        found = await self._find(way, name, past)
        stays = self._stays(name, form, way, past)
        if stays is not None:
            return stays
        if way != self._way(index, past):
            return await self.page(index, name, query, form, zipped=zipped, past=past)
        if found is None:
            return text(404, f"Neither this index nor an upstream of it has a project {name}.")
        if found.seen is None:
            return uncached_redirect(f"{found.address}{name}/{f'?{quoted(query)}' if query else ''}")
        project, page = await self._made(found.seen, way, past, (form, zipped))
        self.hidden.note(project)
        until = self._until(project) if past is None else None
        return self._stays(name, form, way, past) or Passing(_told_stale(page, found.seen), until)

    async def file(
        self, index: str, name: str, sha256: str, filename: str, *, zipped: bool, head: bool, past: PastName | None = None
    ) -> Answer | Passing:
        """A file of a project of an upstream, or its core metadata, at its own address.

        The policy of now decides whether it is sent; at an address of the past also what the page of that moment shows.
        """
        way = self._way(index, past)
        if way is None:
            return _NO_FILE
        found = None if self._is_kept(name, past) else await self._find(way, name, past, itself=True)
        seen = None if found is None else found.seen
        project = None if seen is None else await self._projects.judged(seen, way.policy)
        then = project
        if past is not None and seen is not None:
            async with self._past_turns:
                then = await self._past_projects.judged(seen, past.policy, past.moment)
        if self._is_kept(name, past):
            return self._kept_back(name, past)
        if way != self._way(index, past):
            return await self.file(index, name, sha256, filename, zipped=zipped, head=head, past=past)
        file = file_of_both(project, then, sha256, filename.removesuffix(".metadata"))
        if isinstance(file, Hidden):
            return self.hidden.refused(file)
        if found is None or project is None or file is None:
            return _NO_FILE if past is None else _NO_FILE_THEN
        if not filename.endswith(".metadata"):
            return Passing(await self._bytes(found.index, file, way, lambda: self._still(index, name, way, past), head=head))
        if file.core_metadata is None:
            return _NO_FILE
        read = partial(self._upstreams.core_metadata, found.index)
        made = await self._projects.metadata(project, file, read, zipped=zipped)
        if not self._still(index, name, way, past):
            return await self.file(index, name, sha256, filename, zipped=zipped, head=head, past=past)
        return Passing(made, self._until(project) if past is None else None)

    async def _made(
        self, seen: SeenProject, way: _Way, past: PastName | None, variant: Variant
    ) -> tuple[JudgedProject, Answer]:
        """A project as its policy shows it, and its page."""
        if past is None:
            project = await self._projects.judged(seen, way.policy)
            return project, await self._projects.page(project, variant)
        async with self._past_turns:
            project = await self._past_projects.judged(seen, past.policy, past.moment)
            return project, await self._past_projects.page(project, variant)

    def _kept_back(self, name: str, past: PastName | None) -> Answer:
        """What is said instead of a file of an upstream under a name that is kept."""
        if self._cache.claims.has(name):
            return _OWN_NAME
        return _NAME_OF_THEN if past is not None and (past.owned or past.reserved) else _UNREAD

    def _still(self, index: str, name: str, way: _Way, past: PastName | None) -> bool:
        """Whether what was decided of a name still holds. In any thread."""
        return not self._is_kept(name, past) and way == self._way(index, past)

    def _way(self, index: str, past: PastName | None = None) -> _Way | None:
        source = self._cache.sources.get(index)
        if source is None:
            return None
        settings = source.layers[0].snapshot.settings
        mode = settings.upstream.mode
        if mode is None and self._passes_on:
            mode = "redirect" if settings.policy is None else "proxy"
        if mode is None:
            return None
        return _Way(mode if past is None else "proxy", settings.upstream, settings.policy)

    def _is_kept(self, name: str, past: PastName | None) -> bool:
        """Whether a name does not leave the repository, or may be one that must not. In any thread."""
        return self._cache.claims.unread or self._cache.claims.has(name) or (past is not None and past.is_kept)

    def _stays(self, name: str, form: Format, way: _Way | None, past: PastName | None) -> Answer | None:
        """What is said of a name that does not leave the repository; None if it does."""
        verb = None if past is None else "reserved" if past.reserved else "owned" if past.owned else None
        if self._cache.claims.has(name):
            verb = "reserves" if self._cache.claims.reserves(name) else "owns"
        if verb is not None:
            return self._cache.empty_page(name, form, f"This repository {verb} the name. wharf looks for it nowhere else.")
        if self._is_kept(name, past):
            return _UNREAD
        if way is not None and not way.settings.upstreams(name):
            return self._cache.empty_page(name, form, "A route of this index sends the name nowhere.")
        return None

    async def _find(self, way: _Way, name: str, past: PastName | None, *, itself: bool = False) -> _Found | None:
        """The upstream that has a project of that name, with what it has of it, unless the client can be sent there.

        `itself`: what it has is wanted, wherever clients are sent.
        """
        sources = way.settings.upstreams(name)
        for source in sources:
            address = await self._upstreams.address(way.settings, source)
            index = await self._upstreams.index(address)
            sent = way.mode == "redirect" and not itself and not is_folder(address)
            if sent and source == sources[-1]:
                return _Found(address, index, None)
            if self._is_kept(name, past):
                return None
            # Who asks meanwhile shares the question, whatever moment he asks of: what is kept of the past never changes.
            seen = await self._upstreams.project(index, name, may_ask=lambda: not self._is_kept(name, None))
            if seen is not None:
                return _Found(address, index, None if sent else seen)
        return None

    async def _bytes(
        self, index: UpstreamIndex, file: UpstreamFile, way: _Way, may_ask: Callable[[], bool], *, head: bool
    ) -> Answer | FileAnswer | StreamedDownload:
        """The file: from the cache, or as it comes."""
        # What a policy hides tomorrow must not be installed from a cache on the way.
        kept = "private, max-age=31536000, immutable" if way.policy is None else "private, no-cache"

        def sent(path: Path, size: int) -> FileAnswer:
            return answer.stored_file(path, size=size, sha256=file.sha256, cache_control=kept)

        def fetch(write: Callable[[int | None, Iterable[bytes]], None]) -> None:
            if not may_ask():  # it waited for its turn
                raise StorageError(f"{file.filename} was asked for, and the index has changed meanwhile.", "Ask again.")
            with index.open(file) as download:
                write(download.size, download.chunks)

        if head and file.size is not None:
            return sent(self._downloads.folder / file.sha256, file.size).head
        source = index.address.url
        wanted = Wanted(sha256=file.sha256, size=file.size, answer=sent, fetch=fetch, source=source, name=file.filename)
        return await self._downloads.open(wanted)

    def _until(self, project: JudgedProject) -> float:
        """When an answer of the project has to be looked at again."""
        until = project.seen.fresh_until
        if project.until is not None:
            until = min(until, self._clock() + (project.until - self._now()).total_seconds())
        return until

    def _missing(self, index: str, name: str) -> Answer:
        if name not in self.missed and len(self.missed) < _MISSED:
            self.missed.add(name)
            if self._tells:
                log.warning("This index has no project %s, and it passes no name on (--fall-through is off).", name)
                if len(self.missed) == _MISSED:
                    log.warning("Further names that this index does not have are not shown.")
        return self.missing(index, name)

    def missing(self, index: str, name: str = "") -> Answer:
        """There is no such project. Where a client could be sent on and is not, that is said."""
        what = f"project {name}" if name else "project of that name"
        if self.mode(index) is not None:
            return text(404, f"This index has no {what}.")
        return text(404, f"This index has no {what}, and it passes no name on (--fall-through is off). {_WAY_ON}")


def _told_stale(page: Answer, seen: SeenProject) -> Answer:
    """The page, with a header that says since when it may be old."""
    if seen.stale_since is None:
        return page
    since = f"{seen.stale_since:%Y-%m-%dT%H:%M:%SZ}".encode()
    return replace(page, headers=(*page.headers, (b"x-wharf-stale-since", since)))
