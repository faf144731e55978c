"""A file that lies at GitHub, where the answer cache has the file itself for a folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wharf.index.asset_location import AssetLocation
    from wharf.server.http.answer import Answer, FileAnswer


@dataclass(frozen=True, slots=True)
class GitHubFile:
    """A file at GitHub: where, and what would be answered if its bytes were here."""

    place: AssetLocation
    file: FileAnswer

    @property
    def etag(self) -> bytes:
        """The validator of the bytes."""
        return self.file.etag

    @property
    def not_modified(self) -> Answer:
        """The answer to who has them already."""
        return self.file.not_modified
