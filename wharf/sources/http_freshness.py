"""How long an answer may be used without asking again (RFC 9111, 4.2), within bounds. Pure.

No library fits: hishel and CacheControl take half a second and more to import, and rightly keep nothing under
`no-store`. A page is kept here whatever its headers say, for the time when the upstream is away.
"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORTEST: Final = 30.0
"""Seconds. One run of an installer asks for a page several times, and has to see the same each time."""
LONGEST: Final = 24 * 3600.0
"""Seconds. A day after a yank or a quarantine everybody sees it."""
USUAL: Final = 600.0
"""Seconds for an answer that says nothing: what the public index says of its pages."""

_DIRECTIVE = re.compile(r'\s*([A-Za-z-]{1,40})\s*(?:=\s*"?([^",]{0,40})"?)?\s*(?:,|$)')


def lifetime(headers: Mapping[str, str]) -> float:
    """Seconds that an answer with these headers (names in lower case) is fresh, from the moment that it came."""
    said = {name.lower(): value.strip() for name, value in _DIRECTIVE.findall(headers.get("cache-control", "")[:1000])}
    if said.keys() & {"no-store", "no-cache"}:
        return SHORTEST
    total = next((found for key in ("s-maxage", "max-age") if (found := _seconds(said.get(key))) is not None), None)
    if total is None:
        total = _expires(headers)
    if total is None:
        return USUAL
    age = _seconds(headers.get("age")) or 0.0
    return min(max(total - age, SHORTEST), LONGEST)


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and re.fullmatch("[0-9]{1,15}", text.strip(), re.ASCII) else None


def _expires(headers: Mapping[str, str]) -> float | None:
    """What Expires says against Date; a date that cannot be read is in the past (RFC 9111, 5.3)."""
    if "expires" not in headers:
        return None
    try:
        end, begin = (parsedate_to_datetime(headers.get(name, "")[:100]) for name in ("expires", "date"))
        return (end - begin).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return 0.0
