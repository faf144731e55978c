"""The check of one project on an index branch: its records, its core metadata, and what must not change."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wharf.errors import RecordError
from wharf.index import record
from wharf.index.branch_paths import METADATA, RECORD, ProjectFiles
from wharf.index.record_changes import check_change
from wharf.index.snapshot import is_spelling
from wharf.model import version_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wharf.index.check_findings import CheckFindings
    from wharf.model import Release

_LOST = "The git object is missing or damaged."


@dataclass(slots=True, kw_only=True)
class ProjectCheck:
    """Checks projects one by one. `read` gives the bytes of a git id, or None; `metadata` gets all core metadata, with paths.

    `compared`: there is an earlier state, and only what differs from it is checked.
    """

    read: Callable[[str], bytes | None]
    findings: CheckFindings
    metadata: Callable[[str, bytes], None]
    compared: bool
    releases: int = field(default=0, init=False)
    """Releases that were checked."""

    def check(self, project: str, before: ProjectFiles, after: ProjectFiles) -> None:
        """Check a project, or what changed in it."""
        if after.state is not None and after.state != before.state:
            self._check_state(project, after.state)
        spellings = Counter(version_key(version) for version, files in after.versions.items() if RECORD in files)
        for version in {**before.versions, **after.versions}:
            old, new = before.versions.get(version, {}), after.versions.get(version, {})
            if self.compared and old == new:
                continue
            self.releases += 1
            if RECORD in new and spellings[version_key(version)] > 1:
                what = "Another folder of the project has the same version in another spelling: readers take one of the two."
                self.findings.error(record.path(project, version), what)
            self._check_version(project, version, old, new)

    def needed(self, before: ProjectFiles, after: ProjectFiles) -> Iterable[str]:
        """The git ids that `check` is going to read."""
        if not self.compared:
            return after.ids()
        found = {after.state} if after.state and after.state != before.state else set()
        for version, files in after.versions.items():
            old = before.versions.get(version, {})
            if old != files:
                found |= {*files.values(), *(id_ for name, id_ in old.items() if name == RECORD)}
        return found

    def _check_state(self, project: str, id_: str) -> None:
        where = f"{record.folder(project)}/project.json"
        data = self.read(id_)
        if data is None:
            self.findings.error(where, _LOST)
            return
        try:
            record.parse_status(data, project=project)
        except RecordError as error:
            self.findings.error(where, _reason(error))

    def _check_version(self, project: str, version: str, old: dict[str, str], new: dict[str, str]) -> None:
        where = record.path(project, version)
        if RECORD not in new:
            if RECORD in old:
                self.findings.error(
                    where, "The record was deleted: the names of its files would be free. Remove files instead."
                )
            for name in new:
                self.findings.error(f"{record.folder(project)}/{version}/{name}", f"No {RECORD} stands beside it.")
            return
        release = self._release(project, version, new[RECORD])
        if release is None:
            return
        self._check_metadata(release, old, new)
        if RECORD in old and old[RECORD] != new[RECORD]:
            try:
                earlier = record.parse(self.read(old[RECORD]) or b"", project=project, version=version)
            except RecordError:
                self.findings.warning(where, "It could not be read before: nobody can tell what changed in it.")
            else:
                check_change(where, earlier, release, self.findings)

    def _release(self, project: str, version: str, id_: str) -> Release | None:
        """The release of a record, if it can be read."""
        where = record.path(project, version)
        data = self.read(id_)
        if data is None:
            self.findings.error(where, _LOST)
            return None
        if not is_spelling(version):
            self.findings.error(where, "Its folder is not named as a version.")
            return None
        try:
            release = record.parse(data, project=project, version=version)
        except RecordError as error:
            self.findings.error(where, _reason(error))
            return None
        if record.render(release) != data:
            self.findings.warning(where, "Its bytes are not canonical: the next change to it rewrites all of its lines.")
        return release

    def _check_metadata(self, release: Release, old: dict[str, str], new: dict[str, str]) -> None:
        """The core metadata beside the record: that of each file, and nothing else."""
        folder = f"{record.folder(release.project)}/{release.version}"
        names = {f"{file.filename}{METADATA}": file for file in release.files}
        for name, file in names.items():
            path = f"{folder}/{name}"
            if name not in new:
                self.findings.error(path, "The core metadata of a file is missing.")
                continue
            data = self.read(new[name])
            if data is None:
                self.findings.error(path, _LOST)
            elif len(data) > record.MAX_BYTES:
                self.findings.error(path, f"It is larger than {record.MAX_BYTES >> 20} MiB.")
            elif file.core_metadata is not None and hashlib.sha256(data).hexdigest() != file.core_metadata:
                self.findings.error(path, "It is not the core metadata that the record announces.")
            else:
                self.metadata(path, data)
        for name in new.keys() - names.keys() - {RECORD}:
            self.findings.error(f"{folder}/{name}", "The record names no such file.")
        for name in old.keys() & new.keys() & names.keys():
            if old[name] != new[name]:
                self.findings.error(f"{folder}/{name}", "Core metadata changed: they are those of bytes that never change.")


def _reason(error: RecordError) -> str:
    """Why a record cannot be read, without its path."""
    return f"It cannot be read: {error.reason}."
