"""Changes: what a verb wants of an index, as values that can be applied to any tip.

Applying reads only the records that the change touches and decides every conflict. Nothing is written here: the outcome
says which paths of the branch get which bytes, and the branch puts them there by compare-and-swap or applies the change
again to a newer tip.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from wharf.distribution.file_names import Name
from wharf.errors import ConflictError, NotFoundError, RefusedError, StorageError, UsageError, did_you_mean
from wharf.index import configuration, record
from wharf.model import File, Release, Status, same_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


LONGEST_REASON = 1000
"""Characters of a reason. It stands at each file: 1,000 files still make a record that is read."""


class Records(Protocol):
    """What a change may read of the tip. `index_file` is its `wharf.toml`."""

    @property
    def index_file(self) -> bytes:
        """The bytes of `wharf.toml`; of an index that is still to be made, those that it will have."""
        ...

    def names(self) -> Sequence[str]:
        """The names of all projects."""
        ...

    def versions(self, project: str) -> Sequence[str]:
        """The spellings of all versions that have a record."""
        ...

    def release(self, project: str, version: str) -> Release | None:
        """The record at exactly that spelling, or None. Raises RecordError."""
        ...

    def status(self, project: str) -> Status:
        """The project's status. Raises RecordError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file to be added: its entry, the version as its name spells it, and its core metadata."""

    project: str
    version: str
    file: File
    metadata: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A file together with the release that it belongs to."""

    project: str
    version: str
    file: File


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a change comes to on one tip: bytes by path (None: the path goes), and the files it made or found as they were.

    `skipped` are those that it left out because their names are taken by other bytes. What the writer writes, the reader
    accepts: there is no outcome with a record that would not be read. Raises RefusedError for one.
    """

    edits: Mapping[str, bytes | None] = field(default_factory=dict)
    changed: tuple[Named, ...] = ()
    unchanged: tuple[Named, ...] = ()
    skipped: tuple[Named, ...] = ()

    def __post_init__(self) -> None:
        for path, data in self.edits.items():
            try:
                if data is not None and path == configuration.PATH:
                    configuration.parse(data)
                elif data is not None:
                    record.check(path, data)
            except StorageError as error:
                raise RefusedError(
                    f"Nothing was written, because no reader would take it: {error.message}",
                    "A shorter reason, or fewer and shorter entries in this release, make it fit.",
                ) from error


