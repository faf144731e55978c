"""One publish into GitHub releases, of files of one version or of many.

`release_planning` says which file goes into which release. `release_writing` carries that out, for several releases at once.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final

from wharf.errors import StorageError
from wharf.github.release_planning import PlannedRelease, latest_recorded, plan
from wharf.github.release_writing import ReleaseWriter, side_by_side
from wharf.github.reused_assets import ReusedAssets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Self

    from wharf.assets.asset_store import Incoming, Opener, Progress, Recorded, Refuse
    from wharf.github.api import GitHub
    from wharf.github.kept_listing import KeptListing
    from wharf.github.release_listing import Listed
    from wharf.github.release_planning import Plan
    from wharf.index.change import Named
    from wharf.model import Release

UPLOADS: Final = 12
"""Files that are sent at the same time."""

_RELEASES: Final = 6  # releases that are worked on at the same time


class ReleasePublish:
    """A publish under way. A context manager.

    - At its end nothing of it runs any more, and nothing becomes visible later.
    - A file is stored and checked when `put` returns it. Before that, the index does not name any.
    - Whatever it leaves when it dies is a row of `release_states.STATES`.
    """

    def __init__(self, github: GitHub, index: str, progress: Progress, kept: KeptListing | None = None) -> None:
        self._github = github
        self._index = index
        self._progress = progress
        self._stop = threading.Event()
        self._reused = ReusedAssets()
        self._releases = ThreadPoolExecutor(_RELEASES, "release")
        self._uploads = ThreadPoolExecutor(UPLOADS, "upload")
        self._writer = ReleaseWriter(github, index, progress, self._stop, self._uploads, self._reused)
        self._kept = kept
        self._asked: Future[list[Listed]] | None = None
        if kept is None or not kept.holds(github):
            self._asked = self._releases.submit(self._ask)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._stop.set()
        if error:
            self._forget()
        with self._github.interrupted() if error else contextlib.nullcontext():  # who gives up does not wait for limits
            for pool in (self._releases, self._uploads):
                pool.shutdown(cancel_futures=True)

    def _forget(self) -> None:
        if self._kept is not None:
            self._kept.forget()

    def _ask(self) -> list[Listed]:
        listed = self._writer.newest()
        if self._kept is not None:
            self._kept.keep(self._github, listed)
        return listed

    def _listed(self) -> list[Listed]:
        """The newest releases, as GitHub lists them now."""
        if self._asked is None:
            self._asked = self._releases.submit(self._ask)
        return self._asked.result()

    @contextlib.contextmanager
    def take(self, opener: Opener, limit: int, *, sealed: bool = False) -> Iterator[tuple[BinaryIO, Opener]]:
        """The file itself: it is not copied. Whether the same bytes were sent later, GitHub's digest tells."""
        del limit, sealed  # who reads it counts
        with opener() as file:
            yield file, opener

    def published_before(self) -> str | None:
        """The tag of a release that was published to this index, if there is one among the newest."""
        return next((each.tag for each in self._listed() if each.index == self._index and not each.draft), None)

    def settle(self, committed: Sequence[Named]) -> None:
        """Raise StorageError if what was taken as it lay is gone: somebody deleted it before the index named it.

        A removal or a repair that looks at the indexes before this commit, and deletes after this look, sees it afterwards.
        """
        self._reused.check(self._github, committed)

    def put(
        self,
        new: Sequence[Incoming],
        known: Sequence[Incoming],
        recorded: Recorded,
        tip: str | None,
        refuse: Refuse | None = None,
    ) -> tuple[Sequence[Named], Callable[[], object]]:
        """Store the new files; those known are in releases already. All is done when this returns.

        Raises StorageError and what GitHub's answers mean.
        """
        for each in known:  # what need not be sent is not waited for by who watches
            self._progress.sent(each.named.file.filename, each.named.file.size)
        if tip is None:
            raise StorageError("The index has no commit yet that a release could point at.", "`wharf init` makes it.")
        versions: dict[tuple[str, str], list[Incoming]] = {}
        for each in new:
            versions.setdefault((each.named.project, each.named.version), []).append(each)
        done: list[Named] = []
        releases: list[PlannedRelease] = []
        for (project, version), incoming in versions.items():
            planned = self._plan(project, version, incoming, recorded(project, version))
            releases += planned.releases
            for each, release in planned.held:
                done += self._reused.take_up(release, [each])
                self._progress.sent(each.named.file.filename, each.named.file.size)
        writer = self._writer if refuse is None else replace(self._writer, lenient=True)
        writer.give_tags([each for each in releases if each.is_draft])
        for named in side_by_side(self._releases, [partial(writer.write, each, tip) for each in releases]):
            done += named
        for each, error in [refused for one in releases for refused in one.refused]:
            self._forget()  # a draft may be left
            if refuse is not None:
                refuse([each.named], error)
        return done, lambda: None

    def _plan(self, project: str, version: str, incoming: Sequence[Incoming], record: Release | None) -> Plan:
        """The plan for one version. The release that the index recorded last may be older than those of the list."""
        self._reused.returned.update(record.removed if record else ())
        known = self._kept if record is None and self._asked is None else None
        absent = known is not None and known.has_nothing_of(self._github, project, version)
        listed, number = [] if absent else self._listed(), latest_recorded(record)
        if self._kept is not None:
            self._kept.published(project, version)
        latest = next((each for each in listed if each.id == number), None)
        if latest is None and number is not None:
            latest = self._github.rest.release(number)
        return plan(project, version, incoming, record, listed, latest)
