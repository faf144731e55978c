"""What a check of an index branch finds: errors, changes of rights, and warnings. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from wharf.distribution.file_names import plain

Level = Literal["error", "rights", "warning"]

LEVELS: Final[tuple[Level, ...]] = ("error", "rights", "warning")
"""What must not be; a change of who may do what, or of which names come from where; what a person may want to know."""
MOST_FINDINGS: Final = 1000
"""Findings of each level that are kept; the others are counted."""


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """Something that was found at a path of the branch, in one sentence. Both texts can be printed as they are."""

    level: Level
    path: str
    message: str


@dataclass(frozen=True, slots=True)
class CheckFindings:
    """Findings as they come, never more than MOST_FINDINGS of a level."""

    kept: dict[Level, list[CheckFinding]] = field(default_factory=lambda: {level: [] for level in LEVELS})
    counts: dict[Level, int] = field(default_factory=lambda: dict.fromkeys(LEVELS, 0))

    def error(self, path: str, message: str) -> None:
        """Add an error."""
        self._add("error", path, message)

    def rights(self, path: str, message: str) -> None:
        """Add a change of rights."""
        self._add("rights", path, message)

    def warning(self, path: str, message: str) -> None:
        """Add a warning."""
        self._add("warning", path, message)

    def all(self) -> tuple[CheckFinding, ...]:
        """Those that are kept: errors first, then changes of rights, then warnings."""
        return tuple(each for level in LEVELS for each in self.kept[level])

    def _add(self, level: Level, path: str, message: str) -> None:
        self.counts[level] += 1
        if len(self.kept[level]) < MOST_FINDINGS:
            self.kept[level].append(CheckFinding(level, plain(path), plain(message, 600)))
