"""A project as a server shows it (the document of `wharf show --json`), read back into the model. Pure.

The document is somebody else's: what cannot be true of a project is a StorageError, and nothing of it is used.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from wharf.distribution.file_names import Name
from wharf.errors import InvalidDistributionError, StorageError
from wharf.model import STATUSES, File, Project, Release, Status, is_filename, is_sha256, normalize, version_key, version_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


def project_of(document: Mapping[str, Any], where: str) -> Project:
    """The project with its releases, oldest version first; `where` is the address of the server. Raises StorageError."""
    try:
        return _project(document)
    except (KeyError, TypeError, ValueError, AttributeError, InvalidDistributionError) as error:
        raise StorageError(
            f"What {where} says of a project cannot be read.", "Is the server a newer wharf than this one?"
        ) from error


def _project(document: Mapping[str, Any]) -> Project:
    files: dict[object, list[File]] = {}
    removed: dict[object, dict[str, str]] = {}
    spelled: dict[object, str] = {}
    for text in document["versions"]:
        spelled.setdefault(_key(text), text)
    for version, names in document.get("_removed", {}).items():
        key = _key(version)
        spelled.setdefault(key, version)
        removed[key] = {str(name): sha256 for name, sha256 in names.items() if is_filename(name) and is_sha256(sha256)}
    for entry in document["files"]:
        file = _file(entry)
        version = str(Name.parse(file.filename).version)
        spelled.setdefault(version_key(version), version)
        files.setdefault(version_key(version), []).append(file)
    name = str(document["name"])
    releases = [
        Release(
            project=name,
            version=text,
            files=tuple(sorted(files.get(key, ()), key=lambda file: file.filename)),
            removed=removed.get(key, {}),
        )
        for key, text in spelled.items()
    ]
    releases.sort(key=lambda release: (version_of(release.version), release.version))
    return Project(name=name, releases=tuple(releases), status=_status(document.get("project-status", {})))


def _key(text: str) -> object:
    if version_of(text) is None:
        raise ValueError(text)
    return version_key(text)


def _status(found: Mapping[str, Any]) -> Status:
    marker, reason = found.get("status", "active"), found.get("reason")
    if marker not in STATUSES or not isinstance(reason, str | None):
        raise ValueError(marker)
    return Status(marker=marker, reason=reason)


def _file(entry: Mapping[str, Any]) -> File:
    filename, sha256, size, yanked = entry["filename"], entry["hashes"]["sha256"], entry["size"], entry.get("yanked", False)
    if not is_filename(filename) or not is_sha256(sha256) or not isinstance(size, int) or size < 0:
        raise ValueError(filename)
    requires = entry.get("requires-python")
    return File(
        filename=filename,
        sha256=sha256,
        size=size,
        upload_time=datetime.fromisoformat(entry["upload-time"]),
        requires_python=requires if isinstance(requires, str) else None,
        yanked=yanked if isinstance(yanked, str) else "" if yanked else None,
    )


class ServerRecords:
    """Projects as a server shows them, as what a change reads: so a conflict is known before a byte is sent."""

    index_file = b""

    def __init__(self, projects: Mapping[str, Project]) -> None:
        self._projects = projects

    def names(self) -> Sequence[str]:
        """The names of the projects."""
        return list(self._projects)

    def tree_ids(self) -> Mapping[str, str]:
        """None: a server shows no trees."""
        return {}

    def version_ids(self, project: str) -> Mapping[str, str]:
        """None, as well."""
        del project
        return {}

    def file_ids(self, project: str, version: str) -> Mapping[str, str]:
        """None, as well."""
        del project, version
        return {}

    def versions(self, project: str) -> Sequence[str]:
        """The versions of a project, as they are spelled there."""
        found = self._projects.get(normalize(project))
        return [] if found is None else [release.version for release in found.releases]

    def release(self, project: str, version: str) -> Release | None:
        """The release of exactly that spelling."""
        return next(iter(self.releases(project, [version])), None)

    def releases(self, project: str, versions: Collection[str]) -> Sequence[Release]:
        """The releases of exactly these spellings."""
        found = self._projects.get(normalize(project))
        return [] if found is None else [release for release in found.releases if release.version in versions]

    def status(self, project: str) -> Status:
        """The status of a project."""
        found = self._projects.get(normalize(project))
        return Status() if found is None else found.status

    def state(self, project: str) -> bytes | None:
        """None: a server shows no files of the branch."""
        del project
        return None
