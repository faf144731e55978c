"""The change to `wharf.toml`: an index stores core metadata beside its files from now on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.index import wharf_toml
from wharf.index.change import Outcome, Records

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class TurnOnMetadataAssets:
    """Store core metadata beside the files from now on, where the readers of a static site look for it."""

    @property
    def touched(self) -> Iterable[tuple[str, str]]:
        """No release."""
        return ()

    def apply(self, records: Records) -> Outcome:
        """Where it is on already, nothing changes."""
        if wharf_toml.parse(records.index_file).metadata_assets:
            return Outcome()
        return Outcome(edits={wharf_toml.PATH: wharf_toml.with_metadata_assets(records.index_file)})
