"""Requirements, specifiers and extras that the standards do not know, but that a current installer takes.

pip refuses a wheel with such a requirement and ignores such a Requires-Python; uv repairs both where it can. What is said
here of the two is tried with both (tests/cases/distributions).
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

_LONGEST = 1000  # characters that are repaired: the patterns' time grows with their square
_ENDLESS = re.compile(r"\d{1000}")  # Python makes no number of more than 4,300 digits, and pip fails on the whole page
_EXTRA = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_LIKE_SPECIFIER = re.compile(r"""['"(,\s]*(?:[<>=!~^]+\s*['"]?(?:\d|v\d|dev)|\d)""", re.ASCII)
_RELEASE = r"\d{1,9}(?:\.\d{1,9}){0,9}"
_SPECIFIER = rf"(?:(?:[<>=!]=|[<>]) ?{_RELEASE}|[=!]= ?{_RELEASE}\.\*|~= ?{_RELEASE}\.\d{{1,9}})"
_MARKER = r"(?:extra|python_version|sys_platform|platform_system|os_name) ?(?:[=!]=|[<>]=?) ?(?:\"[\w.]+\"|'[\w.]+')"
_PLAIN = re.compile(rf"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*(?: ?{_SPECIFIER}(?:, ?{_SPECIFIER})*)?(?: ?; ?{_MARKER})?", re.ASCII)
"""What nearly all requirements are, and each parser reads: to see that takes a twentieth of the time."""
_BAD = (InvalidRequirement, InvalidSpecifier, ValueError, RecursionError)
"""What packaging raises on what it cannot parse; its parser of markers recurses."""

_Repairs = tuple[tuple[re.Pattern[str], str], ...]

_BY_UV: _Repairs = (
    (re.compile(r"(?<=\d)(?=[<>=~^!])"), ","),  # >=2<3
    (re.compile(r"!=~(\d(?:\.\d)*)(?!\d)"), r"!=\1.*"),  # !=~5.0
    (re.compile(r"((?<![=!~])[<>]=?\s*\d+(?:\.\d+)*)\.\*"), r"\1"),  # >=5.1.*, but not ==5.1.*
    (re.compile(r"(?<=\d\.\d)\*"), ".*"),  # !=3.0*
    (re.compile(r">dev"), ">0.dev0"),
    (re.compile(r"(\d(?:a|b|rc|post|dev)\d+)\.0"), r"\1"),  # >=9.0a1.0
    (re.compile(r"['\"]"), ""),
)
"""What uv repairs, in its order."""

_ONE_MEANING: _Repairs = (
    (re.compile(r"['\"]"), ""),
    (re.compile(r"(?<=[\d*])\s*(?=[<>=~!])"), ","),  # >=2.7 !=3.0.*
    (re.compile(r"^\s*,|,\s*(?=,)"), ""),  # >=3.6,,<4
    (re.compile(r"((?:>=|<)\s*\d+(?:\.\d+)*)\.\*"), r"\1"),  # >=3.6.*; but >3.6.* can mean >3.6 and >=3.7
    (re.compile(r"(?<=\d\.\d)\*"), ".*"),  # !=3.0*
)
"""What can be repaired in a Requires-Python without a guess."""


@dataclass(frozen=True, slots=True)
class OddRequirement:
    """A text that is not a specifier: as uv reads it, and what everybody means by it; None if nobody can tell."""

    by_uv: str | None
    meaning: str | None


def is_extra(text: str) -> bool:
    """Whether `text` can be the name of an extra (PEP 508)."""
    return bool(_EXTRA.fullmatch(text))


def requirement(text: str) -> str | None:
    """The requirement `text` as it is, or as uv repairs it; None where nobody can read it."""
    if (len(text) <= _LONGEST and _PLAIN.fullmatch(text)) or _reads(Requirement, text):
        return text
    head, semicolon, marker = text.partition(";")
    return next(
        (each + semicolon + marker for each in _repaired(head, _BY_UV) if _reads(Requirement, each + semicolon + marker)), None
    )


@functools.lru_cache(maxsize=1024)
def is_specifier(text: str) -> bool:
    """Whether `text` is a specifier (PEP 440) that versions can be compared with."""
    return not _ENDLESS.search(text) and _reads(SpecifierSet, text)


def is_plain(text: str) -> bool:
    """Whether `text` is a specifier for everybody: packaging and pip forgive a comma too many anywhere, uv only at the end."""
    return all(part.strip() for part in text.split(",")[:-1]) and is_specifier(text)


def odd_specifier(text: str) -> OddRequirement | None:
    """How a Requires-Python that is not a specifier is read; None if it does not look like one."""
    if not _LIKE_SPECIFIER.match(text):
        return None
    by_uv, meaning = (next(filter(is_plain, _repaired(text, repairs)), None) for repairs in (_BY_UV, _ONE_MEANING))
    return OddRequirement(by_uv, meaning)


def _repaired(text: str, repairs: _Repairs) -> list[str]:
    """The text as it is, and after one repair, two, and so on."""
    found = [text]
    for pattern, better in repairs if len(text) <= _LONGEST else ():
        text = pattern.sub(better, text)
        found.append(text)
    return found


def _reads(kind: type[Requirement | SpecifierSet], text: str) -> bool:
    try:
        kind(text)
    except _BAD:
        return False
    return True
