"""What an answer says about GitHub's limits: its headers, and the words of a refusal. Pure.

"Rate limits for the REST API": each answer tells the primary limit; a refusal by a secondary limit may say how long to wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from wharf.github.quota import FIRST_WAIT, Wait

if TYPE_CHECKING:
    from collections.abc import Mapping

_NEVER = 2.0**33  # seconds since 1970 (the year 2242) that no clock tells


@dataclass(frozen=True, slots=True)
class Rate:
    """The primary limit as an answer told it: requests an hour, those left, and seconds from the answer to the next hour."""

    resource: str
    limit: int
    remaining: int
    reset_in: float


def rate(headers: Mapping[str, str], now: float) -> Rate | None:
    """What an answer's headers (in lower case) say of the primary limit. `now` (seconds since 1970) is for want of a date."""
    try:
        reset = float(int(headers["x-ratelimit-reset"])) - moment_at_github(headers, now)
        limit, remaining = int(headers["x-ratelimit-limit"]), int(headers["x-ratelimit-remaining"])
    except (KeyError, ValueError, OverflowError):
        return None
    return Rate(headers.get("x-ratelimit-resource", "core"), limit, remaining, min(max(reset, 0.0), 3600.0))


def wait_after(status: int, headers: Mapping[str, str], message: str, *, tries: int, now: float) -> Wait | None:
    """How long a refused request has to wait, if a limit refused it; None if it was something else.

    Headers are in lower case, `tries` counts the waits before this one.
    """
    if status not in {403, 429}:
        return None
    least = 2.0 ** min(tries, 20)  # whoever says "now" again and again must not be asked without end
    after = _retry_after(headers, now)
    if after is not None:
        # None is believed to last for more than a day.
        return Wait(min(max(after, least - 1), 86400.0), "GitHub asks for a pause (a secondary limit)")
    primary = rate(headers, now)
    # If something is left, it is not enough: an upload counts twice.
    short = "rate limit exceeded" in message.lower() and "secondary" not in message.lower()
    if primary is not None and (primary.remaining == 0 or short):
        return Wait(max(primary.reset_in + 1, least), f"the {primary.limit} requests of this hour are used up")
    if status == 429 or "secondary rate limit" in message.lower() or "abuse" in message.lower():
        return Wait(FIRST_WAIT * least, "GitHub asks for a pause (a secondary limit) and does not say how long")
    return None


def graphql_wait(said: str, headers: Mapping[str, str], left: Rate | None, *, tries: int, now: float) -> Wait:
    """How long a GraphQL query has to wait that a limit refused in these words. `left` is the primary limit as last told."""
    asked = "secondary" in said.lower() and wait_after(403, headers, said, tries=tries, now=now)
    return asked or Wait(left.reset_in + 1 if left else FIRST_WAIT, "the GraphQL points of this hour are used up")


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds, which GitHub says, or what is left until a date, which a proxy may say (RFC 9110, section 10.2.3)."""
    said = headers.get("retry-after", "")
    if said.isdecimal():
        return float(said)
    left = moment_at_github({"date": said}, -1.0) - moment_at_github(headers, now)
    return left if left > 0 else None


def moment_at_github(headers: Mapping[str, str], now: float) -> float:
    """GitHub's own time where it tells it: the clock here may be wrong."""
    try:
        moment = parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return now
    return moment if 0 <= moment < _NEVER else now
