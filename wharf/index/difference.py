"""What differs between two commits of index branches, as records: read in bulk, and only where a path differs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wharf.errors import RecordError
from wharf.index import record, wharf_toml
from wharf.index.branch_paths import METADATA, RECORD, split
from wharf.index.changed_paths import changed_paths

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wharf.index.git import Git
    from wharf.index.git_objects import GitObjects
    from wharf.model import Release


@dataclass(slots=True)
class ChangedVersion:
    """A version of which a file differs: its record before and after (None: there is none), and the git ids of core metadata.

    `differs`: whether the record does. `unread` says why one of the two cannot be read.
    """

    before: Release | None = None
    after: Release | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    differs: bool = False
    unread: str = ""


@dataclass(slots=True)
class ChangedProject:
    """A project in whose folder something differs: its versions, as they are spelled, and whether its state does."""

    versions: dict[str, ChangedVersion] = field(default_factory=dict)
    state: bool = False


@dataclass(slots=True)
class ChangedIndex:
    """All of it: projects by name, and whether the settings differ."""

    projects: dict[str, ChangedProject] = field(default_factory=dict)
    settings: bool = False


def read_difference(program: Git, objects: GitObjects, one: str, other: str) -> ChangedIndex:
    """What differs from the first commit to the second one. Raises StorageError for damage of folders."""
    found = ChangedIndex()
    records: list[tuple[ChangedVersion, str, str, bool, str]] = []
    for each in changed_paths(program, one, other):
        if each.path == wharf_toml.PATH:
            found.settings = True
        for later, entry in enumerate((each.before, each.after)):
            place = None if entry is None else split(each.path, entry)
            if place is None or entry is None:
                continue
            name, rest = place
            project = found.projects.setdefault(name, ChangedProject())
            if len(rest) == 1:
                project.state = True
                continue
            version = project.versions.setdefault(rest[0], ChangedVersion())
            if rest[1] == RECORD:
                version.differs = True
                records.append((version, name, rest[0], bool(later), entry.id))
            elif later:
                version.metadata[rest[1].removesuffix(METADATA)] = entry.id
    _read_records(objects, records)
    return found


def _read_records(objects: GitObjects, wanted: Iterable[tuple[ChangedVersion, str, str, bool, str]]) -> None:
    """Put the records where they belong."""
    listed = list(wanted)
    blobs = objects.read(id_ for *_, id_ in listed)
    for (version, project, spelled, later, _), blob in zip(listed, blobs, strict=True):
        try:
            if blob is None:
                raise RecordError(record.path(project, spelled), "its git object is missing or damaged")
            release = record.parse(blob.data, project=project, version=spelled)
        except RecordError as error:
            version.unread = error.message
            continue
        if later:
            version.after = release
        else:
            version.before = release
