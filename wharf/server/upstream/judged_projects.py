"""Answers of upstream projects, judged by a policy: made when first asked for, kept within a bound of bytes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from wharf.index.git_objects import joint_id
from wharf.index.policy import Hidden
from wharf.pages import page_format
from wharf.pages.etag import metadata_etag, page_etag
from wharf.server.daemon_threads import DaemonThreads
from wharf.server.http import answer
from wharf.server.upstream import upstream_document
from wharf.sources.upstream_page_store import validator_of
from wharf.sources.upstream_verdict import verdict_on

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable
    from datetime import datetime

    from wharf.index.policy import Policy, Verdict
    from wharf.server.answer_maker import Variant
    from wharf.server.http.answer import Answer
    from wharf.sources.upstream_index import SeenProject
    from wharf.sources.upstream_project import UpstreamFile

    Read = Callable[[UpstreamFile], Coroutine[Any, Any, bytes]]

BUDGET: Final = 64 << 20
"""How many bytes of answers are kept at most, by a cautious estimate."""
PAST_BUDGET: Final = 16 << 20
"""The same of all moments of the past."""
AT_ONCE: Final = 4
"""Projects that are judged or rendered at the same time, in threads of their own: the largest takes ten seconds."""

_FILE_WEIGHT = 900  # bytes that a file of a verdict costs, roughly
_ANSWER_WEIGHT = 2000  # of an answer without its body, and of a project without its files
_FEW = 100  # files that are judged at once, without another thread

_Key = tuple[str, str, str, str]
"""A project, its validator, the digest of the policy, and the moment that it is cut at; empty: it is not."""

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class JudgedProject:
    """A project of an upstream as a policy shows it at a moment, with the answers that lie ready of it.

    `until` is when time alone may change that; None: never. If it is cut at a moment, all moments before `until` show the same.
    """

    key: _Key
    seen: SeenProject
    moment: datetime
    verdict: Verdict[UpstreamFile]
    validator: str
    shown: dict[str, UpstreamFile]
    hidden: dict[str, Hidden]
    until: datetime | None
    variants: dict[Variant, Answer] = field(default_factory=dict)
    metadata: dict[tuple[str, bool], Answer] = field(default_factory=dict)

    def file(self, sha256: str, filename: str) -> UpstreamFile | Hidden | None:
        """A file of that name and digest; what hides it; None if the upstream has no such file."""
        found = self.shown.get(filename)
        if found is not None:
            return found if found.sha256 == sha256 else None
        return self.hidden.get(filename)

    def weight(self) -> int:
        """Bytes in memory, roughly."""
        bodies = (*self.variants.values(), *self.metadata.values())
        files = len(self.shown) + len(self.hidden) + len(self.seen.project.left_out)
        return _ANSWER_WEIGHT + sum(_ANSWER_WEIGHT + len(each.body) for each in bodies) + _FILE_WEIGHT * files


class JudgedProjects:
    """Answers of all upstreams. `scope` is `private` or `public`, as in Cache-Control; `now` is the time of day.

    - An answer is made once for all who ask for it meanwhile, in a thread. What belongs to the repository never waits for that.
    - A verdict that time has changed is not used, nor is one of a moment that is to come: a clock was set back.
    - A project that is cut at a moment of the past is judged by the clock of that moment. It stays the same for as long as the
      upstream shows the same, and keeps nothing in memory of later files. Moments between which nothing changed share it.
    - Answers have at most `budget` bytes, or are the pages of one project. What was looked up least lately goes first.
      `forget` is called then, so that nobody else keeps it.
    - All methods are for the event loop's thread.
    """

    def __init__(
        self,
        scope: str,
        *,
        now: Callable[[], datetime],
        forget: Callable[[], None] = lambda: None,
        budget: int = BUDGET,
        at_once: int = AT_ONCE,
    ) -> None:
        self._scope = scope
        self._now = now
        self._forget = forget
        self._threads = DaemonThreads("judge", at_once)
        self._budget = budget
        self._used = 0
        self._kept: OrderedDict[_Key, JudgedProject] = OrderedDict()
        self._cuts: dict[tuple[str, ...], dict[_Key, JudgedProject]] = {}  # those of one project, validator and policy
        self._making: dict[Hashable, asyncio.Task[Any]] = {}

    @property
    def kept(self) -> int:
        """How many projects lie ready."""
        return len(self._kept)

    async def judged(self, seen: SeenProject, policy: Policy | None, cut: datetime | None = None) -> JudgedProject:
        """What the policy shows of a project at this moment; with `cut`, what it showed of it at that one."""
        mark = "" if cut is None else cut.isoformat()
        key = (seen.project.name, seen.validator, "" if policy is None else policy.digest, mark)
        now = self._now()
        kept = self._at(key, now if cut is None else cut, is_cut=cut is not None)
        if kept is not None:
            self._kept.move_to_end(kept.key)
            kept.seen = replace(seen, project=kept.seen.project)  # of the same content, and perhaps of a later moment
            return kept
        make = partial(_judge, key, seen, policy, now) if cut is None else partial(_cut, key, seen, policy, cut)
        few = cut is None and (policy is None or len(seen.project.files) <= _FEW)  # of moments there may be many policies
        made = make() if few else await self._once(("judge", *key), lambda: self._threads.run(make))
        self._put(made)
        return made

    def _at(self, key: _Key, moment: datetime, *, is_cut: bool) -> JudgedProject | None:
        """What lies ready of a project, and holds at a moment."""
        ready = self._cuts.get(key[:3], {}).values() if is_cut else filter(None, [self._kept.get(key)])
        return next((each for each in ready if each.moment <= moment and (each.until is None or moment < each.until)), None)

    async def page(self, project: JudgedProject, variant: Variant) -> Answer:
        """The page of a project."""
        ready = project.variants.get(variant)
        if ready is None:
            make = partial(self._page, project, variant)
            ready = await self._once(("page", id(project), variant), lambda: self._threads.run(make))
            self._add(project, partial(project.variants.__setitem__, variant, ready))
        return ready

    async def metadata(self, project: JudgedProject, file: UpstreamFile, read: Read, *, zipped: bool) -> Answer:
        """The core metadata of a file, which `read` gets."""
        key = (file.filename, zipped)
        ready = project.metadata.get(key)
        if ready is None:
            data = await self._once(("metadata", id(project), file.filename), lambda: read(file))
            ready = self._metadata(data, zipped=zipped)
            self._add(project, partial(project.metadata.__setitem__, key, ready))
        return ready

    def _page(self, project: JudgedProject, variant: Variant) -> Answer:
        form, zipped = variant
        return answer.page(
            page_format.render(upstream_document.of_project(project.seen.project, project.verdict), form),
            content_type=form.content_type,
            etag=page_etag(project.validator, form, zipped=zipped),
            cache_control=f"{self._scope}, no-cache",
            vary="Accept, Accept-Encoding",
            zipped=zipped,
        )

    def _metadata(self, data: bytes, *, zipped: bool) -> Answer:
        return answer.page(
            data,
            content_type="text/plain; charset=utf-8",
            etag=metadata_etag(data, zipped=zipped),
            cache_control=f"{self._scope}, no-cache",  # a policy may hide the file later
            vary="Accept-Encoding",
            zipped=zipped,
        )

    async def _once(self, what: Hashable, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Make something once for all who ask meanwhile."""
        task: asyncio.Task[T] | None = self._making.get(what)
        if task is None:
            task = asyncio.create_task(make())
            self._making[what] = task
            task.add_done_callback(lambda _task: self._making.pop(what))
        return await asyncio.shield(task)  # a client that goes away takes nothing from the others

    def _put(self, made: JudgedProject) -> None:
        before = self._kept.pop(made.key, None)
        self._used += made.weight() - (0 if before is None else before.weight())
        self._kept[made.key] = made
        if made.key[3]:
            self._cuts.setdefault(made.key[:3], {})[made.key] = made
        self._trim()

    def _add(self, project: JudgedProject, put: Callable[[], None]) -> None:
        """Keep an answer with its project, if that is kept."""
        weight = project.weight()
        put()
        if self._kept.get(project.key) is project:
            self._used += project.weight() - weight
            self._trim()

    def _trim(self) -> None:
        if self._used <= self._budget:
            return
        self._forget()
        while self._used > self._budget and len(self._kept) > 1:
            key, dropped = self._kept.popitem(last=False)
            self._used -= dropped.weight()
            cuts = self._cuts.get(key[:3], {})
            cuts.pop(key, None)
            if not cuts:
                self._cuts.pop(key[:3], None)
        if self._used > self._budget:  # a project can have any number of core metadata
            last = next(reversed(self._kept.values()))
            self._used -= last.weight()
            last.metadata.clear()
            self._used += last.weight()


