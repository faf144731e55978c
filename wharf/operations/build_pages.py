"""The pages of a build: read, made and staged, by as many processes as the machine has cores where there are many of them."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import signal
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wharf.errors import StorageError
from wharf.index.git import Git
from wharf.index.git_objects import GitObjects
from wharf.index.snapshot import Snapshot
from wharf.site import file_links, layout
from wharf.site.file_links import OwnLinks
from wharf.site.output_folder import stage, stage_metadata
from wharf.sources.layers import Layer
from wharf.sources.own_policy import layers_as_shown

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from datetime import datetime
    from pathlib import Path

    from wharf.errors import RecordError
    from wharf.model import File, Project
    from wharf.site.file_links import LeftOut, Links
    from wharf.sources.layers import Layers

CHUNK: Final = 250
"""Projects that are read at once."""
ALONE: Final = 500
"""Projects up to which another process is not worth its start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What every process has to know: the index, the site's folder, where in it pages are staged, and what links lead to.

    `commits` are those of the index and of its bases, each with the name of the index, in the order of their resolution.
    `now` is the moment at which a policy judges, the same in every process.
    """

    git_dir: Path
    commits: Sequence[tuple[str, str]]
    out: Path
    pages: Path
    links: Links
    now: datetime


@dataclass(slots=True)
class Made:
    """What came of some projects: what their pages do not show, and the files that the site itself is to have."""

    left_out: dict[str, list[LeftOut]] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)

    def add(self, other: Made) -> None:
        """Take what came of other projects, or of the same once more."""
        self.left_out.update(other.left_out)
        self.files.extend(other.files)


def make(job: Job, names: Sequence[str], advance: Callable[[int], None]) -> Made:
    """Stage the pages of those projects. Raises OSError where they cannot be written, StorageError for damage."""
    chunks = [names[at : at + CHUNK] for at in range(0, len(names), CHUNK)]
    made = Made()
    results = _alone(job, chunks) if len(names) <= ALONE or _cores() == 1 else _together(job, chunks)
    with contextlib.closing(results):  # afterwards nothing is written any more, whether it worked or not
        for chunk, result in results:
            made.add(result)
            advance(len(chunk))
    return made


def _alone(job: Job, chunks: Sequence[Sequence[str]]) -> Generator[tuple[Sequence[str], Made], None, None]:
    for chunk in chunks:
        yield chunk, _make_chunk(job, chunk)


def _together(job: Job, chunks: Sequence[Sequence[str]]) -> Generator[tuple[Sequence[str], Made], None, None]:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool

    # Started as new processes, not forked: what other threads hold at that moment would be held for ever.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(_cores(), len(chunks)), mp_context=context, initializer=_begin) as pool:
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


def _begin() -> None:
    """In a process that makes pages: its parent handles an interrupt, and it ends when its parent ends."""
    import multiprocessing

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _make_chunk(job: Job, names: Sequence[str]) -> Made:
    made = Made()
    objects = GitObjects(Git(job.git_dir))
    try:
        snapshots = [(index, Snapshot(objects, commit)) for index, commit in job.commits]
        layers = [Layer(index, snapshot, snapshot.tree_ids()) for index, snapshot in snapshots]
        source = layers_as_shown(layers, lambda: job.now)
        for project, broken in source.projects(names):
            shown, left_out = file_links.reachable(project, job.links)
            left_out = [*(_named(each) for each in broken), *left_out]
            if isinstance(job.links, OwnLinks) and project.status.marker != "quarantined":
                shown = _with_metadata(job, source, shown, left_out)
                made.files += shown.files
            if left_out:
                made.left_out[project.name] = left_out
            stage(job.pages, f"simple/{project.name}", layout.project_pages(shown, job.links.link))
    finally:
        objects.close()
    return made


def _named(error: RecordError) -> LeftOut:
    return file_links.leaving_out(error.path, error.message.removeprefix(f"{error.path}: "))


def _with_metadata(job: Job, source: Layers, project: Project, left_out: list[LeftOut]) -> Project:
    """Stage the core metadata of a project's files; the project without that which is not what its record announces."""

    def checked(file: File) -> File:
        if file.core_metadata is None:
            return file
        data = source.core_metadata(project.name, file.filename)
        if data is None or hashlib.sha256(data).hexdigest() != file.core_metadata:
            left_out.append(
                file_links.leaving_out(f"{file.filename}.metadata", "it is not on the branch as its record announces it")
            )
            return dataclasses.replace(file, core_metadata=None)
        stage_metadata(job.out, layout.file_path(file), data)
        return file

    releases = [
        dataclasses.replace(release, files=tuple(checked(file) for file in release.files)) for release in project.releases
    ]
    return dataclasses.replace(project, releases=tuple(releases))
