"""Spans of time, moments and sizes as `[policy]` in `wharf.toml` writes them. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

_SPAN: Final = re.compile(r"([1-9][0-9]{0,3})([hdw])", re.ASCII)
_HOURS: Final = {"h": 1, "d": 24, "w": 7 * 24}
_SIZE: Final = re.compile(r"([1-9][0-9]{0,8})([kMGT]?B|[KMGT]iB)", re.ASCII)
_POWERS: Final[dict[str, int]] = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4}
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z", re.ASCII)
_YEARS: Final = range(1980, 9001)


def span(value: object) -> timedelta | None:
    """A number of hours, days or weeks (`36h`, `7d`, `2w`), at most four digits; None for what is no such text."""
    found = _SPAN.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else timedelta(hours=int(found[1]) * _HOURS[found[2]])


def size(value: object) -> int | None:
    """A number of bytes, from a whole number with a unit (`500MB`, `1GiB`); None for what is no such text."""
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    unit = found[2].removesuffix("B")
    base: int = (1024 if unit.endswith("i") else 1000) ** _POWERS[unit.removesuffix("i")]
    return int(found[1]) * base


def day(value: object) -> datetime | None:
    """The beginning of a day in UTC, from a date of TOML or a text (`2026-12-24`); None for anything else."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, date) or isinstance(value, datetime):
        return None
    return _within(datetime.combine(value, time(tzinfo=UTC)))


def moment(value: object) -> datetime | None:
    """A moment in UTC: the beginning of a day, or a time with its zone (`2026-11-20T10:00:00Z`); None for anything else."""
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return None if value.tzinfo is None or value.year not in _YEARS else _within(value.astimezone(UTC))
    return day(value)


def span_in_words(value: timedelta) -> str:
    """As a person says it: `7 days`, `36 hours`."""
    hours = int(value.total_seconds()) // 3600
    number, unit = (hours // 24, "day") if hours % 24 == 0 else (hours, "hour")
    return f"{number} {unit}{'' if number == 1 else 's'}"


def moment_in_words(value: datetime) -> str:
    """As a person says it, in UTC: `2026-11-20`, or `2026-11-20 10:00:00 UTC` where it is no beginning of a day."""
    at = value.astimezone(UTC)
    return f"{at:%Y-%m-%d}" if at.time() == time() else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _within(value: datetime) -> datetime | None:
    return value if value.year in _YEARS else None
