"""The asset store on GitHub: distributions are assets of releases.

A release of wharf's is known by a mark in its text. Its tag is `<project>-<version>`, then `…_2`, `…_3`: neither part has
a `_`. Names, digests and states are recorded as GitHub answered them, never assumed.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf import listing
from wharf.errors import NotAllowedError, StorageError
from wharf.shipment import Shipment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wharf.change import Named
    from wharf.github import GitHub
    from wharf.listing import Listed
    from wharf.model import File
    from wharf.store import Progress


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file is: its asset, the release's tag, the stored name, and the repository (owner/name) if it is another one.

    `metadata` is the asset with its core metadata, if that lies beside it.
    """

    asset: int
    tag: str
    name: str
    repository: str | None
    metadata: int | None = None


class Releases:
    """The releases of one repository. `others` (owner/name) are further ones of that host that a record may place a file in."""

    def __init__(self, github: GitHub, index: str, others: Sequence[str] = ()) -> None:
        self.github = github
        self.index = index
        self._others = {each.lower() for each in others}

    @contextlib.contextmanager
    def intake(self, progress: Progress) -> Iterator[Shipment]:
        """Begin a publish. The list of releases is asked for at once, while the files are read."""
        with Shipment(self.github, self.index, progress) as shipment:
            yield shipment

    def acting_as(self, github: GitHub) -> Releases:
        """The same releases, through another client."""
        return Releases(github, self.index, tuple(self._others))

    def place(self, file: File) -> Place:
        """Where a file is by its record. Raises StorageError if that does not say, or names a repository not allowed here.

        Whoever can push to the branch writes the records: without that list they could have a token read elsewhere for them.
        """
        asset, tag, name = (file.location.get(key) for key in ("asset", "tag", "name"))
        beside = file.location.get("metadata")
        metadata = beside if isinstance(beside, int) and not isinstance(beside, bool) else None
        other = file.location.get("repository")
        if not isinstance(asset, int) or isinstance(asset, bool) or not isinstance(tag, str) or not isinstance(name, str):
            raise StorageError(
                f"The record of {file.filename} does not say which asset it is.",
                "Remove it from the index and publish it again.",
            )
        if other is None:
            return Place(asset, tag, name, None, metadata)
        if not isinstance(other, str) or other.lower() not in self._others:
            raise StorageError(
                f"The record of {file.filename} places it in another repository, {other!r}.",
                "If that is meant, name it in `repositories` of your config.toml.",
            )
        return Place(asset, tag, name, other, metadata)

    def link(self, place: Place) -> str:
        """Where everybody can fetch a file, if its repository is public and called as it is now."""
        address = self.github.address if place.repository is None else self.github.address.moved(place.repository)
        return address.download(place.tag, place.name)

    def all(self) -> Iterator[Listed]:
        """Every release of the repository, with its assets, the newest first."""
        for each in self.github.pages("{repo}/releases"):
            yield listing.release(each)

    def erase(self, files: Sequence[Named], named: Callable[[], Sequence[Named]]) -> tuple[Sequence[Named], str]:
        """Delete the assets of files that left the index, but those that an index still names.

        The files that are still stored, and why: of an immutable release nothing can be deleted, not even by its owner.
        """
        still = list(named())
        why = "another index or record may name them" if still else ""
        for each in [each for each in files if each not in still]:
            try:
                place = self.place(each.file)
                if place.repository is not None:
                    raise StorageError("it lies in another repository, which is not touched", "")
                for asset in (place.metadata, place.asset):
                    if asset is not None:
                        self.github.call("DELETE", f"{{repo}}/releases/assets/{asset}", allow=(404,))
            except (NotAllowedError, StorageError) as error:
                still.append(each)
                immutable = "immutable" in error.message.lower()
                why = (
                    f"the release {each.file.location.get('tag')} is immutable: nobody can change it; the whole release "
                    "can be deleted on GitHub's page, and then its tag can never be used again"
                    if immutable
                    else error.message.rstrip(".")
                )
        return still, why
