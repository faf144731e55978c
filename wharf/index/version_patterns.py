"""Names of projects, or globs over them, with versions behind them where only some are meant: `evil==1.2`, `bad-*`. Pure."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from wharf.index import name_globs
from wharf.model import version_of

if TYPE_CHECKING:
    from collections.abc import Sequence

# `===` compares texts, so that 1.0 would pass where 1.0.0 is named.
_CLAUSE = r" *(?:~=|==|!=|<=|>=|<|>) *[A-Za-z0-9._*!+-]{1,100} *"
_PATTERN: Final = re.compile(rf"(?P<glob>{name_globs.GLOB}?)(?P<versions>{_CLAUSE}(?:,{_CLAUSE}){{0,9}})?", re.ASCII)


def is_pattern(text: str) -> bool:
    """Whether `text` is a name or glob, and a specifier (PEP 440) behind it if there is more; at most ten clauses."""
    try:
        _parts(text)
    except ValueError:
        return False
    return True


class VersionTest:
    """Which of some patterns match the versions of one project.

    `name` is in its normal form (PEP 503). A pre-release matches as its number says. `unreadable` is what is said of a version
    that is none (PEP 440) where a specifier asks for it. No version is parsed where none asks.
    """

    def __init__(self, patterns: Sequence[str], name: str, *, unreadable: bool) -> None:
        self._unreadable = unreadable
        self._whole: str | None = None
        self._some: list[tuple[str, SpecifierSet]] = []
        self._known: dict[str, str | None] = {}
        for text in patterns:
            glob, versions = _parts(text)
            if name_globs.matches((glob,), name):
                if versions is None:
                    self._whole = text
                    break
                self._some.append((text, versions))

    @property
    def whole(self) -> bool:
        """Whether a pattern matches all versions."""
        return self._whole is not None

    @property
    def any(self) -> bool:
        """Whether a pattern may match a version."""
        return self.whole or bool(self._some)

    def pattern(self, version: str) -> str | None:
        """The pattern that matches a version, one for all versions before the others; None: no pattern matches it."""
        if self._whole is not None or not self._some:
            return self._whole
        try:
            return self._known[version]
        except KeyError:
            found = self._known[version] = self._look(version)
            return found

    def _look(self, text: str) -> str | None:
        version = version_of(text)
        if version is None:
            return self._some[0][0] if self._unreadable else None
        return next((pattern for pattern, versions in self._some if versions.contains(version, prereleases=True)), None)


@functools.lru_cache(maxsize=4096)
def _parts(text: str) -> tuple[str, SpecifierSet | None]:
    """The glob and the specifier. Raises ValueError."""
    found = _PATTERN.fullmatch(text)
    if found is None:
        raise ValueError(text)
    versions = found["versions"]
    try:
        return found["glob"], None if versions is None else SpecifierSet(versions)
    except InvalidSpecifier as error:
        raise ValueError(text) from error
