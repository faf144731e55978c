"""Globs over names of projects, as `wharf.toml` and tokens have them. Pure."""

from __future__ import annotations

import functools
import re
from fnmatch import translate
from typing import Final

GLOB: Final = r"[A-Za-z0-9._*?\[\]!-]{1,200}"
"""What a glob is written with."""

_GLOB = re.compile(GLOB, re.ASCII)
_SIGNS = re.compile(r"[?\[\]!]")  # beside the star


def is_glob(text: str) -> bool:
    """Whether `text` can stand for names of projects."""
    return bool(_GLOB.fullmatch(text))


def matches(globs: tuple[str, ...], name: str) -> bool:
    """Whether a project's name (PEP 503 form) matches one of the globs, in whatever spelling they are."""
    return bool(globs) and bool(matcher(globs).fullmatch(name))


def is_within(glob: str, globs: tuple[str, ...]) -> bool:
    """Whether every name that `glob` stands for matches one of the globs, as far as that is sure.

    It is sure for a glob that is one of them, and where both have no other sign than `*`: then what stands for anything has to
    be met by a sign that stands for anything.
    """
    if _normal(glob) in map(_normal, globs):
        return True
    plain = tuple(each for each in globs if not _SIGNS.search(each))
    sure = plain if "*" in glob else globs
    return not _SIGNS.search(glob) and bool(sure) and bool(matcher(sure).fullmatch(_normal(glob)))


def _normal(glob: str) -> str:
    return re.sub(r"[-_.]+", "-", glob).lower()


@functools.lru_cache(maxsize=256)
def matcher(globs: tuple[str, ...]) -> re.Pattern[str]:
    """One pattern for all globs, in the normal form of names (PEP 503), so that `Acme_*` means what `acme-*` means.

    `lastindex` of a match is the place of the first glob that matches, from 1 on.
    """
    return re.compile("|".join(f"({translate(_normal(glob))})" for glob in globs))
