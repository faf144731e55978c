"""The asset store on GitHub: distributions are assets of releases.

A wharf release is known by a mark in its text. Its tag is `<project>-<version>`, then `…_2`, `…_3`: neither part has
a `_`. Names, digests and states are recorded as GitHub answered them, never assumed.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from wharf.errors import NotAllowedError, StorageError
from wharf.github import release_listing, release_tags
from wharf.github.kept_listing import KeptListing
from wharf.github.promoted_assets import PromotedAssets
from wharf.github.release_publishing import ReleasePublish
from wharf.github.session_drafts import SessionDrafts
from wharf.github.session_memory import SessionMemory
from wharf.index import asset_location
from wharf.index.change import Named
from wharf.model import File

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wharf.assets.asset_store import Progress
    from wharf.github.api import GitHub
    from wharf.github.release_listing import Listed, Stored
    from wharf.index.asset_location import AssetLocation
    from wharf.index.branch import Branch
    from wharf.model import Release
    from wharf.transport.http_client import Download


_MOST_REASONS = 3  # that are told of files which could not be deleted


class Releases:
    """The releases of one repository. `others` (owner/name) are further ones of that host that a record may place a file in."""

    def __init__(
        self,
        github: GitHub,
        index: str,
        others: Sequence[str] = (),
        *,
        memory: SessionMemory | None = None,
        nobodys: bool | None = None,
        kept: KeptListing | None = None,
    ) -> None:
        self.github = github
        self.index = index
        self.others = frozenset(each.lower() for each in others)
        self._memory = memory or SessionMemory()
        self._nobodys = github.source is None if nobodys is None else nobodys  # later it may borrow a token
        self._kept = kept
        self._immutable: dict[int, Listed] = {}  # they never change again

    @contextlib.contextmanager
    def intake(self, progress: Progress) -> Iterator[ReleasePublish]:
        """Begin a publish. The list of releases is asked for at once, while the files are read."""
        with ReleasePublish(self.github, self.index, progress, self._kept) as publish:
            yield publish

    @contextlib.contextmanager
    def reuse(self) -> Iterator[PromotedAssets]:
        """Begin a promotion."""
        with PromotedAssets(self.github, self.others) as promoted:
            yield promoted

    def acting_as(self, github: GitHub) -> Releases:
        """The same releases, through another client."""
        return Releases(github, self.index, tuple(self.others), memory=self._memory, nobodys=False, kept=self._kept)

    def of_index(self, index: str) -> Releases:
        """The same releases, for the publishes of another index."""
        others, nobodys = tuple(self.others), self._nobodys
        return Releases(self.github, index, others, memory=self._memory, nobodys=nobodys, kept=self._kept)

    def remembering(self) -> Releases:
        """The same releases, for a process that publishes again and again."""
        others, nobodys = tuple(self.others), self._nobodys
        return Releases(self.github, self.index, others, memory=self._memory, nobodys=nobodys, kept=KeptListing())

    def sessions(self, branch: Branch) -> SessionDrafts:
        """The upload sessions, of all indexes of the repository, of which `branch` is one."""
        return SessionDrafts(self.github, branch, self._memory, nobodys=self._nobodys)

    def place(self, file: File) -> AssetLocation:
        """Where a file is by its record. Raises StorageError if that does not say, or names a repository not allowed here.

        Whoever can push to the branch writes the records: without that list they could have a token read elsewhere for them.
        """
        return asset_location.locate(file, self.others)

    def link(self, place: AssetLocation) -> str:
        """Where everybody can fetch a file, if its repository is public and called as it is now."""
        address = self.github.address if place.repository is None else self.github.address.moved(place.repository)
        return address.download(place.tag, place.name)

    def public_address(self, file: File) -> str | None:
        """The same for a file by its record. None for one that was not stored: a dry run stores nothing."""
        return self.link(self.place(file)) if file.location else None

    @contextlib.contextmanager
    def fetch(self, place: AssetLocation) -> Iterator[Download]:
        """The bytes of a file, not compared with its digest yet. Raises StorageError, and what GitHub's answers mean."""
        with self.github.asset(place.asset, slug=place.repository) as found:
            if not isinstance(found, str):
                yield found
                return
            with self.github.open(found) as download:
                yield download

    def left_of(self, releases: Sequence[Release]) -> Sequence[Named]:
        """Those files in `removed` of the releases whose bytes are still stored. The list of GitHub is asked for once."""
        gone: dict[str, list[tuple[Release, str]]] = {}
        for each in releases:
            for name, sha256 in each.removed.items():
                gone.setdefault(sha256, []).append((each, name))
        found = []
        for listed in self.github.rest.releases() if gone else ():
            if listed.draft or listed.mark is None:
                continue
            if listed.immutable:
                self._immutable[listed.id] = listed
            for asset in listed.assets:
                for each, name in gone.get(asset.sha256 or "", ()):
                    if release_listing.same_name(asset.name, name) and release_tags.is_of(
                        listed.tag, each.project, each.version
                    ):
                        found.append(_left(listed, asset, each, name))
        return found

    def erase(
        self,
        files: Sequence[Named],
        named: Callable[[], Sequence[Named]],
        dealt_with: Callable[[int], None] = lambda _files: None,
    ) -> tuple[Sequence[Named], str]:
        """Delete the assets of files that left the index, but those that an index still names.

        The files that are still stored, and why: of an immutable release nothing can be deleted, not even by its owner.
        """
        still = list(named())
        why = ["another index or record may name them"] if still else []
        seen: dict[int, Listed | None] = {**self._immutable}
        fixed: list[str] = []
        held = {(each.project, each.version, each.file.filename) for each in still}
        for each in files:
            dealt_with(1)
            if (each.project, each.version, each.file.filename) in held:
                continue
            try:
                self._erase(each, seen)
            except (NotAllowedError, StorageError) as error:
                still.append(each)
                if "immutable" in error.message.lower():
                    fixed.append(str(each.file.location.get("tag")))
                else:
                    why.append(error.message.rstrip("."))
        return still, "; ".join([*[*dict.fromkeys(why)][:_MOST_REASONS], *([_of_immutable(fixed)] if fixed else [])])

    def _erase(self, each: Named, seen: dict[int, Listed | None]) -> None:
        """Delete what is stored of one file. Raises StorageError if its record names what is not wharf's to delete.

        Whoever can push to the branch writes the records, and must not have another's token delete what he may not.
        """
        place = self.place(each.file)
        if place.repository is not None:
            raise StorageError("it lies in another repository, which is not touched", "")
        number = asset_location.id_of(each.file.location.get("release"))
        if number is None:
            raise StorageError(f"the record of {each.file.filename} does not say in which release it is", "")
        if number not in seen:
            seen[number] = self.github.rest.release(number)
        release = seen[number]
        if release is None:
            return
        if release.mark is None or not release_tags.is_of(release.tag, each.project, each.version):
            raise StorageError(f"{release.tag or 'its release'} is not a release that wharf made for {each.project}", "")
        for id_, name in (
            (place.metadata, asset_location.metadata_name(each.file.filename)),
            (place.asset, each.file.filename),
        ):
            stored = next((asset for asset in release.assets if asset.id == id_), None)
            if stored is None:
                continue
            if not release_listing.same_name(stored.name, name) and not (id_ == place.asset and stored.holds(each.file)):
                raise StorageError(f"{stored.name} in {release.tag}, which its record names, is another file", "")
            if release.immutable:
                raise StorageError(f"{release.tag} is immutable", "")
            self.github.rest.delete_asset(stored.id)


def _of_immutable(tags: Sequence[str]) -> str:
    """Why the files stay that are in these releases, one tag for each file."""
    releases = sorted({*tags})
    if len(releases) == 1:
        return (
            f"the release {releases[0]} is immutable: nobody can change it; the whole release can be deleted on GitHub's page, "
            "and then its tag can never be used again"
        )
    return (
        f"{len(tags)} of them are in {len(releases)} releases that are immutable: nobody can change those; whole releases can "
        "be deleted on GitHub's page, and then their tags can never be used again"
    )


def _left(listed: Listed, asset: Stored, release: Release, name: str) -> Named:
    """A file of a release that left the index, as GitHub has it."""
    beside = next((one for one in listed.assets if one.name == asset_location.metadata_name(asset.name)), None)
    location = release_listing.location(listed, asset, beside)
    file = File(filename=name, sha256=str(asset.sha256), size=asset.size, upload_time=asset.updated, location=location)
    return Named(project=release.project, version=release.version, file=file)
