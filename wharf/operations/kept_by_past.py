"""Which files the past of the indexes keeps, although no index names them now: one rule for all who delete bytes.

A snapshot of an index is kept for its `keep-past`. What it names stays stored, but for files whose last removal was by the verb
`remove`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from wharf.errors import LostRecordError, RecordError, StorageError
from wharf.index import asset_location, record
from wharf.index.git import Git
from wharf.index.past_changes import past_changes
from wharf.operations.verify_findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wharf.index.branch import Branch
    from wharf.index.git_objects import GitObject
    from wharf.index.past_changes import ChangedRecord, PastChange
    from wharf.model import File
    from wharf.operations.verify_findings import NamedFiles
    from wharf.repository.opening import Repository

_AT_ONCE = 500  # records that are in memory at the same time
_LAST = 253_402_300_799  # what Python can show, in seconds since 1970


@dataclass(frozen=True, slots=True)
class KeptByPast:
    """Files that left an index and that its past keeps, each with the end of that, in seconds since 1970.

    `files` by sha256 and file name, `assets` by their ids on GitHub. `certain`: all that had to be read could be read. If not,
    anything may be kept, and `unread` says what it was.
    """

    files: dict[tuple[str, str], int] = field(default_factory=dict)
    assets: dict[int, int] = field(default_factory=dict)
    unread: list[Finding] = field(default_factory=list)

    @property
    def certain(self) -> bool:
        """Whether nothing else is kept."""
        return not self.unread

    def until(self, file: File) -> int | None:
        """Until when a file is kept; None: it is not."""
        ends = [self.assets[id_] for id_ in asset_location.ids(file) if id_ in self.assets]
        if (file.sha256, file.filename) in self.files:
            ends.append(self.files[file.sha256, file.filename])
        return max(ends, default=None)


def kept_by_past(repository: Repository) -> KeptByPast:
    """What the past keeps now. Raises StorageError, NotFoundError and NotAllowedError where GitHub cannot be asked.

    Whoever deletes asks for it after the tips of all indexes were read: what leaves an index in between is then found here.
    """
    found = KeptByPast()
    with repository.branch.with_history() as historic:
        now = repository.branch.now()
        there, removed = historic.all_names()
        for branch in [*map(historic.sibling, there), *(historic.sibling(name, removed=True) for name in removed)]:
            try:
                _add(found, branch, now)
            except StorageError as error:
                found.unread.append(_unread(branch, error.message))
    return found


def kept_until(moment: int) -> str:
    """Why bytes that nobody names stay, in words."""
    return f"kept for the past until {datetime.fromtimestamp(min(moment, _LAST), UTC):%Y-%m-%d}"


def unread_of(named: NamedFiles, past: KeptByPast) -> tuple[Finding, ...]:
    """What could not be read of the indexes, now or in the past; of an index that cannot be read now, that alone."""
    known = {each.path for each in named.unread}
    return (*named.unread, *(each for each in past.unread if each.path not in known))


def _add(found: KeptByPast, branch: Branch, now: int) -> None:
    snapshot = branch.snapshot()
    keep = int(snapshot.settings.keep_past.total_seconds())
    if snapshot.commit is None or not keep:
        return  # it was removed or restored since the indexes were listed, and is among them twice; or it keeps nothing
    line = branch.line()
    if line.tip is None:
        return  # removed since its settings were read: as a removed index it is among them, too
    base = line.since(now - keep)[0]
    left = _Left(branch)
    for change in past_changes(Git(branch.git_dir), base, line.tip):
        left.follow(change, line.time_of(change.commit))
    left.read()
    found.unread.extend(left.unread)
    for key, each in left.files.items():
        if each.verb != "remove" and each.time + keep > now:
            found.files[key] = max(each.time + keep, found.files.get(key, 0))
    for id_, each in left.assets.items():
        if each.verb != "remove" and each.time + keep > now:
            found.assets[id_] = max(each.time + keep, found.assets.get(id_, 0))


class _Removal(NamedTuple):
    """When something left, and by which verb."""

    time: int
    verb: str


class _Left:
    """What left one index and did not come back, with its last removal."""

    def __init__(self, branch: Branch) -> None:
        self._branch = branch
        self._waiting: list[tuple[ChangedRecord, _Removal]] = []
        self._seen: set[tuple[str, str]] = set()
        self.files: dict[tuple[str, str], _Removal] = {}
        self.assets: dict[int, _Removal] = {}
        self.unread: dict[Finding, None] = {}

    def follow(self, change: PastChange, time: int) -> None:
        """One commit, which counts from `time`. Commits come in their order."""
        for each in change.records:
            name = (each.project, each.version)
            if each.before is not None or name in self._seen:  # a new record takes nothing away, and brings nothing back
                self._seen.add(name)
                self._waiting.append((each, _Removal(time, change.verb)))

    def read(self) -> None:
        """Look at the records that the commits changed."""
        self._branch.objects.bring(_blobs(self._waiting))  # of a clone without files, all at once
        for at in range(0, len(self._waiting), _AT_ONCE):
            self._read(self._waiting[at : at + _AT_ONCE])

    def _read(self, some: Sequence[tuple[ChangedRecord, _Removal]]) -> None:
        wanted = _blobs(some)
        data = dict(zip(wanted, self._branch.objects.read(wanted), strict=True))
        for each, removal in some:
            before, after = (self._parsed(each, blob, data) for blob in (each.before, each.after))
            if before is None or after is None:
                continue
            self.files |= dict.fromkeys(_keys(before) - _keys(after), removal)
            self.assets |= dict.fromkeys(_ids(before) - _ids(after), removal)
            for key in _keys(after):
                self.files.pop(key, None)
            for id_ in _ids(after):
                self.assets.pop(id_, None)

    def _parsed(self, each: ChangedRecord, blob: str | None, data: Mapping[str, GitObject | None]) -> tuple[File, ...] | None:
        """The files of a record; None where it cannot be read, and then nothing is certain."""
        if blob is None:
            return ()
        found = data[blob]
        try:
            if found is None:
                raise LostRecordError(record.path(each.project, each.version))
            return record.parse(found.data, project=each.project, version=each.version).files
        except RecordError as error:
            self.unread[_unread(self._branch, f"in its past, {error.message}")] = None
            return None


def _blobs(some: Iterable[tuple[ChangedRecord, _Removal]]) -> list[str]:
    return [*dict.fromkeys(blob for each, _ in some for blob in (each.before, each.after) if blob is not None)]


def _keys(files: Iterable[File]) -> set[tuple[str, str]]:
    return {(file.sha256, file.filename) for file in files}


def _ids(files: Iterable[File]) -> set[int]:
    return {id_ for file in files for id_ in asset_location.ids(file)}


def _unread(branch: Branch, why: str) -> Finding:
    return Finding(kind="unread-index", path=branch.ref.removeprefix("refs/heads/"), detail=why)