class Change(Protocol):
    """A change to an index."""

    @property
    def touched(self) -> Iterable[tuple[str, str]]:
        """The releases, as project and version, whose records it may read."""
        ...

    def apply(self, records: Records) -> Outcome:
        """The outcome on one tip. Raises ConflictError, NotFoundError, RefusedError or RecordError: nothing is to be done."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AddFiles:
    """Files of any mix of projects, all or none; or, with `skip_existing`, all whose names are not taken."""

    files: tuple[NewFile, ...]
    skip_existing: bool = False

    @property
    def touched(self) -> Iterable[tuple[str, str]]:
        """Every release that gets a file."""
        return {(new.project, new.version) for new in self.files}

    def apply(self, records: Records) -> Outcome:
        """Same bytes under a name that is there, in any spelling, are `unchanged`; other bytes are a ConflictError."""
        by_project: dict[str, list[NewFile]] = {}
        for new in self.files:
            by_project.setdefault(new.project, []).append(new)
        edits: dict[str, bytes | None] = {}
        changed: list[Named] = []
        unchanged: list[Named] = []
        skipped: list[Named] = []
        for project, files in by_project.items():
            _refuse_closed(project, records.status(project))
            for before, after in self._releases(project, files, records, skipped):
                known = {file.filename for file in before.files}
                wanted = {Name.parse(new.file.filename): new for new in files}
                for file in after.files:
                    given = wanted.get(Name.parse(file.filename))
                    if given is None or file.sha256 != given.file.sha256:
                        continue
                    named = Named(project=project, version=after.version, file=file)
                    if file.filename in known:
                        unchanged.append(named)
                        continue
                    changed.append(named)
                    where = record.metadata_path(project, after.version, file.filename)
                    edits[where] = given.metadata
                if len(after.files) != len(before.files):
                    edits[record.path(project, after.version)] = record.render(after)
        return Outcome(edits=edits, changed=tuple(changed), unchanged=tuple(unchanged), skipped=tuple(skipped))

    def located(self, stored: Iterable[Named]) -> AddFiles:
        """Those of the files that were stored, with the locations at which they were."""
        places = {named.file.filename: named.file.location for named in stored}
        return dataclasses.replace(
            self,
            files=tuple(
                dataclasses.replace(new, file=dataclasses.replace(new.file, location=places[new.file.filename]))
                for new in self.files
                if new.file.filename in places
            ),
        )

    def _releases(
        self, project: str, files: Iterable[NewFile], records: Records, skipped: list[Named]
    ) -> Iterable[tuple[Release, Release]]:
        """Each release that is touched, before and after; what is left out is added to `skipped`."""
        touched: dict[str, tuple[Release, Release]] = {}
        spellings = list(records.versions(project))
        for new in files:
            spelled = next((each for each in spellings if same_version(each, new.version)), None)
            if spelled is None:
                spelled = new.version
                spellings.append(spelled)
            if spelled not in touched:
                found = records.release(project, spelled)
                release = found or Release(project=project, version=spelled)
                touched[spelled] = (release, release)
            before, after = touched[spelled]
            if self.skip_existing and _is_taken(after, new.file):
                skipped.append(Named(project=project, version=after.version, file=new.file))
            else:
                touched[spelled] = (before, _added(after, new.file))
        return touched.values()


def _is_taken(release: Release, file: File) -> bool:
    """Whether the release has that file with other bytes."""
    key = Name.parse(file.filename)
    return any(Name.parse(other.filename) == key and other.sha256 != file.sha256 for other in release.files)


def _added(release: Release, file: File) -> Release:
    """The release with one file more, or the same release if it has those bytes under that name in any spelling already."""
    key = Name.parse(file.filename)
    for other in release.files:
        if Name.parse(other.filename) == key and other.sha256 == file.sha256:
            return release
        if Name.parse(other.filename) == key:
            taken = "" if other.filename == file.filename else f" as {other.filename}"
            raise ConflictError(
                f"{file.filename} is in the index already{taken}, with other bytes: sha256 {other.sha256}, not {file.sha256}.",
                "A published file never changes: publish it under a new version or build number.",
            )
    for filename, sha256 in release.removed.items():
        if sha256 != file.sha256 and Name.parse(filename) == key:
            raise ConflictError(
                f"{file.filename} was in the index once{'' if filename == file.filename else f' as {filename}'} "
                f"with other bytes (sha256 {sha256}) and was removed.",
                "Only the same bytes may come back under a name: publish a new version or build number.",
            )
    return dataclasses.replace(
        release,
        files=tuple(sorted((*release.files, file), key=lambda each: each.filename)),
        removed={name: sha for name, sha in release.removed.items() if Name.parse(name) != key},
    )


def _refuse_closed(project: str, status: Status) -> None:
    if status.marker in {"archived", "quarantined"}:
        because = f": {status.reason}" if status.reason else ""
        raise RefusedError(
            f"{project} is {status.marker}{because}; it takes no new files.",
            "Change its status on the index branch first.",
        )


def check_reason(reason: str) -> None:
    """A reason is one line of text, so that no commit message and no page can be made to say something else."""
    if not reason.isprintable():
        raise UsageError("The reason holds a control character or a line break.", "Give it as one line of text.")
    if len(reason) > LONGEST_REASON:
        raise UsageError(
            f"The reason has {len(reason)} characters, and every page of the project would carry it once a file.",
            f"Give the gist in {LONGEST_REASON} characters at most, and an address that says more.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SetYanked:
    """Yank a release or one file of it with a reason (PEP 592), or take that back (`reason` None)."""

    project: str
    version: str
    filename: str | None = None
    reason: str | None

    def __post_init__(self) -> None:
        check_reason(self.reason or "")

    @property
    def touched(self) -> Iterable[tuple[str, str]]:
        """The one release."""
        return ((self.project, self.version),)

    def apply(self, records: Records) -> Outcome:
        """Files that are in that state already are `unchanged`; a yank without a reason takes none away."""

        def yank(file: File) -> File:
            same = file.yanked == self.reason or (self.reason == "" and file.yanked is not None)
            return file if same else dataclasses.replace(file, yanked=self.reason)

        return _edit_files(records, self.project, self.version, self.filename, yank)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFiles:
    """Take a release or one file of it out of the index; the name stays reserved for the same bytes."""

    project: str
    version: str
    filename: str | None = None

    @property
    def touched(self) -> Iterable[tuple[str, str]]:
        """The one release."""
        return ((self.project, self.version),)

    def apply(self, records: Records) -> Outcome:
        """The removed files are `changed`."""
        return _edit_files(records, self.project, self.version, self.filename, lambda _file: None)


@dataclass(frozen=True, slots=True)
class TurnOnMetadataAssets:
    """Store core metadata beside the files from now on, where the readers of a static site look for it."""

    @property
    def touched(self) -> Iterable[tuple[str, str]]:
        """No release."""
        return ()

    def apply(self, records: Records) -> Outcome:
        """Where it is on already, nothing is to be done."""
        if configuration.parse(records.index_file).metadata_assets:
            return Outcome()
        return Outcome(edits={configuration.PATH: configuration.with_metadata_assets(records.index_file)})


def _edit_files(
    records: Records, project: str, version: str, filename: str | None, edit: Callable[[File], File | None]
) -> Outcome:
    """Apply `edit` (None: remove) to one file, or to all, of a release that must be there."""
    release = _find(records, project, version)
    chosen = [file for file in release.files if filename in {None, file.filename}]
    if not chosen:
        names = ", ".join(file.filename for file in release.files)
        raise NotFoundError(f"{project} {release.version} has no file {filename!r}.", f"It has: {names}." if names else "")
    after = {file.filename: edit(file) for file in chosen}
    kept = tuple(new for file in release.files if (new := after.get(file.filename, file)) is not None)
    gone = {file.filename: file.sha256 for file in chosen if after[file.filename] is None}
    changed = [file for file in chosen if after[file.filename] != file]
    edits: dict[str, bytes | None] = {record.metadata_path(project, release.version, name): None for name in gone}
    if changed:
        updated = dataclasses.replace(release, files=kept, removed={**release.removed, **gone})
        edits[record.path(project, release.version)] = record.render(updated)
    return Outcome(
        edits=edits,
        changed=tuple(Named(project=project, version=release.version, file=after[file.filename] or file) for file in changed),
        unchanged=tuple(Named(project=project, version=release.version, file=file) for file in chosen if file not in changed),
    )


def _find(records: Records, project: str, version: str) -> Release:
    spellings = records.versions(project)
    for spelled in spellings:
        if same_version(spelled, version) and (release := records.release(project, spelled)) and release.files:
            return release
    if not spellings:
        near = did_you_mean(project, records.names())
        raise NotFoundError(f"There is no project {project!r} in this index.", f"{near}`wharf list` shows all.")
    raise NotFoundError(f"{project} has no version {version}.", f"`wharf show {project}` shows all.")
