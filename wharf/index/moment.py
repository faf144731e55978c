"""A moment in the history of an index, as people write it: a date, a time, or a commit. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from wharf.distribution.file_names import plain
from wharf.errors import UsageError

SHORTEST_ID: Final = 7
"""Hex digits of a commit's id that are looked for, at least."""
WAYS: Final = "Write a date as in 2026-11-30 (its beginning, UTC), a time as in 2026-11-30T12:00:00Z, or the id of a commit."

_ID = re.compile(rf"[0-9a-f]{{{SHORTEST_ID},40}}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment, `text` as it was written.

    Either `time`, in seconds since 1970 (UTC), or `commit`, an id or the beginning of one.
    """

    text: str
    time: int | None = None
    commit: str | None = None

    @property
    def is_short(self) -> bool:
        """Whether it is the beginning of a commit's id."""
        return self.commit is not None and len(self.commit) < 40


def parse_moment(text: str) -> Moment:
    """The moment of that text. Raises UsageError for every other form, and for a date that no calendar has."""
    if _ID.fullmatch(text):
        return Moment(text, commit=text)
    if _DATE.fullmatch(text) or _TIME.fullmatch(text):
        try:
            found = datetime.fromisoformat(text).replace(tzinfo=UTC)
        except ValueError as error:
            raise UsageError(f"{text} is no date: {error}.", WAYS) from error
        return Moment(text, time=int(found.timestamp()))
    raise UsageError(f"{plain(repr(text[:60]))} is no moment.", WAYS)


def check_not_ahead(moment: Moment, now: float) -> None:
    """Raise UsageError for a time after `now` (seconds since 1970): what an index will be then, nobody knows."""
    if moment.time is not None and moment.time > now:
        raise UsageError(f"{moment.text} is ahead of now, {datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%SZ}.", WAYS)
