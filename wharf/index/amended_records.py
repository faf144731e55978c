"""The records of a tip as they are after edits that are not committed yet: what the next change of a group meets."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from wharf.index import record, wharf_toml
from wharf.model import Status

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from wharf.index.change import Records
    from wharf.model import Release


class AmendedRecords:
    """Records with `edits`, by path as in an outcome. Ids of what is edited are other ones than before, and no git ids.

    A version whose record goes has no files there any more: nothing of a group takes a record away and leaves core metadata.
    """

    def __init__(self, records: Records) -> None:
        self.edits: dict[str, bytes | None] = {}
        self._records = records
        self._by_project: dict[str, dict[str, bytes | None]] = {}

    def amend(self, edits: Mapping[str, bytes | None]) -> None:
        """Take in the edits of one more change."""
        self.edits.update(edits)
        for path, data in edits.items():
            if path != wharf_toml.PATH:
                _, _, project, rest = path.split("/", 3)
                self._by_project.setdefault(project, {})[rest] = data

    @property
    def index_file(self) -> bytes:
        """The bytes of `wharf.toml`."""
        return self.edits.get(wharf_toml.PATH) or self._records.index_file

    def names(self) -> list[str]:
        """The names of all projects, sorted."""
        return sorted({*self._records.names(), *self._by_project})

    def tree_ids(self) -> dict[str, str]:
        """An id for each project."""
        before = self._records.tree_ids()
        return {**before, **{name: _id(before.get(name), edits) for name, edits in self._by_project.items()}}

    def version_ids(self, project: str) -> dict[str, str]:
        """The same for each version of a project."""
        found = dict(self._records.version_ids(project))
        versions: dict[str, dict[str, bytes | None]] = {}
        for path, data in self._by_project.get(project, {}).items():
            version, _, name = path.rpartition("/")
            if version:
                versions.setdefault(version, {})[name] = data
        for version, edits in versions.items():
            found[version] = _id(found.get(version), edits)
            if edits.get("release.json", b"") is None:
                del found[version]
        return found

    def file_ids(self, project: str, version: str) -> dict[str, str]:
        """The same for the record and each core metadata of a version."""
        found = dict(self._records.file_ids(project, version))
        for path, data in self._by_project.get(project, {}).items():
            folder, _, name = path.rpartition("/")
            if folder == version and data is None:
                found.pop(name, None)
            elif folder == version:
                found[name] = _id(None, {name: data})
        return found

    def versions(self, project: str) -> list[str]:
        """The spellings of all versions that have a record."""
        if project not in self._by_project:
            return list(self._records.versions(project))
        return [*self.version_ids(project)]

    def release(self, project: str, version: str) -> Release | None:
        """The record at exactly that spelling, or None. Raises RecordError."""
        edits = self._by_project.get(project, {})
        if (name := f"{version}/release.json") not in edits:
            return self._records.release(project, version)
        data = edits[name]
        return None if data is None else record.parse(data, project=project, version=version)

    def releases(self, project: str, versions: Collection[str]) -> list[Release]:
        """The records at exactly these spellings, as far as there are any. Raises RecordError."""
        edited = {each for each in versions if f"{each}/release.json" in self._by_project.get(project, {})}
        before = self._records.releases(project, [each for each in versions if each not in edited])
        return [*before, *(found for each in sorted(edited) if (found := self.release(project, each)) is not None)]

    def status(self, project: str) -> Status:
        """The project's status. Raises RecordError."""
        if "project.json" not in self._by_project.get(project, {}):
            return self._records.status(project)
        state = self.state(project)
        return Status() if state is None else record.parse_status(state, project=project)

    def state(self, project: str) -> bytes | None:
        """The bytes of the project's `project.json`, or None."""
        edits = self._by_project.get(project, {})
        return edits["project.json"] if "project.json" in edits else self._records.state(project)


def _id(before: str | None, edits: Mapping[str, bytes | None]) -> str:
    """An id that depends on what was there and on every edit."""
    found = hashlib.sha256((before or "").encode())
    for path in sorted(edits):
        data = edits[path]
        found.update(f"\0{path}\0{-1 if data is None else len(data)}\0".encode() + (data or b""))
    return found.hexdigest()
