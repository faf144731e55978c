"""AddFiles: the change that a publish makes. All conflicts between new files and what the index has are decided here."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.distribution.file_names import Name
from wharf.errors import ConflictError, RefusedError
from wharf.index import record
from wharf.model import File, Release, Status, same_version

if TYPE_CHECKING:
    from collections.abc import Iterable
from wharf.index.change import Named, Outcome, Records


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file to be added: its entry, the version as its name spells it, and its core metadata."""

    project: str
    version: str
    file: File
    metadata: bytes


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
