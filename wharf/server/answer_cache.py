"""Answers that lie ready for what is shown: made when first asked for, kept within a bound of bytes."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from wharf.errors import DamagedError, LostRecordError, StorageError
from wharf.model import Project, Status, version_key
from wharf.pages import document, page_format
from wharf.server.answer_maker import LIST, AnswerMaker, AnswerOfFile, MadeJson, Variant
from wharf.server.claimed_names import ClaimedNames
from wharf.server.daemon_threads import DaemonThreads
from wharf.server.http import answer
from wharf.server.json_pages.json_template import JsonPages
from wharf.server.ready_answers import MOST, ReadyAnswers, project_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from wharf.index.policy import Hidden
    from wharf.pages.page_format import Format
    from wharf.server.files.github_file import GitHubFile
    from wharf.server.http.answer import Answer, FileAnswer
    from wharf.server.json_pages.json_template import JsonTemplate
    from wharf.server.ready_answers import Asked
    from wharf.sources.layers import Layers

BUDGET = 96 << 20
"""How many bytes of answers are kept at most, by a cautious estimate."""

_FILE_WEIGHT = 1200  # bytes that a FileAnswer and its keys cost, roughly; measured at 1,000
_ANSWER_WEIGHT = 2000

_OF_PAST = 2  # answers of the past that are made at the same time
_WORDS = 600  # bytes of path and headers beyond which a request is not remembered

_Key = tuple[str, str]
"""A project and its validator; of the list, LIST and the index that it is of."""

T = TypeVar("T")


@dataclass(slots=True)
class _CachedProject:
    """What lies ready of one project as an index shows it, or of the list of one index."""

    files: dict[str, FileAnswer | GitHubFile] | None = None
    variants: dict[Variant, Answer] = field(default_factory=dict)
    metadata: dict[tuple[str, bool], Answer] = field(default_factory=dict)
    hidden: dict[str, Hidden] | None = None
    json: JsonPages = field(default_factory=JsonPages)

    def weight(self) -> int:
        bodies = (len(each.body) for each in (*self.variants.values(), *self.metadata.values()))
        return sum(_ANSWER_WEIGHT + size for size in (*bodies, *self.json.sizes())) + _FILE_WEIGHT * (
            len(self.files or ()) + len(self.hidden or ())
        )


class AnswerCache:
    """Answers for all indexes of a repository. `sources` are what is shown of each index, by its name.

    - A request that finds its answer costs look-ups in dictionaries: no git, no parsing, no rendering.
    - Each answer is of what is shown. `swap` puts other sources in its place whole.
    - An answer is made once for all who ask for it meanwhile, in a thread. It is kept for as long as some index shows the
      project with the same validator. So indexes that show the same of a project share its answers.
    - Answers have at most `budget` bytes, by a cautious estimate, or are of one project. What was looked up least lately goes
      first.
    - `past` has what addresses of the past show, by other names than those of indexes. Of each it has the layers and a mark:
      SETTLED or YOUNG. A swap takes none of them away, and so none of their pages. They are made in threads of their own
      and by `read_past`, because the history may have to be fetched. `beside` are the bytes of memory that they need
      themselves, within `budget`.
    - `ready` has only answers to what is shown, by the words of the request, each with the index that it is of; `swaps` counts
      the swaps.
    - `blind` are the indexes of which nothing can be shown yet, so that nothing can be said to be missing in them.
    - `claims` has every name that belongs to an index, or did in a commit that was seen before.
    - A record that cannot be read is left out. Where the index is a copy of what is on GitHub (`copied`), the answer waits
      instead: `damaged` is called, and the copy is whole again in a moment.
    - All methods are for the event loop's thread; only what they make is made in other threads.
    """

    def __init__(self, answer_of_file: AnswerOfFile, *, private: bool, budget: int = BUDGET, copied: bool = False) -> None:
        self.damaged: Callable[[], None] = lambda: None
        self.past_damaged: Callable[[], None] = lambda: None
        self.read_past: Callable[[Callable[[], Any]], Any] = lambda question: question()
        self._maker = AnswerMaker(answer_of_file, private=private, copied=copied)
        self._budget = budget
        self._used = 0
        self.ready = ReadyAnswers()
        self.swaps = 0
        self.blind: frozenset[str] = frozenset()
        self.sources: Mapping[str, Layers] = {}
        self.past: dict[str, tuple[Layers, str]] = {}
        self.beside = 0
        self._past_threads = DaemonThreads("past-pages", _OF_PAST)
        self.claims = ClaimedNames()
        self._cached: OrderedDict[_Key, _CachedProject] = OrderedDict()
        self._validators: dict[str, set[str]] = {}  # of what is cached, by project
        self._making: dict[tuple[object, ...], asyncio.Task[Any]] = {}
        self._expiring: list[tuple[float, int, Asked]] = []  # a heap of what is ready for a while
        self._counter = itertools.count()  # or requests of one moment would be compared

    def swap(self, sources: Mapping[str, Layers], changed: Mapping[str, Collection[str] | None]) -> None:
        """Show other sources from now on, whole. `changed`: the indexes that show something else than before, with the names
        of the projects that may differ (None: any).
        """
        before, self.sources = self.sources, sources
        self.swaps += 1
        for index, names in changed.items():
            self.ready.drop(index, names)
            old, new = before.get(index), sources.get(index)
            if names is None or old is None or new is None or any(old.has(name) != new.has(name) for name in names):
                self._drop((LIST, index))
        every = any(names is None and index in before for index, names in changed.items())  # of a new one nothing is kept
        differ = {*self._validators} if every else {name for names in changed.values() for name in names or ()}
        for name in differ - {LIST}:
            for validator in [*self._validators.get(name, ())]:
                if " " not in validator and all(source.validator(name) != validator for source in sources.values()):
                    self._drop((name, validator))

    def remember(self, swaps: int, asked: Asked, index: str, given: Answer | FileAnswer | GitHubFile) -> None:
        """Give the same answer at once next time, if what is shown is still what it was made of, and no clock changes that."""
        short = sum(len(each or b"") for each in asked) <= _WORDS
        source = self.sources.get(index)
        changes = source is not None and source.until is not None
        if swaps == self.swaps and short and given.not_modified is not None and not changes:
            self.ready.put(asked, index, given)

    def remember_until(
        self, swaps: int, asked: Asked, index: str, given: Answer | FileAnswer | GitHubFile, until: float
    ) -> None:
        """The same of what comes from an upstream or is of the past, until a moment that `expire` is told."""
        if len(self._expiring) >= MOST:
            self.expire(math.inf)
        self.remember(swaps, asked, index, given)
        if asked in self.ready:
            heapq.heappush(self._expiring, (until, next(self._counter), asked))

    def expire(self, moment: float) -> None:
        """Forget what was to be remembered until then."""
        while self._expiring and self._expiring[0][0] <= moment:
            self.ready.pop(heapq.heappop(self._expiring)[-1])

    def forget_upstreams(self) -> None:
        """Remember nothing of upstreams or of the past: a name may belong to the repository now, a file be hidden or gone."""
        self.expire(math.inf)
        self.swaps += 1  # what is being made now is not remembered

    def has(self, index: str, name: str) -> bool:
        """Whether an index shows a project of that (normal) name; the empty name is the list."""
        source, _ = self._source(index)
        return source is not None and (name == LIST or source.has(name))

    def empty_page(self, name: str, form: Format, reason: str) -> Answer:
        """The page of a name that does not leave the repository, and of which the index shows no project.

        After 404 uv asks the next index.
        """
        body = page_format.render(document.project(Project(name=name, status=Status(reason=reason))), form)
        return answer.uncached_page(body, form.content_type)

    def page(self, index: str, name: str, variant: Variant) -> Answer | None:
        """The page if it lies ready."""
        cached = self._of(index, name)
        return None if cached is None else cached.variants.get(variant)

    async def make_page(self, index: str, name: str, variant: Variant) -> Answer | None:
        """The page, made if need be; None if the index shows no such project."""

        def put(cached: _CachedProject, made: Answer) -> None:
            cached.variants[variant] = made

        return await self._once(index, name, ("page", variant), partial(self._maker.page, name, variant), put)

    async def json_page(self, index: str, name: str, version: str | None) -> JsonTemplate | None:
        """The JSON page of a project, or of a version of it; None if the index shows no such one."""
        key = None if version is None else version_key(version)

        def put(cached: _CachedProject, made: MadeJson) -> None:
            cached.json.versions, page = made
            if page is not None:
                cached.json.made[key] = page

        cached = self._of(index, name)
        if cached is not None and (key in cached.json.made or cached.json.knows_none(key)):
            return cached.json.made.get(key)
        found = await self._once(index, name, ("json", key), partial(self._maker.json_page, name, version), put)
        return None if found is None else found[1]

    def file(self, index: str, sha256: str, filename: str) -> FileAnswer | GitHubFile | None:
        """The file if its project lies ready and names it."""
        cached = self._of(index, project_of(filename))
        return None if cached is None or cached.files is None else cached.files.get(f"{sha256}/{filename}")

    async def make_file(self, index: str, sha256: str, filename: str) -> FileAnswer | GitHubFile | None:
        """The file; None if the index does not show it with that digest."""

        def put(cached: _CachedProject, made: dict[str, FileAnswer | GitHubFile]) -> None:
            cached.files = made

        name = project_of(filename)
        cached = self._of(index, name)
        files = cached.files if cached is not None else None
        if files is None:
            files = await self._once(index, name, ("files",), partial(self._maker.files, name), put)
        return None if files is None else files.get(f"{sha256}/{filename}")

    async def hidden(self, index: str, filename: str) -> Hidden | None:
        """Why the index hides a file of its own; None if it has none of that name, or shows it."""

        def put(cached: _CachedProject, made: dict[str, Hidden]) -> None:
            cached.hidden = made

        name = project_of(filename)
        cached = self._of(index, name)
        hidden = cached.hidden if cached is not None else None
        if hidden is None:
            hidden = await self._once(index, name, ("hidden",), partial(self._maker.hidden, name), put)
        return None if hidden is None else hidden.get(filename)

    def metadata(self, index: str, sha256: str, filename: str, *, zipped: bool) -> Answer | None:
        """The core metadata of a file if it lies ready."""
        cached = self._of(index, project_of(filename))
        return None if cached is None else cached.metadata.get((f"{sha256}/{filename}", zipped))

    async def make_metadata(self, index: str, sha256: str, filename: str, *, zipped: bool) -> Answer | None:
        """The core metadata of a file, where it is announced; else None."""
        key = (f"{sha256}/{filename}", zipped)

        def put(cached: _CachedProject, made: Answer | None) -> None:
            if made is not None:
                cached.metadata[key] = made

        if await self.make_file(index, sha256, filename) is None:
            return None
        name = project_of(filename)
        make = partial(self._maker.metadata, name, filename, zipped)
        ready = self.metadata(index, sha256, filename, zipped=zipped)
        return ready or await self._once(index, name, ("metadata", *key), make, put)

    def _key(self, index: str, name: str) -> _Key | None:
        """What an answer is kept by; None if the index shows no such project."""
        source, mark = self._source(index)
        if source is None:
            return None
        if name == LIST:
            return LIST, f"{mark} {index}" if mark else index
        validator = source.validator(name)
        return None if validator is None else (name, f"{mark} {validator}" if mark else validator)

    def _source(self, index: str) -> tuple[Layers | None, str]:
        """What an index shows, and the mark of it, which is empty for what is of now."""
        source = self.sources.get(index)
        return self.past.get(index, (None, "")) if source is None else (source, "")

    def _of(self, index: str, name: str) -> _CachedProject | None:
        """What lies ready of a project, or of the list."""
        key = self._key(index, name)
        cached = None if key is None else self._cached.get(key)
        if key is not None and cached is not None:
            self._cached.move_to_end(key)
        return cached

    async def _once(
        self,
        index: str,
        name: str,
        what: tuple[object, ...],
        make: Callable[[Layers, str], T],
        put: Callable[[_CachedProject, T], None],
    ) -> T | None:
        """Make something of a project in a thread, once for all who ask meanwhile; None if the index shows no such project."""
        (source, _), key = self._source(index), self._key(index, name)
        if source is None or key is None:
            return None
        swaps = self.swaps  # those of the source: the task begins later
        doing = (*key, swaps if name == LIST else None, *what)
        task = self._making.get(doing)
        if task is None:
            task = asyncio.create_task(self._make_and_put(index, source, key, swaps, make, put))
            self._making[doing] = task
            task.add_done_callback(lambda _task: self._making.pop(doing))
        made: T = await asyncio.shield(task)  # a client that goes away takes nothing from the others
        return made

    async def _make_and_put(
        self,
        index: str,
        source: Layers,
        key: _Key,
        swaps: int,
        make: Callable[[Layers, str], T],
        put: Callable[[_CachedProject, T], None],
    ) -> T:
        try:
            if " " in key[1]:
                made: T = await self._past_threads.run(partial(self.read_past, partial(make, source, key[1])))
            else:
                made = await asyncio.to_thread(make, source, key[1])
        except StorageError as error:
            if isinstance(error, (DamagedError, LostRecordError)):
                (self.past_damaged if " " in key[1] else self.damaged)()
            raise
        if self._key(index, key[0]) == key and (key[0] != LIST or swaps == self.swaps):
            cached = self._cached.setdefault(key, _CachedProject())
            self._validators.setdefault(key[0], set()).add(key[1])
            self._used -= cached.weight()
            put(cached, made)
            self._used += cached.weight()
            self._cached.move_to_end(key)
            while self._used + self.beside > self._budget and len(self._cached) > 1:
                self.ready.clear()  # or what leaves the cache would stay in memory
                self._drop(next(iter(self._cached)))
        return made

    def _drop(self, key: _Key) -> None:
        cached = self._cached.pop(key, None)
        if cached is not None:
            self._used -= cached.weight()
            self._validators[key[0]].discard(key[1])
            if not self._validators[key[0]]:
                del self._validators[key[0]]
