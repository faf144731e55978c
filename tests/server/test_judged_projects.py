"""Answers of upstream projects in memory: how many of them there are at most."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from wharf.index.policy import Policy
from wharf.pages.page_format import Format
from wharf.server.upstream.judged_projects import JudgedProjects
from wharf.sources.upstream_index import SeenProject
from wharf.sources.upstream_project import UpstreamFile, UpstreamProject

LARGE = 100_000
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)


def seen(name: str, files: int = 1) -> SeenProject:
    made = tuple(
        UpstreamFile(
            filename=f"{name}-{number}-py3-none-any.whl",
            version=f"{number}",
            url="https://x.example/",
            sha256="0" * 64,
            since=BEGIN + timedelta(days=number),
        )
        for number in range(files)
    )
    return SeenProject(UpstreamProject(name=name, files=made), name, 0.0)


def judging(budget: int, forgotten: list[int]) -> JudgedProjects:
    return JudgedProjects(
        "public", now=lambda: datetime(2026, 1, 1, tzinfo=UTC), forget=lambda: forgotten.append(1), budget=budget
    )


async def read(_file: UpstreamFile) -> bytes:
    return bytes(LARGE)


def test_what_leaves_memory_is_forgotten_by_others_too() -> None:
    async def main() -> None:
        forgotten: list[int] = []
        projects = judging(20_000, forgotten)
        for name in ("a", "b", "c"):
            project = await projects.judged(seen(name), None)
            await projects.page(project, (Format.JSON, False))
        assert not forgotten
        for number in range(4):
            project = await projects.judged(seen(f"more{number}"), None)
            await projects.page(project, (Format.JSON, False))
        assert forgotten

    asyncio.run(main())


def test_the_core_metadata_of_one_project_do_not_fill_memory() -> None:
    async def main() -> None:
        projects = judging(4 * LARGE, [])
        project = await projects.judged(seen("one", 20), None)
        page = await projects.page(project, (Format.JSON, False))
        for file in project.seen.project.files:
            assert len((await projects.metadata(project, file, read, zipped=False)).body) == LARGE
            assert project.weight() <= 6 * LARGE
        assert await projects.page(project, (Format.JSON, False)) is page

    asyncio.run(main())


def test_a_project_at_a_moment_is_judged_by_the_clock_of_that_moment() -> None:
    async def main() -> None:
        projects = judging(1 << 20, [])
        policy = Policy(cooldown=timedelta(days=2))
        project = await projects.judged(seen("one", 9), policy, BEGIN + timedelta(days=5))
        assert [*project.shown] == [f"one-{number}-py3-none-any.whl" for number in range(4)]
        assert [each.until for each in project.hidden.values()] == [BEGIN + timedelta(days=6), BEGIN + timedelta(days=7)]
        assert project.until == BEGIN + timedelta(days=6), "moments from then on show something else"
        assert project.file("0" * 64, "one-6-py3-none-any.whl") is None, "it is neither shown nor hidden"
        now = await projects.judged(seen("one", 9), policy)
        assert len(now.shown) == 9

    asyncio.run(main())


def test_pages_of_several_moments_have_validators_of_their_own_and_the_same_one_each_time() -> None:
    async def main() -> None:
        projects = judging(1 << 20, [])
        moments = [None, *(BEGIN + timedelta(days=days) for days in (-1, 3, 4, 7.5))]
        found = []
        for moment in (*moments, *moments):
            project = await projects.judged(seen("one", 9), None, moment)
            page = await projects.page(project, (Format.JSON, False))
            found.append({name: value for name, value in page.headers if name == b"etag"}[b"etag"])
        assert found[:5] == found[5:]
        assert len({*found}) == 5

    asyncio.run(main())


@pytest.mark.slow
def test_many_moments_of_many_projects_take_no_more_memory_than_the_budget() -> None:
    async def main() -> None:
        projects = judging(200_000, [])
        for number in range(1000):
            large = seen(f"large{number % 10}", 1000)
            project = await projects.judged(large, None, BEGIN + timedelta(seconds=number))
            assert len(project.shown) == 1
            assert len(project.seen.project.files) == 1, "later files are not kept by it"
        assert 0 < projects.kept <= 200_000 // 2000

    asyncio.run(main())


def test_projects_without_files_take_no_more_memory_than_the_budget_either() -> None:
    async def main() -> None:
        projects = judging(200_000, [])
        for number in range(1000):
            await projects.judged(seen(f"empty{number}", 0), None)
        assert 0 < projects.kept <= 200_000 // 2000

    asyncio.run(main())


def test_moments_between_which_nothing_changed_share_what_is_made() -> None:
    async def main() -> None:
        projects = judging(1 << 20, [])
        policy = Policy(cooldown=timedelta(hours=36))
        for days, shown in ((5.9, 5), (5.6, 5), (5.5, 5), (5.4, 4), (5.0, 4), (6.2, 5), (6.6, 6), (900, 9), (1000, 9)):
            project = await projects.judged(seen("one", 9), policy, BEGIN + timedelta(days=days))
            assert len(project.shown) == shown, days
        assert projects.kept == 8
        for days, shown in ((5.95, 5), (5.45, 4), (6.3, 5), (6.7, 6), (901, 9), (5.1, 4), (5.7, 5)):
            project = await projects.judged(seen("one", 9), policy, BEGIN + timedelta(days=days))
            assert len(project.shown) == shown, days
        assert projects.kept == 8, "each of these has been made"

    asyncio.run(main())


@pytest.mark.slow
def test_thousands_of_moments_leave_nothing_behind_that_is_not_counted() -> None:
    async def main() -> None:
        projects = judging(100_000, [])
        for number in range(2000):
            await projects.judged(seen(f"p{number % 50}", 9), None, BEGIN + timedelta(hours=number))
        assert sum(map(len, projects._cuts.values())) == projects.kept
        assert all(projects._cuts.values())

    asyncio.run(main())
