"""From when the age of a file counts if what the upstream says of it changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from wharf.sources.first_sight import dated, seen
from wharf.sources.upstream_project import UpstreamFile

EARLIER, FIRST, LATER = (datetime(year, 1, 1, tzinfo=UTC) for year in (2020, 2025, 2026))
FILE = UpstreamFile(filename="demo-1.0.tar.gz", version="1.0", url="https://a/x", sha256="0" * 64, upload_time=EARLIER)


def test_a_file_of_which_the_upstream_tells_the_time_no_more_counts_from_that_moment() -> None:
    before = seen([FILE], None, FIRST)
    assert [each.since for each in dated([FILE], before)] == [EARLIER]
    silent = replace(FILE, upload_time=None, since=None)
    after = seen([silent], before, LATER)
    assert [each.since for each in dated([silent], after)] == [LATER]
    assert [each.since for each in dated([FILE], seen([FILE], after, LATER))] == [LATER]
