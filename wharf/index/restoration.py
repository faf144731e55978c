"""RestoreRecords: the change that brings the records of an index back to what they were, as a new commit.

What holds today stays: settings, the states of projects, and what is removed for ever. Pure.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from wharf.distribution.file_names import Name
from wharf.errors import RecordError, RefusedError
from wharf.index import record
from wharf.index.change import Named, Outcome, Records
from wharf.model import File, Release, version_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from packaging.version import Version

    from wharf.model import Json

FileKey: TypeAlias = "tuple[str, str, str]"
"""A file: project, file name and sha256."""

JUST_LEFT: Final = "it left the index at this moment"
OTHER_BYTES: Final = "other bytes have its name since"
NO_METADATA: Final = "its core metadata is not there in the past"
MOST_BYTES: Final = 256 << 20
"""Bytes of core metadata that one restoration writes: all of it is in memory until the commit."""


class PastRecords(Records, Protocol):
    """What the change reads of the past: as of any index, and the core metadata of a file."""

    def metadata(self, name: str, version: str, filename: str) -> bytes | None:
        """The core metadata kept for one file, byte for byte, or None."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """What a restoration comes to on one tip.

    `back` are files that come back, `left` those that leave because the past has none of them, `changed` those that stay with
    the entry of the past (as for the yank), each as it is afterwards. `lost` are files that cannot come back, with the reason.
    `unread` says which records of the past cannot be read: those releases stay as they are.
    """

    outcome: Outcome
    back: tuple[Named, ...] = ()
    left: tuple[Named, ...] = ()
    changed: tuple[Named, ...] = ()
    lost: tuple[tuple[Named, str], ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRecords:
    """Bring the records and core metadata of `projects` (None: of all) back to what they are in `past`.

    - Whatever the tip is, the files are those of the past afterwards. So a file that somebody publishes meanwhile leaves, too.
    - A file that leaves goes into `removed`, and nothing leaves `removed` but what comes back: no name gets free.
    - Of a file that is there with the same bytes, the location stays that of today, and all else is that of the past.
    - `lost` has files that cannot come back, with the reason. `safe` are files whose bytes were looked at (None: all are): any
      other one left the index since then, and stays away.
    - `locations` are those of files that got something more beside them since the past recorded them.
    """

    past: PastRecords
    projects: frozenset[str] | None = None
    lost: Mapping[FileKey, str] = field(default_factory=dict)
    safe: frozenset[FileKey] | None = None
    locations: Mapping[FileKey, Mapping[str, Json]] = field(default_factory=dict)
    touched: tuple[tuple[str, str], ...] = ()

    def apply(self, records: Records) -> Outcome:
        """Without edits if the index is as it was. Raises RecordError for a record of today that cannot be read."""
        return self.steps(records).outcome

    def steps(self, records: Records) -> Restoration:
        """The same, with what becomes of each file."""
        work = _Work(self)
        for name in differing(self.past, records, self.projects):
            for some in _pairs(self.past, records, name):
                work.add(name, *some, records)
        return work.done()


def differing(past: Records, records: Records, projects: Collection[str] | None = None) -> list[str]:
    """The names of the projects (or of some of them) whose folders differ, sorted."""
    before, now = past.tree_ids(), records.tree_ids()
    names = before.keys() | now.keys() if projects is None else projects
    return sorted(name for name in names if before.get(name) != now.get(name))


def differing_versions(past: Records, records: Records, project: str) -> tuple[list[str], list[str]]:
    """The versions of a project whose folders differ, as they are spelled in the past, and now."""
    before, now = past.version_ids(project), records.version_ids(project)
    keys = {version_key(each) for each, id_ in (*before.items(), *now.items()) if before.get(each) != now.get(each)}
    return [each for each in before if version_key(each) in keys], [each for each in now if version_key(each) in keys]


def _pairs(past: Records, records: Records, name: str) -> Iterable[tuple[Release | RecordError | None, Release | None]]:
    """The releases of a project that differ, as they were and as they are."""
    before, now = differing_versions(past, records, name)
    pairs: dict[Version | str, list[Release | RecordError | None]] = {}
    for each, found in _read(past, name, before):
        old = pairs.setdefault(version_key(each), [None, None])
        if not isinstance(old[0], Release) or not old[0].files:
            old[0] = found
    there: dict[Version | str, Release] = {}
    for release in records.releases(name, now):
        key = version_key(release.version)
        if key not in there or (release.files and not there[key].files):
            there[key] = release
    for key in {**pairs, **there}:
        yield pairs.get(key, [None])[0], there.get(key)


def _read(past: Records, name: str, versions: list[str]) -> Iterable[tuple[str, Release | RecordError]]:
    """Records of the past, which nobody can repair: an error in the place of each that cannot be read."""
    try:
        return [(each.version, each) for each in past.releases(name, versions)]
    except RecordError:
        return [(version, found) for version in versions if (found := _one(past, name, version)) is not None]


def _one(past: Records, name: str, version: str) -> Release | RecordError | None:
    try:
        return past.release(name, version)
    except RecordError as error:
        return error


class _Work:
    """The edits of a restoration, release by release."""

    def __init__(self, change: RestoreRecords) -> None:
        self._change = change
        self._edits: dict[str, bytes | None] = {}
        self._back: list[Named] = []
        self._left: list[Named] = []
        self._changed: list[Named] = []
        self._lost: list[tuple[Named, str]] = []
        self._unread: list[str] = []
        self._size = 0

    def done(self) -> Restoration:
        """All of it."""
        changed = (*self._back, *self._changed, *self._left)
        return Restoration(
            outcome=Outcome(edits=self._edits, changed=changed),
            back=tuple(self._back),
            left=tuple(self._left),
            changed=tuple(self._changed),
            lost=tuple(self._lost),
            unread=tuple(self._unread),
        )

    def add(self, project: str, past: Release | RecordError | None, now: Release | None, records: Records) -> None:
        """One release as it was, and as it is."""
        if isinstance(past, RecordError):
            self._unread.append(past.message)
            return
        version = now.version if now is not None else past.version if past is not None else ""
        now = now or Release(project=project, version=version)
        there = {Name.parse(file.filename): file for file in now.files}
        files: list[File] = []
        gone = dict(now.removed)
        for file in past.files if past is not None else ():
            mine = there.get(Name.parse(file.filename))
            if past is not None and mine is not None and mine.sha256 == file.sha256:
                del there[Name.parse(file.filename)]
                files.append(self._kept(past, file, now, mine, records))
            elif past is not None and (back := self._returned(past, file, now, mine)) is not None:
                files.append(back)
            else:
                gone.setdefault(file.filename, file.sha256)
        for file in there.values():
            self._left.append(Named(project=project, version=version, file=file))
            self._edits[record.metadata_path(project, version, file.filename)] = None
            gone[file.filename] = file.sha256
        self._write(past, now, files, gone)

    def _write(self, past: Release | None, now: Release, files: list[File], gone: Mapping[str, str]) -> None:
        names = {Name.parse(file.filename) for file in files}
        reserved = {Name.parse(name): (name, sha256) for name, sha256 in (past.removed if past else {}).items()}
        reserved |= {Name.parse(name): (name, sha256) for name, sha256 in gone.items()}
        about = past if past is not None and past.files else now
        after = Release(
            project=now.project,
            version=now.version,
            files=tuple(sorted(files, key=lambda file: file.filename)),
            removed=dict(each for name, each in reserved.items() if name not in names),
            origin=about.origin,
            extra=about.extra,
        )
        if after != now:
            self._edits[record.path(now.project, now.version)] = record.render(after)

    def _kept(self, past: Release, file: File, now: Release, mine: File, records: Records) -> File:
        """The entry of a file that is there with the same bytes. Its core metadata is that of the past."""
        after = dataclasses.replace(file, location=mine.location)
        if mine.filename != file.filename:  # it was published again, and is spelled in another way
            after = dataclasses.replace(mine, yanked=file.yanked)
        was, is_ = (
            some.file_ids(past.project, release.version).get(f"{name}.metadata")
            for some, release, name in (
                (self._change.past, past, file.filename),
                (records, now, mine.filename),
            )
        )
        data = self._metadata(past, file) if was is not None and was != is_ else None
        if data is not None:
            self._edits[record.metadata_path(past.project, now.version, mine.filename)] = data
        elif was != is_:
            after = dataclasses.replace(after, core_metadata=mine.core_metadata)
        if data is not None or after != mine:
            self._changed.append(Named(project=past.project, version=now.version, file=after))
        return after

    def _returned(self, past: Release, file: File, now: Release, mine: File | None) -> File | None:
        """The entry of a file that comes back, or None."""
        change, key = self._change, (past.project, file.filename, file.sha256)
        same_name = {sha256 for name, sha256 in now.removed.items() if Name.parse(name) == Name.parse(file.filename)}
        named = Named(project=past.project, version=now.version, file=file)
        why = change.lost.get(key)
        if mine is not None or same_name - {file.sha256}:
            why = OTHER_BYTES
        elif why is None and change.safe is not None and key not in change.safe:
            why = JUST_LEFT
        data = None if why else self._metadata(past, file)
        if data is None:
            self._lost.append((named, why or NO_METADATA))
            return None
        located = dataclasses.replace(file, location=change.locations.get(key, file.location))
        self._back.append(dataclasses.replace(named, file=located))
        self._edits[record.metadata_path(past.project, now.version, file.filename)] = data
        return located

    def _metadata(self, past: Release, file: File) -> bytes | None:
        data = self._change.past.metadata(past.project, past.version, file.filename)
        self._size += len(data or b"")
        if self._size > MOST_BYTES:
            raise RefusedError(
                f"The core metadata of what would come back has more than {MOST_BYTES >> 20} MiB.",
                "Name some of the projects, in several commands.",
            )
        return data
