"""What every benchmark is given: where it may write, how long it may take, and whom it may compare with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The settings of one run. `stores` holds seeded indexes, which --keep lets later runs use; `folder` is temporary."""

    folder: Path
    stores: Path
    quick: bool
    rivals: Path | None
    missing: dict[str, str] = field(default_factory=dict)

    def rounds(self, usual: int) -> int:
        """How often to measure: at most three times with --quick."""
        return min(usual, 3) if self.quick else usual

    def close_rounds(self, usual: int) -> int:
        """How often to measure sides that are a few hundredths apart, less than what one round says of a busy machine.

        With --quick too: three rounds miss and meet a target by chance.
        """
        return max(usual, 9)

    def has(self, rival: str) -> bool:
        """Whether a rival can be measured."""
        return rival not in self.missing
