"""The pages of a build: read, made and staged, by as many processes as the machine has cores where there are many of them."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wharf import site
from wharf.errors import StorageError
from wharf.objects import Git, Objects
from wharf.site_folder import has_metadata, stage, stage_metadata
from wharf.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from wharf.errors import RecordError
    from wharf.model import File, Project
    from wharf.site import Direct, LeftOut

CHUNK: Final = 250
"""Projects that are read at once."""
ALONE: Final = 500
"""Projects up to which another process is not worth its start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What every process has to know. `direct` is None for a site that has the files."""

    git_dir: Path
    commit: str
    staging: Path
    direct: Direct | None


@dataclass(slots=True)
class Made:
    """What came of some projects: what their pages do not show, and the files that the site is to have, with their projects."""

    left_out: dict[str, list[LeftOut]] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)

    def add(self, other: Made) -> None:
        """Take what came of other projects."""
        self.left_out.update(other.left_out)
        self.files.extend(other.files)


def make(job: Job, names: Sequence[str], advance: Callable[[int], None]) -> Made:
    """Stage the pages of those projects. Raises OSError where they cannot be written, StorageError for damage."""
    chunks = [names[at : at + CHUNK] for at in range(0, len(names), CHUNK)]
    made = Made()
    results = _alone(job, chunks) if len(names) <= ALONE or _cores() == 1 else _together(job, chunks)
    for chunk, result in results:
        made.add(result)
        advance(len(chunk))
    return made


def _alone(job: Job, chunks: Sequence[Sequence[str]]) -> Iterator[tuple[Sequence[str], Made]]:
    for chunk in chunks:
        yield chunk, _make_chunk(job, chunk)


def _together(job: Job, chunks: Sequence[Sequence[str]]) -> Iterator[tuple[Sequence[str], Made]]:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool

    # Started anew, not forked: what other threads hold at that moment would be held for ever.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(_cores(), len(chunks)), mp_context=context) as pool:
        waiting = {pool.submit(_make_chunk, job, chunk): chunk for chunk in chunks}
        try:
            for each in as_completed(waiting):
                yield waiting[each], each.result()
        except BrokenProcessPool as error:
            raise StorageError(
                "A process that makes pages was killed.", "Was there too little memory? Run the same command again."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _make_chunk(job: Job, names: Sequence[str]) -> Made:
    logging.getLogger("wharf").setLevel(logging.ERROR)  # what is left out is told at the end, with all the rest
    made = Made()
    objects = Objects(Git(job.git_dir))
    try:
        snapshot = Snapshot(objects, job.commit)
        for project, broken in snapshot.projects(names):
            left_out = [_named(each) for each in broken]
            if job.direct is not None:
                shown, unreachable = job.direct.reachable(project)
                left_out += unreachable
            else:
                shown = project
                made.files += _keep(job, snapshot, project)
            if left_out:
                made.left_out[project.name] = left_out
            stage(job.staging, f"simple/{project.name}", site.project_pages(shown, job.direct))
    finally:
        objects.close()
    return made


def _named(error: RecordError) -> LeftOut:
    return error.path, error.message.removeprefix(f"{error.path}: ")


def _keep(job: Job, snapshot: Snapshot, project: Project) -> Iterator[File]:
    """The files of a project that the site is to have; their core metadata is staged."""
    if project.status.marker == "quarantined":
        return
    for release in project.releases:
        for file in release.files:
            yield file
            if file.core_metadata and not has_metadata(job.staging.parent, site.file_path(file), file.core_metadata):
                data = snapshot.metadata(project.name, release.version, file.filename)
                if data is not None:
                    stage_metadata(job.staging, site.file_path(file), data)
