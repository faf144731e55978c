"""The answers at addresses of the past: pages as they were, files by what holds today."""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from wharf.distribution.file_names import plain
from wharf.errors import RewrittenError, StorageError, UsageError
from wharf.model import is_filename, is_name, is_sha256
from wharf.server.answer_maker import LIST
from wharf.server.daemon_threads import DaemonThreads
from wharf.server.fall_through import Passing
from wharf.server.files.github_file import GitHubFile
from wharf.server.http import answer
from wharf.server.http.answer import Answer, FileAnswer, text
from wharf.server.page_requests import NO_FORMAT, format_asked, project_asked, quoted, takes_gzip
from wharf.server.past.held_views import HeldViews
from wharf.server.past.past_address import whole_id
from wharf.server.past.past_view import NeverTip, PastView, WholeId, as_datetime
from wharf.server.past.todays_rule import TodaysRule, words_of
from wharf.server.past.view_maker import NotYetError, ViewMaker
from wharf.server.ready_answers import project_of
from wharf.server.upstream.past_name import PastName

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime

    from wharf.server.answer_cache import AnswerCache
    from wharf.server.fall_through import FallThrough
    from wharf.server.files.redirect_or_stream import Delivery
    from wharf.server.files.streamed_download import StreamedDownload
    from wharf.server.past.history_copy import HistoryCopy
    from wharf.server.past.past_address import PastAddress
    from wharf.server.past.todays_rule import Rule

log = logging.getLogger("wharf")

Made: TypeAlias = "Answer | FileAnswer | StreamedDownload | GitHubFile | Passing"
"""What a request for something of the past is answered; Passing: for how long it may be remembered."""
_FromUpstream: TypeAlias = "partial[Coroutine[Any, Any, Answer | Passing]]"

_TURNS = 32  # requests whose answers are made at the same time: what waits holds no moment in memory
_COMING = text(
    503,
    "The server is fetching the history of the repository, and shows nothing of the past before it is here. Ask in a moment.",
    (("retry-after", "2"),),
)
# Without Retry-After: pip would wait for so long each of five times.
_REWRITTEN = text(
    503,
    "The branch of this index was rewritten, so nobody can say what it was. Its addresses of the past are refused until the "
    "branch is set back; those of now continue.",
)
_UNREAD = text(
    503,
    "The server cannot read what one of the indexes of this repository was at that moment, so it cannot know whether it had a "
    "project of this name.",
    (("retry-after", "5"),),
)


@dataclass(frozen=True, slots=True)
class PastRequest:
    """A request for something of the past, by whoever may read the index now. `index` is its name, `root` the root path."""

    address: PastAddress
    index: str
    accept: bytes
    encoding: bytes | None
    query: bytes
    root: str
    head: bool = field(kw_only=True)

    @property
    def above(self) -> str:
        """The path of the moment, which all of its addresses are below."""
        return f"{self.root}/{self.address.index}@{self.address.when}"


