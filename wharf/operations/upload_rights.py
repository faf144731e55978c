"""Who may write which projects of an index, as checks for its changes: by the limits of a wharf token, and by `[upload]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.errors import NotAllowedError
from wharf.index import wharf_toml

if TYPE_CHECKING:
    from collections.abc import Collection

    from wharf.index.wharf_toml import IndexSettings


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """What a wharf token may write: the projects whose names match one of its globs, and no settings."""

    name: str
    projects: tuple[str, ...]

    def __call__(self, settings: IndexSettings, projects: Collection[str]) -> None:
        """Raise NotAllowedError for the first project that it may not write."""
        del settings
        for each in projects:
            if not wharf_toml.matches(self.projects, each):
                raise NotAllowedError(
                    f"The token {self.name!r} may write {', '.join(self.projects)}, and not {each}.",
                    f"`wharf token create NAME --project {each}` makes one that may.",
                )

    def of_settings(self, settings: IndexSettings, keys: Collection[str]) -> None:
        """Raise NotAllowedError."""
        del settings
        raise NotAllowedError(f"The token {self.name!r} may write projects, and not {', '.join(keys)} in {wharf_toml.PATH}.")
