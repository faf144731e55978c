"""What an index has itself, as the server shows it now: its bases, projects, releases and history. It never looks elsewhere."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from bisect import bisect_right
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from wharf.distribution.file_names import plain
from wharf.errors import LostRecordError, NoIndexError, NotFoundError, StorageError, UsageError, did_you_mean
from wharf.index.history import Asked
from wharf.operations.result_documents import history_document, projects_document
from wharf.pages import document
from wharf.server.daemon_threads import DaemonThreads

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from wharf.index.snapshot import Snapshot
    from wharf.model import File, Json, Project
    from wharf.server.answer_cache import AnswerCache
    from wharf.server.past.history_copy import HistoryCopy

AT_ONCE: Final = 4
"""Questions that are answered at the same time, but those about the history."""
LOGS_AT_ONCE: Final = 2
"""Those about the history. It may be long, so they have threads of their own, which go last on the processors."""
PATIENCE: Final = 20.0
"""Seconds for which a question waits until the history is on this machine."""

_KEPT = 4  # overviews: of several indexes, each of one commit
_MOST_SKIPPED = 10_000_000
_CURSOR = re.compile(r"([0-9a-f]{40})\.([0-9]{1,8})", re.ASCII)
_UNSHOWN = "It cannot be shown just now. The server's log says why."


class IndexReading:
    """For the event loop's thread; what takes long runs in others. `index` is the one at the root.

    - All of an answer is of one commit, which it names.
    - Pages of a list fit each other: those of projects are in the order of names, those of the history begin at one commit.
    """

    def __init__(self, cache: AnswerCache, history: HistoryCopy, index: str) -> None:
        self._cache = cache
        self._history = history
        self._index = index
        self._threads = DaemonThreads("manage-read", AT_ONCE)
        self._logs = DaemonThreads("manage-log", LOGS_AT_ONCE, last=True)
        self._overviews: OrderedDict[tuple[str, str | None], Mapping[str, tuple[str, ...]]] = OrderedDict()
        self._making = asyncio.Lock()

    def snapshot(self, index: str) -> Snapshot:
        """What is shown of an index itself. Raises NoIndexError, and StorageError where it was never seen."""
        found = self._cache.sources.get(index)
        if found is not None:
            return found.layers[0].snapshot
        if index in self._cache.blind or index == self._index:
            raise StorageError(f"The index {index!r} was not seen yet.", told="The server has not seen the index yet.")
        raise no_index(index)

    def indexes(self, names: Collection[str]) -> dict[str, Json]:
        """These indexes, which may be read. Of their bases only those among them are told."""
        return {"indexes": [self._entry(name, names) for name in names]}

    def _entry(self, name: str, told: Collection[str]) -> dict[str, Json]:
        source = self._cache.sources.get(name)
        default = name == self._index
        if source is None:
            return {"name": name, "commit": None, "default": default, "bases": None, "problem": _UNSHOWN}
        snapshot = source.layers[0].snapshot
        bases: list[Json] = [each for each in snapshot.settings.bases if each in told]
        return {"name": name, "commit": snapshot.commit, "default": default, "bases": bases, "problem": None}

    def below(self, index: str) -> list[str]:
        """The index and all that it stands on, in the order in which they are looked at. Raises as `snapshot`."""
        self.snapshot(index)
        return [layer.index for layer in self._cache.sources[index].layers]

    def above(self, index: str) -> list[str]:
        """The indexes that have this one as a base, sorted."""
        sources = self._cache.sources.items()
        return sorted(name for name, each in sources if index in each.layers[0].snapshot.settings.bases)

    async def index(self, index: str, told: Collection[str]) -> dict[str, Json]:
        """One index; `told` are the names of those below and above it that may be told. Raises as `snapshot`."""
        snapshot = self.snapshot(index)
        count = len(await self._threads.run(snapshot.names))
        return {
            **_where(index, snapshot),
            "default": index == self._index,
            "bases": [each for each in snapshot.settings.bases if each in told],
            "order": [each for each in self.below(index) if each in told],
            "base_of": [each for each in self.above(index) if each in told],
            "projects": count,
        }

    async def projects(self, index: str, after: str, limit: int) -> dict[str, Json]:
        """The projects whose names come after a text, and their versions. Raises as `snapshot`."""
        snapshot = self.snapshot(index)
        overview = await self._overview(index, snapshot)
        names = tuple(overview)
        start = bisect_right(names, after)
        some = names[start : start + limit]
        more = start + limit < len(names)
        found = projects_document({name: overview[name] for name in some})
        return {**_where(index, snapshot), **found, "next": some[-1] if more else None}

    async def _overview(self, index: str, snapshot: Snapshot) -> Mapping[str, tuple[str, ...]]:
        async with self._making:  # whoever turns pages asks for the same
            key = index, snapshot.commit
            if key not in self._overviews:
                self._overviews[key] = await self._threads.run(snapshot.overview)
                while len(self._overviews) > _KEPT:
                    self._overviews.popitem(last=False)
            self._overviews.move_to_end(key)
            return self._overviews[key]

    async def project(self, index: str, name: str, version: str | None = None) -> dict[str, Json]:
        """A project, or one version of it, as installers read it, and what was removed of it. Raises NotFoundError."""
        snapshot = self.snapshot(index)
        project = await self._threads.run(partial(_project, snapshot, name))
        if version is not None:
            release = project.release(version)
            if release is None or not release.files:
                raise NotFoundError(f"{name} has no version {version}.", "Its project names the versions that there are.")
            project = dataclasses.replace(project, releases=(release,))
        up = "../" * (6 if version is None else 8)
        removed: dict[str, Json] = {each.version: dict(each.removed) for each in project.releases if each.removed}
        return {
            **_where(index, snapshot),
            **document.project(project, partial(_link, f"{up}{index}")),
            "_removed": removed,
        }

    async def log(
        self, index: str, project: str | None, version: str | None, before: str | None, limit: int
    ) -> dict[str, Json]:
        """The history, or what of it is about a project or a version. Raises NotFoundError, UsageError and StorageError."""
        snapshot = self.snapshot(index)
        if snapshot.commit is None:
            return {**_where(index, snapshot), "entries": [], "next": None}
        at, skip = snapshot.commit, 0
        if before is not None:
            cursor = _CURSOR.fullmatch(before)
            if cursor is None:
                raise _bad_cursor()
            at, skip = cursor[1], min(int(cursor[2]), _MOST_SKIPPED)
        await self._bring(snapshot.commit)
        asked = Asked(project=project, version=version, most=limit + 1, at=at, skip=skip)
        found = await self._logs.run(partial(self._history.run, partial(self._entries, index, snapshot.commit, asked)))
        if not found and not skip and project is not None:
            what = project if version is None else f"{project} {version}"
            near = did_you_mean(project, snapshot.names())
            raise NotFoundError(f"The index never had {what}.", f"{near}`wharf log` without a name shows all.")
        more = f"{at}.{skip + limit}" if len(found) > limit else None
        return {**_where(index, snapshot), "entries": [*found[:limit]], "next": more}

    async def _bring(self, commit: str) -> None:
        """Have the history up to a commit on this machine. Raises StorageError where that takes too long."""
        end = asyncio.get_running_loop().time() + PATIENCE
        while not await self._threads.run(partial(self._has, commit)):
            if asyncio.get_running_loop().time() > end or self._history.problem is not None:
                raise StorageError("The history is not here yet.", told="The history is being fetched. Ask again in a moment.")
            self._history.want()
            await asyncio.sleep(0.1)

    def _has(self, commit: str) -> bool:
        return self._history.is_here and self._history.branch.commit_at(commit) is not None

    def _entries(self, index: str, tip: str, asked: Asked) -> list[Json]:
        branch = self._history.branch.sibling(index)
        if asked.at != tip and not branch.continues(asked.at or "", tip):  # it may be of an index that the client may not read
            raise _bad_cursor()
        return [history_document(entry) for entry in branch.history(asked)]


def no_index(index: str) -> NoIndexError:
    """The error about an index that is not there."""
    return NoIndexError(f"There is no index {plain(index, 80)!r} here.", "`wharf index list` shows all.")


def _bad_cursor() -> UsageError:
    return UsageError("`before` is not from an answer about this index.", "Take it from `next` of the answer before.")


def _where(index: str, snapshot: Snapshot) -> dict[str, Json]:
    return {"index": index, "commit": snapshot.commit}


def _project(snapshot: Snapshot, name: str) -> Project:
    found, broken = next(iter(snapshot.projects([name])), (None, []))
    if found is None:
        near = did_you_mean(name, snapshot.names())
        raise NotFoundError(f"There is no project {name!r} in this index.", near.strip())
    for each in broken:
        if isinstance(each, LostRecordError):
            raise each
    return found


def _link(base: str, file: File) -> str:
    return f"{base}/files/{file.sha256}/{quote(file.filename)}"
