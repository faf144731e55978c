"""The nouns: File, Release, Project, as frozen values.

They carry what the Simple API 1.4 says about a file (PEP 503, 592, 658, 691, 700, 714, 792) and nothing that depends on
where the bytes lie or on who reads. `record` turns them into bytes and back, `pages` into answers.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

STATUSES = ("active", "archived", "quarantined", "deprecated")
"""The markers of PEP 792."""

LONGEST_VERSION = 200
"""Characters of a version: longer ones are no folders of a release on the branch."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!~-]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One wheel or sdist.

    `yanked` is None, or the reason (PEP 592), which may be empty. `core_metadata` is the sha256 of the core metadata as it
    stands beside the file, or None where it is not announced (PEP 714). `location` says where the asset store keeps the
    bytes; `extra` holds keys of the record's entry that this version does not know, so that a rewrite keeps them.
    """

    filename: str
    sha256: str
    size: int
    upload_time: datetime
    requires_python: str | None = None
    yanked: str | None = None
    core_metadata: str | None = None
    location: Mapping[str, Json] = field(default_factory=dict)
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The files of one version of a project, sorted by name.

    `project` is the PEP 503 name, `version` the spelling of the release's first file. `removed` maps the names of removed
    files to their sha256: only the same bytes may come back. `origin` says who published and from what.
    """

    project: str
    version: str
    files: tuple[File, ...] = ()
    removed: Mapping[str, str] = field(default_factory=dict)
    origin: Mapping[str, Json] = field(default_factory=dict)
    extra: Mapping[str, Json] = field(default_factory=dict)

    def file(self, filename: str) -> File | None:
        """The file of that name, or None."""
        return next((file for file in self.files if file.filename == filename), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of a whole project (PEP 792)."""

    marker: str = "active"
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project's releases, oldest version first, and its status."""

    name: str
    releases: tuple[Release, ...] = ()
    status: Status = Status()

    @property
    def files(self) -> tuple[File, ...]:
        """All files, oldest version first."""
        return tuple(file for release in self.releases for file in release.files)

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that have files, oldest first (PEP 700)."""
        return tuple(release.version for release in self.releases if release.files)

    def release(self, version: str) -> Release | None:
        """The release whose version equals `version`, in whatever spelling (1.0 is 1.0.0), or None."""
        return next((release for release in self.releases if same_version(release.version, version)), None)


def is_name(text: str) -> bool:
    """Whether `text` is a name in its normal form (PEP 503)."""
    return len(text) <= 200 and bool(_NAME.fullmatch(text)) and "--" not in text


def normalize(text: str) -> str:
    """The PEP 503 form of a name: `Foo`, `foo` and `f_O.o` spell one project or another."""
    return str(canonicalize_name(text))


def is_sha256(text: str) -> bool:
    """Whether `text` is a sha256 as lower-case hex."""
    return bool(_SHA256.fullmatch(text))


def is_filename(text: str) -> bool:
    """Whether `text` can be the name of a distribution: ASCII, no path, no control character, at most 250 characters."""
    return len(text) <= 250 and bool(_FILENAME.fullmatch(text))


@functools.lru_cache(maxsize=8192)
def version_of(text: str) -> Version | None:
    """`text` as a version (PEP 440), or None; also for one that is too long for a folder's name."""
    if len(text) > LONGEST_VERSION:
        return None
    try:
        return Version(text)
    except InvalidVersion:
        return None


def same_version(one: str, other: str) -> bool:
    """Whether two spellings name one version."""
    return one == other or version_key(one) == version_key(other)


def version_key(text: str) -> Version | str:
    """What all spellings of one version have in common, to look one up among many. Other text stands for itself."""
    return version_of(text) or text
