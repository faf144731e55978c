"""A project as an upstream index shows it, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from wharf.model import Status

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamFile:
    """One wheel or sdist of an upstream: its filename is one of the project, `url` is absolute, `sha256` is what its bytes must
    have.

    `core_metadata` is the sha256 of its core metadata, which lie at `url` with `.metadata` behind the path; None where the
    upstream announces none with a sha256. `provenance` is an absolute address. `upload_time` is what the upstream says, `since`
    the moment from which the age of the file counts; None: nobody knows.
    """

    filename: str
    version: str
    url: str
    sha256: str
    size: int | None = None
    upload_time: datetime | None = None
    since: datetime | None = None
    requires_python: str | None = None
    yanked: str | None = None
    core_metadata: str | None = None
    provenance: str | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file of an upstream that cannot be shown, and why in words."""

    filename: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamProject:
    """A project of an upstream, by its normal name (PEP 503): its files in the order of the upstream's page."""

    name: str
    files: tuple[UpstreamFile, ...] = ()
    status: Status = field(default_factory=Status)
    left_out: tuple[LeftOut, ...] = ()

    def at(self, moment: datetime) -> UpstreamProject:
        """The project with the files that count from that moment or before; `moment` has its zone.

        A file of which nobody knows since when it is there is not among them, nor is what was left out. Status, yanks and all
        else are what the upstream says now: it tells of no past.
        """
        there = tuple(file for file in self.files if file.since is not None and file.since <= moment)
        return replace(self, files=there, left_out=())
