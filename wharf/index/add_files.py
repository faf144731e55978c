"""AddFiles: the change that a publish makes. All conflicts between new files and what the index has are decided here."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wharf.distribution.file_names import Name
from wharf.errors import ConflictError, RefusedError
from wharf.index import record
from wharf.index.change import Named, Outcome, Records
from wharf.model import File, Release, Status, version_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from packaging.version import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file to be added: its entry, the version as its name spells it, and its core metadata."""

    project: str
    version: str
    file: File
    metadata: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AddFiles:
    """Files of any mix of projects, all or none; or, with `skip_existing`, all whose names are not taken.

    `begun` has releases, by project and version, whose origin and other keys a record gets that has no files yet.
    """

    files: tuple[NewFile, ...]
    skip_existing: bool = False
    begun: Mapping[tuple[str, str], Release] = field(default_factory=dict)

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
            refuse_closed(project, records.status(project))
            given = {Name.parse(new.file.filename): new for new in files}
            for growing in self._releases(project, files, records, skipped):
                after = growing.release()
                for file in after.files:
                    source = given.get(Name.parse(file.filename))
                    if source is None or file.sha256 != source.file.sha256:
                        continue
                    named = Named(project=project, version=after.version, file=file)
                    if file.filename not in growing.added:
                        unchanged.append(named)
                        continue
                    changed.append(named)
                    edits[record.metadata_path(project, after.version, file.filename)] = source.metadata
                if growing.added:
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

    def dated(self, moment: datetime) -> AddFiles:
        """The same files, uploaded at that moment."""
        files = (dataclasses.replace(new, file=dataclasses.replace(new.file, upload_time=moment)) for new in self.files)
        return dataclasses.replace(self, files=tuple(files))

    def _releases(
        self, project: str, files: Iterable[NewFile], records: Records, skipped: list[Named]
    ) -> Iterable[_GrowingRelease]:
        """Each release that is touched, with its new files; what is left out is added to `skipped`."""
        touched: dict[Version | str, _GrowingRelease] = {}
        spellings: dict[Version | str, str] = {}
        for each in records.versions(project):
            spellings.setdefault(version_key(each), each)
        for new in files:
            version = version_key(new.version)
            if version not in touched:
                spelled = spellings.get(version, new.version)
                found = records.release(project, spelled) or Release(project=project, version=spelled)
                touched[version] = _GrowingRelease(_begun(found, self.begun.get((project, new.version))))
            growing = touched[version]
            if self.skip_existing and growing.is_taken(new.file):
                skipped.append(Named(project=project, version=growing.before.version, file=new.file))
            else:
                growing.add(new.file)
        return touched.values()


def _begun(found: Release, source: Release | None) -> Release:
    """The record that files are added to: what it says of itself is of the first who put files into it."""
    if source is None or found.files:
        return found
    return dataclasses.replace(found, origin={**found.origin, **source.origin}, extra={**found.extra, **source.extra})


class _GrowingRelease:
    """A release to which files are added one by one. It finds each by what its name means, so the cost of one does not grow
    with their number.

    - A name, in any spelling, has the same bytes from its first file on: also after that file was removed.
    - What was there stays as it is.
    """

    def __init__(self, before: Release) -> None:
        self.before = before
        self.added: set[str] = set()
        self._files = {Name.parse(file.filename): file for file in before.files}
        self._removed: dict[Name, dict[str, str]] = {}
        for filename, sha256 in before.removed.items():
            self._removed.setdefault(Name.parse(filename), {})[filename] = sha256

    def release(self) -> Release:
        """The release as it is now."""
        files = sorted(self._files.values(), key=lambda file: file.filename)
        removed = {name: sha256 for name, sha256 in self.before.removed.items() if Name.parse(name) in self._removed}
        return dataclasses.replace(self.before, files=tuple(files), removed=removed)

    def is_taken(self, file: File) -> bool:
        """Whether the release has that file with other bytes."""
        other = self._files.get(Name.parse(file.filename))
        return other is not None and other.sha256 != file.sha256

    def add(self, file: File) -> None:
        """Add a file, unless its bytes are there under that name in any spelling. Raises ConflictError."""
        key = Name.parse(file.filename)
        other = self._files.get(key)
        if other is not None and other.sha256 == file.sha256:
            return
        if other is not None:
            taken = "" if other.filename == file.filename else f" as {other.filename}"
            raise ConflictError(
                f"{file.filename} is in the index already{taken}, with other bytes: sha256 {other.sha256}, not {file.sha256}.",
                "A published file never changes: publish it under a new version or build number.",
            )
        for filename, sha256 in self._removed.get(key, {}).items():
            if sha256 != file.sha256:
                raise ConflictError(
                    f"{file.filename} was in the index once{'' if filename == file.filename else f' as {filename}'} "
                    f"with other bytes (sha256 {sha256}) and was removed.",
                    "Only the same bytes may come back under a name: publish a new version or build number.",
                )
        self._removed.pop(key, None)
        self._files[key] = file
        self.added.add(file.filename)


def refuse_closed(project: str, status: Status) -> None:
    """Raise RefusedError for a project whose status lets it take no files."""
    if status.marker in {"archived", "quarantined"}:
        because = f": {status.reason}" if status.reason else ""
        raise RefusedError(
            f"{project} is {status.marker}{because}; it takes no new files.",
            f"`wharf status {project} active` lets it take files again.",
        )