def file_of_both(
    now: JudgedProject | None, then: JudgedProject | None, sha256: str, filename: str
) -> UpstreamFile | Hidden | None:
    """A file that is shown now and was shown then; what hides it, or hid it; None if one of both has no such file."""
    of_now = None if now is None else now.file(sha256, filename)
    of_then = None if then is None else then.file(sha256, filename)
    if of_now is None or of_then is None:
        return None
    return of_then if isinstance(of_then, Hidden) and not isinstance(of_now, Hidden) else of_now


def _judge(key: _Key, seen: SeenProject, policy: Policy | None, moment: datetime) -> JudgedProject:
    verdict = verdict_on(seen.project, policy, moment)
    hidden = {each.filename: each for each in verdict.hidden}
    parts = [seen.validator, *(f"{each.filename} {each.rule} {each.reason} {each.until}" for each in verdict.hidden)]
    shown = {file.filename: file for file in verdict.shown}
    return JudgedProject(key, seen, moment, verdict, joint_id(parts), shown, hidden, verdict.until)


def _cut(key: _Key, seen: SeenProject, policy: Policy | None, moment: datetime) -> JudgedProject:
    project = seen.project.at(moment)
    judged = _judge(key, replace(seen, project=project, validator=validator_of(project)), policy, moment)
    later = (file.since for file in seen.project.files if file.since is not None and file.since > moment)
    judged.until = min((each for each in (judged.until, *later) if each is not None), default=None)
    return judged
