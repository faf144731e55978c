"""Which files of a publish go into which release: what is there already, and what is still to be stored. Pure.

A file stays where it is if one of wharf's published releases holds it. The others go into a release that takes more files, or
into a draft, which nobody sees before it is whole. A draft for the same files, which a publish left that died, is filled up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wharf.github import release_tags
from wharf.github.release_listing import MOST_ASSETS
from wharf.github.release_states import DRAFTS, FILLED, OPEN, PUBLISHED, WHOLE, state_of
from wharf.index import asset_location
from wharf.model import version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wharf.assets.asset_store import Incoming
    from wharf.errors import OneReleaseError
    from wharf.github.release_listing import Listed
    from wharf.model import File, Json, Release


@dataclass(slots=True)
class PlannedRelease:
    """Files of one version that go into one release.

    - `into` is the release that is there; None: a new one is made.
    - A new one gets the tag that follows from `number`. The number only grows, until nothing has that tag.
    - `taken` are the tags that it was planned with before, and that something had.
    - `refused` are files that were `incoming` until GitHub refused them.
    """

    project: str
    version: str
    incoming: Sequence[Incoming]
    number: int
    into: Listed | None = None
    taken: list[str] = field(default_factory=list)
    refused: list[tuple[Incoming, OneReleaseError]] = field(default_factory=list)

    @property
    def base(self) -> str:
        """The first tag of that version."""
        return f"{self.project}-{self.version}"

    @property
    def tag(self) -> str:
        """The tag that it gets."""
        return release_tags.numbered(self.base, self.number)

    @property
    def files(self) -> list[File]:
        """What is published. The mark stands for these."""
        return [each.named.file for each in self.incoming]

    @property
    def beside(self) -> list[Incoming]:
        """The core metadata that is stored next to the files."""
        return [each.beside for each in self.incoming if each.beside is not None]

    @property
    def is_prerelease(self) -> bool:
        """Whether GitHub is told that it is none for everybody: a dev release or a pre-release (PEP 440)."""
        found = version_of(self.version)
        return found is not None and found.is_prerelease

    @property
    def is_draft(self) -> bool:
        """Whether it is still to be published under its tag."""
        return self.into is None or self.into.draft

    def refuse(self, some: Iterable[Incoming], error: OneReleaseError) -> None:
        """Leave files out that GitHub does not take."""
        names = {each.named.file.filename for each in some}
        self.refused += [(each, error) for each in self.incoming if each.named.file.filename in names]
        self.incoming = [each for each in self.incoming if each.named.file.filename not in names]


@dataclass(frozen=True, slots=True)
class Plan:
    """Of one version: the files that are stored already, each with its release, and the releases for the others."""

    held: Sequence[tuple[Incoming, Listed]]
    releases: Sequence[PlannedRelease]


def latest_recorded(record: Release | None) -> int | None:
    """The newest release of this repository that the files of a record lie in."""
    return max((id_ for place in _places(record) if (id_ := asset_location.id_of(place.get("release")))), default=None)


def plan(
    project: str,
    version: str,
    incoming: Sequence[Incoming],
    record: Release | None,
    listed: Iterable[Listed],
    latest: Listed | None,
) -> Plan:
    """The plan for the files of one version, by what the index records and what GitHub lists.

    `latest` is the release that was recorded last. If a person wrote the record or changed the release, nothing is put there.
    """
    base = f"{project}-{version}"
    ours = {each.id: each for each in listed if each.mark and release_tags.number_of(each.tag, base)}
    if latest is not None and latest.mark and release_tags.is_of(latest.tag, project, version):
        ours.setdefault(latest.id, latest)
    held: list[tuple[Incoming, Listed]] = []
    rest: list[Incoming] = []
    for each in incoming:
        release = _holder(ours.values(), each)
        if release is None:
            rest.append(each)
        else:
            held.append((each, release))
    tags = {str(place.get("tag")) for place in _places(record)} | {each.tag for each in ours.values() if not each.draft}
    number = max((release_tags.number_of(tag, base) or 0 for tag in tags), default=0) + 1
    most = MOST_ASSETS // (2 if any(each.beside for each in rest) else 1)
    releases = [PlannedRelease(project, version, rest[at : at + most], number + at // most) for at in range(0, len(rest), most)]
    for one in releases:
        wanted = [*one.files, *(each.named.file for each in one.beside)]
        draft = _draft_for(ours.values(), one.files)
        filled = draft if draft is not None and state_of(draft, one.files) is FILLED else None
        one.into = filled or _open_release(ours.values(), wanted) or draft  # what is stored is not sent once more
    return Plan(held, releases)


def holds_all(release: Listed, files: Sequence[File]) -> bool:
    """Whether a published release has all of these files."""
    return state_of(release, files) in WHOLE


def _holder(releases: Iterable[Listed], each: Incoming) -> Listed | None:
    """A published release that holds a file, and what belongs beside it unless that can come no more."""
    file, beside = each.named.file, [each.beside.named.file] if each.beside else []
    return next((one for one in releases if holds_all(one, [file] if one.immutable else [file, *beside])), None)


def _open_release(releases: Iterable[Listed], files: Sequence[File]) -> Listed | None:
    """A published release that takes these files; best one that holds some of them already."""
    takes = [each for each in releases if state_of(each, files) in (OPEN, PUBLISHED)]
    return min(takes, key=lambda each: sum(each.find(file) is None for file in files), default=None)


def _draft_for(releases: Iterable[Listed], files: Sequence[File]) -> Listed | None:
    """A draft that an earlier publish of exactly these files began."""
    return next((each for each in releases if state_of(each, files) in DRAFTS), None)


def _places(record: Release | None) -> list[Mapping[str, Json]]:
    """Where the files of a record lie, as far as that is in this repository."""
    return [file.location for file in record.files if "repository" not in file.location] if record else []
