"""The files that a static site can link to, and where its links lead: to where the files lie, or into the site. Pure."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from wharf.distribution.file_names import plain
from wharf.errors import StorageError
from wharf.index import asset_location
from wharf.pages import document
from wharf.site.layout import file_path, with_metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.model import File, Project


LeftOut = tuple[str, str]
"""What a page does not show, and why."""


class Address(Protocol):
    """That of a repository at GitHub."""

    @property
    def web(self) -> str:
        """Its page for people."""
        ...

    def download(self, tag: str, name: str) -> str:
        """Where everybody gets an asset of a release."""
        ...

    def moved(self, slug: str) -> Address:
        """That of another repository on the same host."""
        ...


@dataclass(frozen=True, slots=True)
class DirectLinks:
    """Links to the files where they lie: `address` is the repository, `others` those that records may place files in."""

    address: Address
    others: frozenset[str] = frozenset()

    def link(self, file: File) -> str:
        """The public address of a file. Raises StorageError if it has none."""
        place = asset_location.locate(file, self.others)
        address = self.address if place.repository is None else self.address.moved(place.repository)
        return address.download(place.tag, place.name)

    def check(self, file: File) -> File:
        """The file as far as it can be reached: by its own name, its metadata beside it. Raises StorageError."""
        place = asset_location.locate(file, self.others)
        if place.name != file.filename:
            # Installers take the last part of an address for the file's name.
            raise StorageError(f"GitHub stores it as {place.name!r}, and installers want it under its own name", "")
        return file if place.metadata is not None else dataclasses.replace(file, core_metadata=None)


@dataclass(frozen=True, slots=True)
class OwnLinks:
    """Links to the files in the site itself. `others` is as for `DirectLinks` (None: a store that has one place alone).

    `lost` has the files (`<sha256>/<filename>`) whose bytes are missing, with the reasons.
    """

    others: frozenset[str] | None = None
    lost: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def link(self, file: File) -> str:
        """The address of a file, seen from its project's page."""
        return document.relative_link(file)

    def check(self, file: File) -> File:
        """The file as far as the site can have it. Raises StorageError."""
        if self.others is not None:
            asset_location.locate(file, self.others)
        if (why := self.lost.get(file_path(file))) is not None:
            raise StorageError(why, "")
        return file if len(with_metadata(file_path(file))) > 1 else dataclasses.replace(file, core_metadata=None)


Links: TypeAlias = DirectLinks | OwnLinks


def reachable(project: Project, links: Links) -> tuple[Project, list[LeftOut]]:
    """The project with what a site can show of it, and what it cannot."""
    if project.status.marker == "quarantined":
        return project, []  # of which no page offers any file
    left_out: list[LeftOut] = []
    releases = []
    for release in project.releases:
        files = []
        for file in release.files:
            try:
                files.append(links.check(file))
            except StorageError as error:
                left_out.append(leaving_out(file.filename, error.message))
        releases.append(dataclasses.replace(release, files=tuple(files)))
    return dataclasses.replace(project, releases=tuple(releases)), left_out


def leaving_out(name: str, why: str) -> LeftOut:
    """What is said about something that is left out: records may hold anything, of any length."""
    return plain(name), plain(why)
