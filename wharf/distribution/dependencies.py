"""The requirements in core metadata, as far as a promotion follows them: under any marker, and with the extras asked for.

What is read here was checked once, and may have been changed since by anyone who can push to the branch: so it has bounds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement

from wharf.distribution import core_metadata, requirements
from wharf.distribution.file_names import plain
from wharf.errors import TooLargeError
from wharf.model import normalize

if TYPE_CHECKING:
    from collections.abc import Collection

    from packaging.markers import Marker
    from packaging.specifiers import SpecifierSet

MOST: Final = 1000
"""Requirements of one file."""
LONGEST: Final = 1000
"""Characters of one requirement that is followed."""

_SIDE = r"(\"[^\"]*\"|'[^']*'|[\w.]+)"
_COMPARISON = re.compile(rf"{_SIDE} (?:===|==|~=|!=|<=|>=|<|>|in|not in) {_SIDE}")
_ANYWHERE = 'extra != "0 0"'  # which is no extra


@dataclass(frozen=True, slots=True)
class Dependency:
    """One requirement that can be followed. `project` is in PEP 503 form; `url`: it names an address instead of versions."""

    text: str
    project: str
    specifier: SpecifierSet
    extras: frozenset[str]
    marker: Marker | None
    url: bool

    @property
    def is_exact(self) -> bool:
        """Whether it names one version, so that it is met by a yanked one, too (PEP 592)."""
        return any(
            each.operator == "===" or (each.operator == "==" and not each.version.endswith(".*")) for each in self.specifier
        )

    def applies(self, extras: Collection[str]) -> bool:
        """Whether its marker can be true anywhere, for whoever asks for these extras or for none."""
        if self.marker is None:
            return True
        marker = type(self.marker)(_COMPARISON.sub(_anywhere, str(self.marker)))
        return any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def dependencies(data: bytes, filename: str) -> tuple[list[Dependency], list[str]]:
    """The requirements in the core metadata of `filename`, and those that nobody can read or that are too long to follow.

    Raises InvalidDistributionError for metadata that is not metadata, or has too many requirements.
    """
    texts = core_metadata.requires_dist(data, filename)
    if len(texts) > MOST:
        raise TooLargeError(
            f"The core metadata of {plain(filename)} has {len(texts)} requirements; {MOST} are followed at most.",
            "Name the releases yourself, without --with-dependencies.",
        )
    found, odd = [], []
    for text in texts:
        repaired = requirements.requirement(text) if len(text) <= LONGEST else None
        if repaired is None:
            odd.append(text)
            continue
        read = Requirement(repaired)
        found.append(
            Dependency(
                text=text,
                project=normalize(read.name),
                specifier=read.specifier,
                extras=frozenset(map(normalize, read.extras)),
                marker=read.marker,
                url=read.url is not None,
            )
        )
    return found, odd


def _anywhere(comparison: re.Match[str]) -> str:
    """What a comparison counts for: one of an extra is what it is, any other is true somewhere."""
    return comparison[0] if "extra" in (comparison[1], comparison[2]) else _ANYWHERE
