"""PromoteReleases: the change that takes releases of another index into this one, with all that belongs to them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wharf.index.add_files import AddFiles, NewFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wharf.index.change import Named, Outcome, Records
    from wharf.model import Json, Release


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotedRelease:
    """A release as another index records it, with the core metadata of each of its files, by file name."""

    release: Release
    metadata: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteReleases:
    """Releases of another index, all or none. Each file keeps what its record says: yank, upload time, location, other keys.

    - Conflicts are those of a publish (`add_files`): other bytes under a name that is taken or was removed, a closed project.
      A version in another spelling joins the record that is there.
    - A file that the target has with the same bytes stays as the target has it, also where only one of the two is yanked.
      Whoever yanked it there, or took that back, decided it for the readers of this index. `wharf yank` does it on purpose.
    - Who published it, and other keys of the release, go along where the target has no file of that release yet.
    - What was removed from the source does not go along: each index keeps its own list.

    `locations` are those of files that got something more since the source recorded them, by file name.
    """

    releases: tuple[PromotedRelease, ...]
    locations: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)

    @property
    def touched(self) -> Iterable[tuple[str, str]]:
        """Every release."""
        return {(each.release.project, each.release.version) for each in self.releases}

    def apply(self, records: Records) -> Outcome:
        """Files that are there with the same bytes are `unchanged`. Raises ConflictError and RefusedError."""
        files = []
        for each in self.releases:
            for file in each.release.files:
                place = self.locations.get(file.filename, file.location)
                new = dataclasses.replace(file, location=place)
                metadata = each.metadata[file.filename]
                files.append(NewFile(project=each.release.project, version=each.release.version, file=new, metadata=metadata))
        begun = {(each.release.project, each.release.version): each.release for each in self.releases}
        return AddFiles(files=tuple(files), begun=begun).apply(records)

    def located(self, files: Iterable[Named]) -> PromoteReleases:
        """The same, with the locations that these files have by now."""
        return dataclasses.replace(self, locations={each.file.filename: each.file.location for each in files})
