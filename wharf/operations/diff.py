"""diff: what differs for installers between two states of an index, or between two indexes of one repository.

Reads only what differs: one git compares the folders, and records and core metadata come in bulk.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from packaging.version import Version

from wharf.distribution.file_names import plain
from wharf.errors import NotFoundError, RecordError, UsageError
from wharf.index.difference import read_difference
from wharf.index.git import Git
from wharf.index.index_name import is_index_name
from wharf.index.moment import parse_moment
from wharf.index.newest_versions import newest_versions
from wharf.index.past_branch import PastBranch
from wharf.model import Status
from wharf.operations.proposal_text import requirements
from wharf.repository.opening import check_index

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from wharf.index.branch import Branch
    from wharf.index.difference import ChangedVersion
    from wharf.index.moment import Moment
    from wharf.index.newest_versions import NewestVersion, Pair
    from wharf.index.snapshot import Snapshot
    from wharf.model import File, Release
    from wharf.repository.opening import Repository

MOST_DETAILED: Final = 500
"""Releases that come of which the requirements are read: a text for people has room for no more."""

_ANY_TIME = datetime.fromtimestamp(0, UTC)
_AT_ONCE = 200  # core metadata that is in memory at the same time
_WAYS = (
    "Write A..B, each of them a date, a time or a commit of the index, the name of an index, or INDEX@WHEN; nothing means now."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two states: an index and its commit, and the moment if it is not now."""

    index: str
    commit: str
    moment: str | None = None

    @property
    def text(self) -> str:
        """As it is told: `main`, or `main@2026-11-30`."""
        return self.index if self.moment is None else f"{self.index}@{self.moment}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The newest version of a project with files; `release` and `requires` are None where nobody asked or can read them."""

    version: str
    release: Release | None
    requires: frozenset[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDiff:
    """A version: its files that come and go, those whose yank changed (as they are now), and those that differ otherwise.

    Where a file is stored and when it was published to an index is no difference. `requires` are the
    requirements of a release that comes, as far as they were asked for and can be read.
    """

    version: str
    before: Release | None
    after: Release | None
    come: tuple[File, ...]
    gone: tuple[File, ...]
    yanks: tuple[File, ...]
    others: tuple[File, ...]
    requires: frozenset[str] | None = None

    @property
    def change(self) -> str:
        """`come`, `gone` or `changed`."""
        if not (self.before and self.before.files):
            return "come"
        return "changed" if self.after and self.after.files else "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectDiff:
    """A project that differs: its newest version before and after (None: it has no files), its status, and its releases."""

    name: str
    before: Newest | None
    after: Newest | None
    status: tuple[Status, Status] | None
    releases: tuple[ReleaseDiff, ...]
    unread: tuple[str, ...] = ()

    @property
    def change(self) -> str:
        """`come`, `gone` or `changed`."""
        if self.before is None and self.after is not None:
            return "come"
        return "gone" if self.after is None and self.before is not None else "changed"

    def requirements(self) -> tuple[list[str], list[str]] | None:
        """What the newest version requires that the one before did not, and the other way round; None: nobody can read it."""
        then = frozenset() if self.before is None else self.before.requires
        now = frozenset() if self.after is None else self.after.requires
        return None if then is None or now is None else (sorted(now - then), sorted(then - now))


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """All that differs. `settings`: whether `wharf.toml` does."""

    one: Side
    other: Side
    projects: tuple[ProjectDiff, ...]
    settings: bool


def diff(repository: Repository, text: str, *, detailed: bool = False) -> Diff:
    """Compare what `A..B` names. Each is a moment of the index that is open, an index, or INDEX@WHEN; nothing means now.

    `detailed`: with the requirements of the releases that come. Raises UsageError, NotFoundError and StorageError.
    """
    first, _, last = text.partition("..")
    with _opened(repository, [_parsed(repository, each) for each in (first, last)]) as ((one, before), (other, after)):
        work = _Work(before, after, one, other)
        names = sorted(work.found.projects)
        newest = work.newest(names, detailed=detailed)
        requires = work.requirements(newest, detailed=detailed)
        projects = [work.project(name, newest, requires) for name in names]
        told = tuple(each for each in projects if each.releases or each.status or each.unread)
        return Diff(one=one, other=other, projects=told, settings=work.found.settings)


def _parsed(repository: Repository, text: str) -> tuple[str, Moment | None]:
    """An index, and the moment if it is not now. Raises UsageError."""
    own = repository.branch.index
    name, at, when = text.strip().partition("@")
    if at:
        if name and not is_index_name(name):
            raise UsageError(f"{plain(repr(name))} is not the name of an index.", _WAYS)
        return name or own, parse_moment(when)
    if not name or name in repository.branch.indexes():
        return name or own, None
    try:
        return own, parse_moment(name)
    except UsageError as error:
        if is_index_name(name):
            return name, None  # its error names those that there are
        raise UsageError(f"{plain(repr(name[:60]))} is neither a moment nor an index.", _WAYS) from error


@contextlib.contextmanager
def _opened(repository: Repository, wanted: Sequence[tuple[str, Moment | None]]) -> Iterator[list[tuple[Side, Branch]]]:
    """Both states, read from one git repository: on GitHub from the clone with the history, if one of them is of the past."""
    with contextlib.ExitStack() as stack:
        base = repository.branch
        if any(moment is not None for _, moment in wanted):
            base = stack.enter_context(base.with_history())
            base.indexes()
        github = repository.github
        now = time.time() if github is None else github.now().timestamp()
        found = []
        for index, moment in wanted:
            branch = base if index == base.index else base.sibling(index)
            check_index(replace(repository, branch=branch))
            if moment is not None:
                branch = PastBranch(branch, moment, now)
            commit = branch.tip()
            if commit is None:
                raise NotFoundError(f"The index {index!r} is empty: there is nothing to compare.", "Publish to it first.")
            found.append((Side(index=index, commit=commit, moment=moment.text if moment else None), branch))
        yield found


class _Work:
    """What is read of both states."""

    def __init__(self, before: Branch, after: Branch, one: Side, other: Side) -> None:
        self._objects = before.objects
        self.before, self.after = before.snapshot_at(one.commit), after.snapshot_at(other.commit)
        self.found = read_difference(Git(before.git_dir), self._objects, one.commit, other.commit)

    def newest(self, names: Sequence[str], *, detailed: bool) -> dict[str, Pair]:
        """The newest version of each project on both sides. `detailed`: with its record, of as many as a text tells."""
        found = newest_versions(self._objects, self.before.version_ids_of(names), self.found.projects)
        if detailed:
            some = [name for name, (one, _) in found.items() if one is not None and one.release is None][:MOST_DETAILED]
            self.before.prefetch((name, one.version) for name in some if (one := found[name][0]) is not None)
            for name in some:
                one, other = found[name]
                with contextlib.suppress(RecordError):  # its releases are compared without it
                    if one is not None:
                        found[name] = one._replace(release=self.before.release(name, one.version)), other
        return found

    def requirements(self, newest: Mapping[str, Pair], *, detailed: bool) -> dict[str, frozenset[str] | None]:
        """The requirements in core metadata, by its git id; None where it cannot be read. Each one is read once."""
        ids = dict.fromkeys(id_ for pair in newest.values() for each in pair if each is not None for id_ in each.metadata)
        if detailed:
            come = [each for project in self.found.projects.values() for each in project.versions.values() if each.after]
            ids |= dict.fromkeys(id_ for each in come[:MOST_DETAILED] for id_ in each.metadata.values())
        wanted = [*ids]
        self._objects.bring(wanted)
        found: dict[str, frozenset[str] | None] = {}
        for at in range(0, len(wanted), _AT_ONCE):
            some = wanted[at : at + _AT_ONCE]
            for id_, blob in zip(some, self._objects.read(some), strict=True):
                read = None if blob is None else requirements({id_: blob.data})
                found[id_] = None if read is None else frozenset(read)
        return found

    def project(self, name: str, newest: Mapping[str, Pair], requires: Mapping[str, frozenset[str] | None]) -> ProjectDiff:
        """One project, with the releases in which something differs for installers."""
        changed = self.found.projects[name]
        releases = [_release(version, each, requires) for version, each in changed.versions.items() if not each.unread]
        before, after = (None if each is None else _newest(each, requires) for each in newest[name])
        return ProjectDiff(
            name=name,
            before=before,
            after=after,
            status=(_status(self.before, name), _status(self.after, name)) if changed.state else None,
            releases=tuple(
                sorted(
                    (each for each in releases if each.come or each.gone or each.yanks or each.others),
                    key=lambda each: Version(each.version),
                )
            ),
            unread=tuple(each.unread for each in changed.versions.values() if each.unread),
        )


def _newest(each: NewestVersion, requires: Mapping[str, frozenset[str] | None]) -> Newest:
    """With the requirements; those that are alike on both sides were not read, and count as none."""
    return Newest(version=each.version, release=each.release, requires=_union(each.metadata, requires))


def _union(ids: Iterable[str], requires: Mapping[str, frozenset[str] | None]) -> frozenset[str] | None:
    found: set[str] = set()
    for id_ in ids:
        read = requires.get(id_, frozenset())
        if read is None:
            return None
        found |= read
    return frozenset(found)


def _release(version: str, changed: ChangedVersion, requires: Mapping[str, frozenset[str] | None]) -> ReleaseDiff:
    """A version whose two records were read."""
    before = {} if changed.before is None else {file.filename: file for file in changed.before.files}
    after = {} if changed.after is None else {file.filename: file for file in changed.after.files}
    both = [(before[name], file) for name, file in after.items() if name in before]
    known = bool(changed.metadata) and all(id_ in requires for id_ in changed.metadata.values())
    return ReleaseDiff(
        version=version,
        before=changed.before,
        after=changed.after,
        come=tuple(file for name, file in after.items() if name not in before),
        gone=tuple(file for name, file in before.items() if name not in after),
        yanks=tuple(now for then, now in both if now.yanked != then.yanked),
        others=tuple(now for then, now in both if _told(now) != _told(then)),
        requires=_union(changed.metadata.values(), requires) if known else None,
    )


def _told(file: File) -> File:
    """A file without what is told of it elsewhere, and without when it was published to which place."""
    return replace(file, yanked=None, location={}, upload_time=_ANY_TIME)


def _status(snapshot: Snapshot, name: str) -> Status:
    """The status of a project. One that cannot be read counts as quarantined, as for readers."""
    try:
        return snapshot.status(name)
    except RecordError:
        return Status(marker="quarantined", reason="its project.json cannot be read")
