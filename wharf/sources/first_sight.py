"""From which moment the age of an upstream's file counts. Pure.

It is the upload time that the upstream tells. An upstream can lie about it. So a file that comes to a page that was seen before
counts from the later of that time and the first sight of it, and a file without a time counts from its first sight. What is
known of first sights only makes files younger; where it is lost, the upload time counts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from wharf.sources.upstream_project import UpstreamFile

MOST_GONE: Final = 100_000
"""Files of a page that are remembered after they went from it, so that they are not new when they come back."""

Sights = dict[str, "datetime | None"]
"""The first sight of each file of a page, by `key`; None: the file was there when the page was seen first, with a time."""


def key(file: UpstreamFile) -> str:
    """What a file is remembered by: other bytes under its filename are another file."""
    return f"{file.filename} {file.sha256}"


def seen(files: Sequence[UpstreamFile], before: Mapping[str, datetime | None] | None, now: datetime) -> Sights:
    """The sights after the page was seen with these files. `before` are those of the last time; None: it was never seen."""
    known = before or {}
    found: Sights = {}
    for file in files:
        this = key(file)
        there = before is None and file.upload_time is not None
        found[this] = known.get(this, None if there else now)
        if found[this] is None and file.upload_time is None:
            found[this] = now  # the upstream does not tell the time any more
    gone = [each for each in known if each not in found]
    return found | {each: known[each] for each in gone[:MOST_GONE]}


def dated(files: Sequence[UpstreamFile], sights: Mapping[str, datetime | None]) -> tuple[UpstreamFile, ...]:
    """The files, each with `since`."""
    return tuple(
        each if (since := _since(each, sights.get(key(each)))) == each.since else replace(each, since=since) for each in files
    )


def _since(file: UpstreamFile, sight: datetime | None) -> datetime | None:
    """The later of both, as far as they are known."""
    times = [each for each in (file.upload_time, sight) if each is not None]
    return max(times, default=None)
