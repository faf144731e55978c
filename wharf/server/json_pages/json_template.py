"""A JSON page for all addresses that it is seen under: its links are whole addresses, and hosts are many.

So what is kept is the page without the beginnings of its links, and a client gets it with those that it sees.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from wharf.distribution.metadata_fields import fields_of
from wharf.model import version_key
from wharf.pages.etag import json_page_etag
from wharf.pages.json_page import json_page, serial, shown_release
from wharf.server.http import answer

if TYPE_CHECKING:
    from packaging.metadata import RawMetadata
    from packaging.version import Version

    from wharf.model import Project, Release
    from wharf.server.http.answer import Answer
    from wharf.sources.layers import Layers

LONGEST_BASE: Final = 1000
"""Characters of the address of an index: it stands before each link of a page."""

NO_JSON_PAGE: Final = answer.text(
    404, "This index has no such project or version. JSON pages say nothing of what an upstream has."
)

_SERIAL = b"x-pypi-last-serial"  # without it, bandersnatch takes the page for an old copy


@dataclass(frozen=True, slots=True)
class JsonTemplate:
    """The text between the beginnings of the links, and what stands for the content in the ETag."""

    parts: tuple[bytes, ...]
    serial: int
    validator: str
    cache_control: str

    def answer(self, base: str) -> Answer:
        """The page with links that begin with `base`, the address of the index without a slash at its end."""
        made = answer.page(
            json.dumps(base)[1:-1].encode().join(self.parts),
            content_type="application/json",
            etag=json_page_etag(self.validator, base),
            cache_control=self.cache_control,
            vary="Accept-Encoding",
            zipped=False,
        )
        return replace(made, headers=(*made.headers, (_SERIAL, str(self.serial).encode())))


@dataclass(slots=True)
class JsonPages:
    """What lies ready of one project: the versions that it shows, and pages by their version (None: that of the project)."""

    versions: frozenset[Version | str] | None = None
    made: dict[Version | str | None, JsonTemplate] = field(default_factory=dict)

    def knows_none(self, version: Version | str | None) -> bool:
        """Whether it is known that there is no such page. Without that, any number would have all records read."""
        return self.versions is not None and (not self.versions if version is None else version not in self.versions)

    def sizes(self) -> list[int]:
        """The bytes of each page."""
        return [sum(map(len, each.parts)) for each in self.made.values()]


def versions_of(project: Project) -> frozenset[Version | str]:
    """The versions that have pages: those with files."""
    return frozenset(version_key(each) for each in project.versions)


def json_template(project: Project, source: Layers, version: str | None, validator: str, *, scope: str) -> JsonTemplate | None:
    """The page of a project or of a version, as it is shown; None: it has no version with files, or not that one.

    `scope` says which caches may keep it. Raises StorageError for damage.
    """
    release = shown_release(project) if version is None else project.release(version)
    if release is None or not release.files:
        return None
    mark = secrets.token_hex()  # which no metadata can have guessed
    document = json_page(project, release, _fields(project, release, source), mark, whole=version is None)
    parts = json.dumps(document, separators=(",", ":")).encode().split(mark.encode())
    return JsonTemplate(tuple(parts), serial(project), validator, f"{scope}, no-cache")


def _fields(project: Project, release: Release, source: Layers) -> RawMetadata:
    """What the core metadata of a release says, that of a wheel before that of an sdist; nothing of a quarantined project."""
    if project.status.marker != "quarantined":
        for file in sorted(release.files, key=lambda each: not each.filename.endswith(".whl")):
            data = source.kept_metadata(project.name, file.filename)
            if data is not None:
                return fields_of(data, file.filename)
    return {}
