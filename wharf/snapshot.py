"""Snapshots: an index at one commit, the only thing that readers see."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from packaging.version import Version

from wharf import record, settings
from wharf.errors import RecordError, StorageError
from wharf.model import Project, Release, Status, is_name, version_of
from wharf.objects import entries

if TYPE_CHECKING:
    from wharf.objects import Object, Objects

log = logging.getLogger("wharf")


class Snapshot:
    """An index at one commit: a Source, and the Records that changes are applied to. Reads what it is asked for, when asked.

    `commit` is None for an index that has no commit yet: it is empty.
    """

    def __init__(self, objects: Objects, commit: str | None, previous: Snapshot | None = None) -> None:
        self.commit = commit
        self._objects = objects
        self._shards: dict[str, str] | None = None
        self._trees: dict[str, dict[str, str]] = {}
        self._names: tuple[str, ...] | None = None
        self._previous = previous
        if commit is not None:
            found = objects.one(f"{commit}:{settings.INDEX_FILE}")
            if found is None:
                raise StorageError(
                    f"The branch at {commit[:12]} has no {settings.INDEX_FILE}: it is no index of wharf's.",
                    "Name another index with --index.",
                )
            settings.check_index_file(found.data)

    def names(self) -> tuple[str, ...]:
        """The PEP 503 names of all projects, sorted."""
        if self._names is None:
            self._load()
            self._names = tuple(sorted(name for shard in self._trees.values() for name in shard))
        return self._names

    def overview(self) -> dict[str, tuple[str, ...]]:
        """All projects that have files, sorted, with their versions, oldest first. Reads folders only, no record."""
        found: dict[str, set[str]] = {}
        for path in self._objects.paths(f"{self.commit}:projects") if self.commit and self.names() else ():
            _, name, version, filename = [*path.split("/"), "", "", ""][:4]
            # Every file has its core metadata beside the record: a version without any has only removed files.
            if filename.endswith(".metadata") and is_name(name) and _is_spelling(version):
                found.setdefault(name, set()).add(version)
        return {name: tuple(sorted(found[name], key=Version)) for name in sorted(found)}

    def tree_ids(self) -> dict[str, str]:
        """The git id of each project's folder, by name: it changes when, and only when, the project does."""
        self._load()
        return {name: tree for shard in self._trees.values() for name, tree in shard.items()}

    def project(self, name: str) -> Project | None:
        """One project; records that do not parse are logged by name and left out."""
        found = self.records(name)
        if found is None:
            return None
        releases = []
        for each in found:
            if isinstance(each, RecordError):
                log.warning("left out: %s", each.message)
            else:
                releases.append(each)
        try:
            status = self.status(name)
        except RecordError as error:
            # What the project's state forbids cannot be known: the cautious reading is that nothing may be offered.
            log.warning("quarantined: %s", error.message)
            status = Status(marker="quarantined", reason="its project.json cannot be read")
        return Project(name=name, releases=tuple(sorted(releases, key=_by_version)), status=status)

    def records(self, name: str) -> list[Release | RecordError] | None:
        """All records of one project, a RecordError in the place of each that does not parse; None: no such project."""
        if not is_name(name) or self.commit is None:
            return None
        tree = self._objects.one(f"{self.commit}:{record.folder(name)}")
        if tree is None:
            return None
        folders = {each: tree_id for each, tree_id in entries(tree).items() if each != "project.json"}
        blobs = self._objects.read(f"{tree_id}:release.json" for tree_id in folders.values())
        return [_parsed(name, version, blob) for version, blob in zip(folders, blobs, strict=True)]

    def versions(self, project: str) -> list[str]:
        """The spellings of all versions that have a record."""
        if self.commit is None:
            return []
        folders = self._objects.tree(f"{self.commit}:{record.folder(project)}")
        return [version for version in folders if _is_spelling(version)]

    def release(self, project: str, version: str) -> Release | None:
        """The record at exactly that spelling, or None. Raises RecordError."""
        found = None if self.commit is None else self._objects.one(f"{self.commit}:{record.path(project, version)}")
        return None if found is None else record.parse(found.data, project=project, version=version)

    def status(self, project: str) -> Status:
        """The project's status. Raises RecordError."""
        where = f"{self.commit}:{record.folder(project)}/project.json"
        found = None if self.commit is None else self._objects.one(where)
        return Status() if found is None else record.parse_status(found.data, project=project)

    def metadata(self, name: str, version: str, filename: str) -> bytes | None:
        """The core metadata kept for one file, byte for byte, or None."""
        if self.commit is None:
            return None
        found = self._objects.one(f"{self.commit}:{record.metadata_path(name, version, filename)}")
        return None if found is None else found.data

    def _load(self) -> None:
        """Read the folders' ids; those of shards that the previous snapshot had as they are come from there."""
        if self._shards is not None:
            return
        shards = {} if self.commit is None else self._objects.tree(f"{self.commit}:projects")
        known = self._previous._shards or {} if self._previous else {}
        same = {shard for shard, tree in shards.items() if known.get(shard) == tree}
        fresh = [shard for shard in shards if shard not in same]
        read = self._objects.read(shards[shard] for shard in fresh)
        trees = {shard: self._previous._trees[shard] for shard in same} if self._previous else {}
        for shard, tree in zip(fresh, read, strict=True):
            trees[shard] = {name: id_ for name, id_ in entries(tree).items() if is_name(name) and name[:2] == shard}
        self._trees, self._shards, self._previous = trees, shards, None


def _is_spelling(version: str) -> bool:
    """Whether a folder's name can be a version: what `packaging` forgives, such as blanks around it, has no place in a path."""
    return bool(re.fullmatch(r"[A-Za-z0-9.!+_-]{1,200}", version)) and version_of(version) is not None


def _parsed(name: str, version: str, blob: Object | None) -> Release | RecordError:
    if not _is_spelling(version) or blob is None:
        why = "has no release.json" if blob is None else "is not a version"
        return RecordError(f"{record.folder(name)}/{ascii(version)[1:-1]} {why}", "Mend or revert it on the index branch.")
    try:
        return record.parse(blob.data, project=name, version=version)
    except RecordError as error:
        return error


def _by_version(release: Release) -> tuple[Version, str]:
    return Version(release.version), release.version
