"""Answers of upstream projects in memory: how many of them there are at most."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from wharf.pages.page_format import Format
from wharf.server.upstream.judged_projects import JudgedProjects
from wharf.sources.upstream_index import SeenProject
from wharf.sources.upstream_project import UpstreamFile, UpstreamProject

LARGE = 100_000


def seen(name: str, files: int = 1) -> SeenProject:
    made = tuple(
        UpstreamFile(
            filename=f"{name}-{number}-py3-none-any.whl", version=f"{number}", url="https://x.example/", sha256="0" * 64
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
        projects = judging(15_000, forgotten)
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
