"""A project of an upstream as it was at a moment: the files that were there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from wharf.model import Status
from wharf.sources.upstream_project import LeftOut, UpstreamFile, UpstreamProject

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def project(*times: datetime | None) -> UpstreamProject:
    files = [
        UpstreamFile(filename=f"demo-{number}.tar.gz", version=f"{number}", url="https://a/x", sha256="0" * 64, since=since)
        for number, since in enumerate(times)
    ]
    return UpstreamProject(
        name="demo", files=tuple(files), status=Status(marker="archived"), left_out=(LeftOut("demo-x.whl", "no sha256"),)
    )


@pytest.mark.parametrize(
    ("since", "there"),
    [
        (NOON - SECOND, True),
        (NOON, True),
        (NOON + timedelta(microseconds=1), False),
        (NOON + timedelta(days=400), False),
        (NOON.astimezone(timezone(timedelta(hours=9))), True),
        ((NOON + SECOND).astimezone(timezone(-timedelta(hours=9))), False),
        (None, False),
    ],
)
def test_a_file_is_there_from_the_moment_from_which_its_age_counts(since: datetime | None, there: bool) -> None:
    assert bool(project(since).at(NOON).files) == there


def test_what_the_upstream_says_of_no_time_is_of_today_and_what_it_left_out_is_not_told() -> None:
    cut = project(NOON, NOON + SECOND, NOON - SECOND).at(NOON)
    assert [each.version for each in cut.files] == ["0", "2"], "in the order of the page"
    assert (cut.name, cut.status, cut.left_out) == ("demo", Status(marker="archived"), ())


def test_what_was_seen_first_later_than_it_says_is_cut_by_the_first_sight() -> None:
    file = UpstreamFile(
        filename="demo-1.tar.gz",
        version="1",
        url="https://a/x",
        sha256="0" * 64,
        upload_time=NOON - SECOND,
        since=NOON + SECOND,
    )
    assert UpstreamProject(name="demo", files=(file,)).at(NOON).files == ()