class PastApi:
    """Answers for one repository.

    - A name that belongs to the repository now, or did at the moment, has a page, maybe without files: it goes nowhere else.
    - The page is as it was. A file obeys today: the quarantine of its project, the policy of the index, and its removal.
    - The history is fetched where it is not here, or older than what a moment needs. Nobody waits for that.
    - What depends on today is remembered until any index moves, and not by whoever is on the way.
    - All methods are for the event loop's thread.
    """

    def __init__(
        self,
        cache: AnswerCache,
        fall_through: FallThrough,
        history: HistoryCopy,
        delivery: Delivery | None,
        *,
        copied: bool,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        age: Callable[[], float],
    ) -> None:
        self._cache = cache
        self._fall_through = fall_through
        self._history = history
        self._delivery = delivery
        self._clock = clock
        self._now = now
        self._maker = ViewMaker(history.branch, copied=copied)
        self._views = HeldViews(cache, history, self._maker, now=now, age=age)
        self._rule = TodaysRule(history.branch, self._maker, now)
        self._threads = DaemonThreads("past-files", 2)
        self._told: set[str] = set()  # what was logged of rewritten branches
        self._turns = asyncio.Semaphore(_TURNS)

    @property
    def state(self) -> str | None:
        """What a monitor is told: `ok`, `coming`, `stale` or `rewritten`; None if nobody asked for the past."""
        if not self._views.asked:
            return None
        if self._maker.rewritten:
            return "rewritten"
        if self._history.problem is not None:
            return "stale"
        return "ok" if self._history.is_here else "coming"

    def close(self) -> None:
        """End the git process that reads."""
        self._history.close()

    async def answer(self, request: PastRequest) -> Made:
        """Answer one request. Raises WharfError."""
        if request.index in self._cache.blind:
            return _UNREAD
        try:
            async with self._turns:
                made = await self._made(request)
        except UsageError as error:
            return text(400, error.sentences)
        except NotYetError:
            self._history.want()
            return _COMING
        except RewrittenError as error:
            if error.message not in self._told:
                self._told.add(error.message)
                log.error("%s", error.sentences)  # noqa: TRY400 - the cause is in the message
            return _REWRITTEN
        # Whoever waits for an upstream holds no moment in memory, and takes no turn from what is here.
        return await made() if isinstance(made, partial) else made

    async def _made(self, request: PastRequest) -> Made | _FromUpstream:
        view = await self._views.view(request.index, request.address.when)
        if isinstance(view, WholeId):
            other = (
                project_asked(request.address.below, request.query, request.above) if "//" in request.address.below else None
            )
            return other if isinstance(other, Answer) else whole_id(request.address, view.commit, quoted(request.query))
        if isinstance(view, NeverTip):
            return self._never(view, request)
        with self._views.pinned(view):
            if request.address.below.startswith("/files/"):
                return await self._file(view, request)
            return await self._page(view, request)

    def _never(self, never: NeverTip, request: PastRequest) -> Answer:
        """What is said of a commit that was never the tip. After 404 uv asks the next index for a name that may be ours."""
        says = f"The commit {never.commit[:12]} was never the tip of the index {request.index}."
        if request.address.below.startswith("/files/"):
            return text(404, says)
        name = project_asked(request.address.below, request.query, request.above)
        if isinstance(name, Answer):
            return name
        if name and self._cache.claims.unread:
            return _UNREAD
        return text(403 if name and self._cache.claims.has(name) else 404, says)

    async def _page(self, view: PastView, request: PastRequest) -> Answer | Passing | _FromUpstream:
        form = format_asked(request.accept, request.query)
        if form is None:
            return NO_FORMAT
        name = project_asked(request.address.below, request.query, request.above)
        if isinstance(name, Answer):
            return name
        if name is None:
            return self._fall_through.missing(request.index)
        if name != LIST:
            await self._views.prepare(view, name)
        variant = form, takes_gzip(request.encoding)
        if self._cache.has(view.key, name):
            ready = self._cache.page(view.key, name, variant)
            made = ready or await self._cache.make_page(view.key, name, variant)
            if ready is None:
                self._views.weigh(view)
            if made is not None:
                return Passing(made, self._until(view))
        past = self._past_name(view, name)
        return partial(self._fall_through.page, request.index, name, request.query, form, zipped=variant[1], past=past)

    def _past_name(self, view: PastView, name: str) -> PastName:
        """What the view says of a name, for what asks upstreams. It was prepared for the name."""
        moment = None if view.time > self._now().timestamp() else as_datetime(view.time)
        return PastName(
            moment=moment,
            policy=view.layers.layers[0].snapshot.settings.policy,
            owned=view.owns(name),
            reserved=view.reserves(name),
            unread=view.unread,
        )

    def _until(self, view: PastView) -> float:
        seconds = self._views.settles(view)
        return math.inf if seconds is None else self._clock() + seconds

    async def _file(self, view: PastView, request: PastRequest) -> Made | _FromUpstream:
        first, _, rest = request.address.below[7:].partition("/")
        if not is_sha256(first):
            sha256, _, filename = rest.partition("/")
            if is_name(first) and is_sha256(sha256) and filename and "/" not in filename:
                await self._views.prepare(view, first)
                zipped, past = takes_gzip(request.encoding), self._past_name(view, first)
                asked = (request.index, first, sha256, filename)
                return partial(self._fall_through.file, *asked, zipped=zipped, head=request.head, past=past)
            return answer.OTHER_ADDRESS if request.address.below.endswith("/") else _NO_FILE
        return await self._own_file(view, request, first, rest)

    async def _own_file(self, view: PastView, request: PastRequest, sha256: str, rest: str) -> Made:
        """A file of the repository, or its core metadata, by what holds today."""
        filename = rest.removesuffix(".metadata")
        if not is_filename(filename):
            return _NO_FILE
        name = project_of(filename)
        await self._views.prepare(view, name)
        judge = partial(self._rule.of, view, name, sha256, filename, self._cache.sources)
        rule = await self._threads.run(partial(self._history.run, judge))
        self._views.weigh(view)  # it has read the folder of the project
        refused = None if rule is None else self._refused(rule, name)
        if rule is None or refused is not None:
            return refused or _NO_FILE
        found = await self._cache.make_file(view.key, sha256, filename)
        if found is None:
            hidden = await self._cache.hidden(view.key, filename)
            return _NO_FILE if hidden is None else self._fall_through.hidden.refused(hidden)
        sent: Made | None = found
        if not rule.there:
            sent = await self._bytes_of_gone(found)
            if sent is None:
                return text(410, words_of(rule.removal, filename))
        if rest.endswith(".metadata"):
            sent = await self._cache.make_metadata(view.key, sha256, filename, zipped=takes_gzip(request.encoding))
        if sent is None or not rule.there or not isinstance(sent, (Answer, FileAnswer, GitHubFile)):
            return sent or _NO_FILE
        until = math.inf if rule.until is None else self._clock() + (rule.until - self._now()).total_seconds()
        return Passing(sent, min(until, self._until(view)))

    def _refused(self, rule: Rule, name: str) -> Answer | None:
        """Why a file is not sent today, whether or not its bytes are there."""
        filename = rule.file.filename
        if rule.quarantined is not None:
            return text(403, f"{filename} is not sent: {name} is quarantined today: {plain(rule.quarantined)}.")
        if rule.hidden is not None:
            return self._fall_through.hidden.refused(rule.hidden)
        if rule.removal is not None and rule.removal.verb == "remove":
            return text(410, words_of(rule.removal, filename))
        return None

    async def _bytes_of_gone(self, found: FileAnswer | GitHubFile) -> Answer | FileAnswer | StreamedDownload | None:
        """A file that the index does not have any more; None where its bytes are gone, too."""
        if isinstance(found, FileAnswer):
            return found if await self._threads.run(found.path.is_file) else None
        if self._delivery is None:
            raise StorageError("There is no way to a file at GitHub.", "This is a fault in wharf.")
        return await self._delivery.fetch_if_there(found)


_NO_FILE = text(404, "This index named no such file at that moment.")
