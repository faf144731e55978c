"""Assets that a publish did not send itself: somebody else may be deleting them at the same moment."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wharf.errors import StorageError
from wharf.github import release_listing
from wharf.index import asset_location

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wharf.assets.asset_store import Incoming
    from wharf.github.api import GitHub
    from wharf.github.release_listing import Listed, Stored
    from wharf.index.change import Named


@dataclass(frozen=True, slots=True)
class ReusedAssets:
    """The assets that a publish took as they lay there, by id, with the ids of their releases.

    - An asset of an immutable release is none of them: nobody can delete it.
    - `returned` are the names of files that were removed once. A removal that is finished late may delete them, even if this
      publish sent them.
    - `check` comes after the commit. Who deletes looks at the indexes once more afterwards, so one of the two notices.
    """

    releases: dict[int, int] = field(default_factory=dict)
    returned: set[str] = field(default_factory=set)

    def note(self, stored: Stored, release: Listed) -> None:
        """Remember an asset that was there."""
        self.releases[stored.id] = release.id

    def note_returned(self, release: Listed, stored: Mapping[str, Stored]) -> None:
        """Remember those of the stored files, by their names, that were removed once."""
        for name in stored.keys() & self.returned:
            self.note(stored[name], release)

    def take_up(self, release: Listed, incoming: Iterable[Incoming]) -> list[Named]:
        """The files, which a published release has, with their locations there."""
        found = []
        for each in incoming:
            both = [each.named.file, *([each.beside.named.file] if each.beside else [])]
            stored = {file.filename: asset for file in both if (asset := release.find(file)) is not None}
            if each.named.file.filename in stored and not release.immutable:
                self.note(stored[each.named.file.filename], release)
            found.append(located(each, release, stored))
        return found

    def check(self, github: GitHub, committed: Sequence[Named]) -> None:
        """Raise StorageError if one of them that was committed is gone: somebody deleted it before the index named it."""
        taken = {
            id_: each for each in committed if (id_ := asset_location.id_of(each.file.location.get("asset"))) in self.releases
        }
        for number in {self.releases[each] for each in taken}:
            found = github.rest.release(number)
            there = {asset.id for asset in found.assets} if found else set()
            for asset, each in taken.items():
                if self.releases[asset] == number and asset not in there:
                    raise StorageError(
                        f"{each.file.filename} was deleted at GitHub while it was published.",
                        f"`wharf remove {each.project}=={each.version} {each.file.filename}`, then publish it again.",
                    )


def located(each: Incoming, release: Listed, stored: Mapping[str, Stored]) -> Named:
    """The file with its location, as GitHub told it. `stored` are assets of the release by the names of the files."""
    file = each.named.file
    beside = stored.get(each.beside.named.file.filename) if each.beside else None
    location = release_listing.location(release, stored[file.filename], beside)
    return dataclasses.replace(each.named, file=dataclasses.replace(file, location=location))
