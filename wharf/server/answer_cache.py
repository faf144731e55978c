"""Answers that lie ready for one snapshot: made when first asked for, kept within a bound of bytes."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from wharf.errors import DamagedError, LostRecordError, StorageError
from wharf.model import Project, Status, is_filename, normalize
from wharf.pages import document, page_format
from wharf.pages.etag import list_id
from wharf.server.answer_maker import LIST, AnswerMaker, AnswerOfFile, Variant
from wharf.server.claimed_names import ClaimedNames
from wharf.server.http import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.index.snapshot import Snapshot
    from wharf.pages.page_format import Format
    from wharf.server.files.github_file import GitHubFile
    from wharf.server.http.answer import Answer, FileAnswer

BUDGET = 96 << 20
"""How many bytes of answers are kept at most, by a cautious estimate."""

_FILE_WEIGHT = 1200  # bytes that a FileAnswer and its keys cost, roughly; measured at 1,000
_ANSWER_WEIGHT = 2000

_REMEMBERED = 8192  # requests whose answer is remembered by their very words
_WORDS = 600  # bytes of path and headers beyond which a request is not remembered

Asked = tuple[str, bytes | None, bytes | None]
"""What a request says: path, Accept and Accept-Encoding, as they came."""

T = TypeVar("T")

log = logging.getLogger("wharf")


@dataclass(slots=True)
class _CachedProject:
    """What lies ready of one project, or of the list."""

    tree: str
    files: dict[str, FileAnswer | GitHubFile] | None = None
    variants: dict[Variant, Answer] = field(default_factory=dict)
    metadata: dict[tuple[str, bool], Answer] = field(default_factory=dict)

    def weight(self) -> int:
        bodies = (*self.variants.values(), *self.metadata.values())
        return sum(_ANSWER_WEIGHT + len(each.body) for each in bodies) + _FILE_WEIGHT * len(self.files or ())


class AnswerCache:
    """Answers for one index.

    - A request that finds its answer costs look-ups in dictionaries: no git, no parsing, no rendering.
    - Each answer is of the snapshot that is shown. `swap` puts another one in its place whole.
    - An answer is made once for all who ask for it meanwhile, in a thread. It is kept across snapshots for as long as the
      project's folder has the same git id.
    - Answers have at most `budget` bytes, by a cautious estimate, or are of one project. What was looked up least lately goes
      first.
    - `ready` has only answers to the snapshot that is shown, by the words of the request; `index` counts the swaps.
    - `blind`: no index was seen yet, so that nothing can be said to be missing in it.
    - `claims` has every name that belongs to the index, or to a snapshot that was shown before.
    - A record that cannot be read is left out. Where the index is a copy of what is on GitHub (`copied`), the answer waits
      instead: `damaged` is called, and the copy is whole again in a moment.
    - All methods are for the event loop's thread; only what they make is made in other threads.
    """

    def __init__(self, answer_of_file: AnswerOfFile, *, private: bool, budget: int = BUDGET, copied: bool = False) -> None:
        self.damaged: Callable[[], None] = lambda: None
        self._maker = AnswerMaker(answer_of_file, private=private, copied=copied)
        self._budget = budget
        self._used = 0
        self.ready: dict[Asked, Answer | FileAnswer | GitHubFile] = {}
        self.index = 0
        self.blind = False
        self._trees: dict[str, str] = {}
        self._snapshot: Snapshot | None = None
        self.claims = ClaimedNames()
        self._cached: OrderedDict[str, _CachedProject] = OrderedDict()
        self._making: dict[tuple[object, ...], asyncio.Task[Any]] = {}

    def swap(self, snapshot: Snapshot, trees: dict[str, str], *, rewritten: bool = False) -> None:
        """Show another snapshot from now on, whole. `trees` are its `tree_ids`, read beforehand in a thread.

        `rewritten`: it does not stand on the one before.
        """
        self._snapshot, self._trees = snapshot, {**trees, LIST: list_id(trees)}
        self.blind = False
        lost = self.claims.learn(trees, snapshot.settings, rewritten=rewritten)
        if lost:
            some = ", ".join(lost[:3]) + (" and others" if len(lost) > 3 else "")
            log.warning("The index lacks projects that it had: %s. This server sends nobody elsewhere for them.", some)
        self.index += 1
        self.ready.clear()
        for name in [name for name, cached in self._cached.items() if self._trees.get(name) != cached.tree]:
            self._used -= self._cached.pop(name).weight()

    def remember(self, index: int, asked: Asked, given: Answer | FileAnswer | GitHubFile) -> None:
        """Give the same answer at once next time, if the index is still the one that it was made of."""
        short = sum(len(each or b"") for each in asked) <= _WORDS
        if index == self.index and short and given.not_modified is not None:
            if len(self.ready) >= _REMEMBERED:
                self.ready.clear()
            self.ready[asked] = given

    def has(self, name: str) -> bool:
        """Whether the index has a project of that (normal) name; the empty name is the list."""
        return name in self._trees

    def empty_page(self, name: str, form: Format) -> Answer:
        """The page of a name that belongs to the index, which has no project of it. After 404 uv asks the next index."""
        why = "This index reserves the name." if self.claims.reserves(name) else "This index had a project of that name."
        status = Status(reason=f"{why} wharf looks for it nowhere else.")
        body = page_format.render(document.project(Project(name=name, status=status)), form)
        return answer.uncached_page(body, form.content_type)

    def page(self, name: str, variant: Variant) -> Answer | None:
        """The page if it lies ready."""
        cached = self._cached.get(name)
        if cached is None:
            return None
        self._cached.move_to_end(name)
        return cached.variants.get(variant)

    async def make_page(self, name: str, variant: Variant) -> Answer | None:
        """The page, made if need be; None if there is no such project."""

        def put(cached: _CachedProject, made: Answer) -> None:
            cached.variants[variant] = made

        return await self._once(name, ("page", variant), partial(self._maker.page, name, variant), put)

    def file(self, sha256: str, filename: str) -> FileAnswer | GitHubFile | None:
        """The file if its project lies ready and names it."""
        cached = self._cached.get(_project_of(filename))
        return None if cached is None or cached.files is None else cached.files.get(f"{sha256}/{filename}")

    async def make_file(self, sha256: str, filename: str) -> FileAnswer | GitHubFile | None:
        """The file; None if the index does not name it with that digest."""

        def put(cached: _CachedProject, made: dict[str, FileAnswer | GitHubFile]) -> None:
            cached.files = made

        name = _project_of(filename)
        cached = self._cached.get(name)
        files = cached.files if cached is not None else None
        if files is None:
            files = await self._once(name, ("files",), partial(self._maker.files, name), put)
        return None if files is None else files.get(f"{sha256}/{filename}")

    def metadata(self, sha256: str, filename: str, *, zipped: bool) -> Answer | None:
        """The core metadata of a file if it lies ready."""
        cached = self._cached.get(_project_of(filename))
        return None if cached is None else cached.metadata.get((f"{sha256}/{filename}", zipped))

    async def make_metadata(self, sha256: str, filename: str, *, zipped: bool) -> Answer | None:
        """The core metadata of a file, where it is announced; else None."""
        key = (f"{sha256}/{filename}", zipped)

        def put(cached: _CachedProject, made: Answer | None) -> None:
            if made is not None:
                cached.metadata[key] = made

        if await self.make_file(sha256, filename) is None:
            return None
        name = _project_of(filename)
        make = partial(self._maker.metadata, name, filename, zipped)
        return self.metadata(sha256, filename, zipped=zipped) or await self._once(name, ("metadata", *key), make, put)

    async def _once(
        self, name: str, what: tuple[object, ...], make: Callable[[Snapshot, str], T], put: Callable[[_CachedProject, T], None]
    ) -> T | None:
        """Make something of a project in a thread, once for all who ask meanwhile; None if there is no such project."""
        snapshot, tree = self._snapshot, self._trees.get(name)
        if snapshot is None or tree is None:
            return None
        key = (name, tree, *what)
        task = self._making.get(key)
        if task is None:
            task = asyncio.create_task(self._make_and_put(name, snapshot, tree, make, put))
            self._making[key] = task
            task.add_done_callback(lambda _task: self._making.pop(key))
        made: T = await asyncio.shield(task)  # a client that goes away takes nothing from the others
        return made

    async def _make_and_put(
        self,
        name: str,
        snapshot: Snapshot,
        tree: str,
        make: Callable[[Snapshot, str], T],
        put: Callable[[_CachedProject, T], None],
    ) -> T:
        try:
            made = await asyncio.to_thread(make, snapshot, tree)
        except StorageError as error:
            if isinstance(error, (DamagedError, LostRecordError)):
                self.damaged()
            raise
        if self._trees.get(name) == tree:
            cached = self._cached.setdefault(name, _CachedProject(tree))
            self._used -= cached.weight()
            put(cached, made)
            self._used += cached.weight()
            self._cached.move_to_end(name)
            while self._used > self._budget and len(self._cached) > 1:
                self.ready.clear()  # or what leaves the cache would stay in memory
                self._used -= self._cached.popitem(last=False)[1].weight()
        return made


def _project_of(filename: str) -> str:
    """The project that a file of that name belongs to; for what no distribution is called, a name that no project has."""
    if not is_filename(filename):
        return "-"
    # Not Name.parse: that expands a wheel's tags, up to 1,000 of them, and remembers them, for whatever a client makes up.
    stem = filename.removesuffix(".tar.gz").removesuffix(".zip")
    return normalize(filename.partition("-")[0] if filename.endswith(".whl") else stem.rpartition("-")[0])
