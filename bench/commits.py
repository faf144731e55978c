"""One upload, as one commit with the refresh that shows it, into indexes of several sizes, on the store in a folder."""

from __future__ import annotations

import itertools
import shutil
import statistics
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import seed
from figures import Row, Target, alone, compared, interleaved
from wheels import make_wheel

from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings
from wharf.server.answer_cache import AnswerCache
from wharf.server.refresh.shown_indexes import ShownIndexes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from plan import Plan

    from wharf.model import File
    from wharf.repository.opening import Repository
    from wharf.server.http.answer import FileAnswer

_ROUNDS = 9
_UPLOADS = 10  # a round
_SIDES = {"1,000 versions": (1, 1000), "20,000 projects": (20_000, 1), "100,000 files": (10_000, 10)}
_PROJECT = seed.project(0)


def run(plan: Plan) -> list[Row]:
    """Milliseconds for one, in the bench's own process, over the same into an index of one project with one version."""
    with ExitStack() as stack:
        sides = {}
        for what, (projects, versions) in ({"one file": (1, 1)} | _SIDES).items():
            store = plan.folder / f"commits-{projects}x{versions}"
            shutil.copytree(seed.store(plan.stores, projects, versions), store)
            sides[what] = _Uploads(stack.enter_context(open_repository(Settings(place=store))), plan.folder / f"wheels-{what}")
        samples = interleaved(plan.rounds(_ROUNDS), {what: each.measure for what, each in sides.items()})
    rows = []
    for what in _SIDES:
        text = f"one upload and its refresh into {what}"
        rows += compared("commits", text, "ms", {"wharf": samples[what], "one file": samples["one file"]}, _AT_MOST)
        rows.append(alone("commits", f"of it in the event loop's thread, {what}", "ms", sides[what].shown, Target(bound=2)))
    return rows


_AT_MOST = Target(bound=1.5, ratio=True)


class _Uploads:
    """Uploads of new versions of one project."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        folder.mkdir()
        self._repository = repository
        self._folder = folder
        self._versions: Iterator[int] = itertools.count(5000)
        self._cache = AnswerCache(_no_file, private=True)
        self._indexes = ShownIndexes(repository.branch, self._cache, may_be_empty=False, every=lambda: True)
        self._indexes.show(self._indexes.read())
        self.shown: list[float] = []
        self.measure()  # what is read once is read

    def measure(self) -> float:
        """The median of some, in milliseconds; `shown` gets the part of each that keeps requests waiting."""
        wheels = [make_wheel(self._folder, _PROJECT, f"1.{next(self._versions)}") for _ in range(_UPLOADS)]
        return statistics.median(_milliseconds(partial(self._one, wheel)) for wheel in wheels)

    def _one(self, wheel: Path) -> None:
        publish(self._repository, [Input.of(wheel)], actor="bench")
        read = self._indexes.read()
        self.shown.append(_milliseconds(lambda: self._indexes.show(read)))


def _no_file(file: File, control: str) -> FileAnswer:
    raise RuntimeError(f"{file} is asked for with {control}, and no page is made here")


def _milliseconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000
