"""Bars on stderr, for a person who watches a long command. Imported only when there are some to show."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from wharf.assets import asset_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.progress import Task, TaskID

    from wharf.cli.state import State


Count: TypeAlias = "tuple[Callable[[int], None], Callable[[int], None]]"
"""Two functions: one that sets the total and one that advances."""

_FIGURES = 55  # columns for what stands beside a name: a bar, bytes, speed and time
_SHORTEST = 15  # columns of a name, however narrow it gets


class Left(ProgressColumn):
    """How long it will still take."""

    max_refresh = 0.5

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state

    def render(self, task: Task) -> Text:
        """Hours, minutes and seconds; dashes where nothing is known."""
        seconds = left(task.completed, task.total, task.elapsed or 0.0, self._state.waits_until - time.time())
        if seconds is None:
            return Text("-:--:--", style="progress.remaining")
        minutes, second = divmod(round(seconds), 60)
        return Text(f"{minutes // 60}:{minutes % 60:02}:{second:02}", style="progress.remaining")


def left(done: float, total: float | None, elapsed: float, wait: float) -> float | None:
    """Seconds left at the average speed until now, at least until the current wait ends. None: nobody can know.

    Waits are in the average: under GitHub's limits the speed of the last seconds tells nothing of the next minutes.
    """
    if total is not None and done >= total:
        return 0.0
    if total is None or done <= 0:
        return wait if wait > 0 else None
    return max(elapsed * (total - done) / done, wait)


def shortened(name: str, width: int) -> str:
    """A file's name in so many columns: its beginning and its end, which differ between the files of a release."""
    width = max(width, _SHORTEST)
    return name if len(name) <= width else f"{name[: width // 3]}…{name[len(name) - (width - width // 3 - 1) :]}"


@contextmanager
def one(state: State, what: str) -> Iterator[Count]:
    """A bar over bytes: two functions, one that sets the total and one that advances."""
    with _shown(state, TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn(), Left(state)) as bars:
        yield _count(bars, bars.add_task(what, total=None, start=False))


@contextmanager
def several(state: State, *what: str) -> Iterator[list[Count]]:
    """A bar over a number of things for each of some words, there as soon as there is a number."""
    with _shown(state, TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Left(state)) as bars:
        yield [_count(bars, bars.add_task(each, total=None, start=False, visible=False)) for each in what]


def _count(bars: Progress, task: TaskID) -> Count:
    """Its time begins when the total is known: what goes before, such as a fetch, tells nothing of the rest."""

    def total(value: int) -> None:
        bars.start_task(task)
        bars.update(task, total=value, visible=value > 0)

    return total, lambda count: bars.advance(task, count)


@contextmanager
def transfer(state: State, sizes: Mapping[str, int], *, checks: bool = True) -> Iterator[asset_store.Progress]:
    """Bars for a publish of files of these sizes: one for the checks, one for each file while it is sent, one for all."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), Left(state))
    with _shown(state, *columns) as bars:
        total = sum(sizes.values())
        checked = bars.add_task("checking", total=total, visible=checks)
        everything = bars.add_task("sending all", total=total, start=False, visible=False)
        sending: dict[str, TaskID] = {}

        def sent(name: str, count: int) -> None:
            """Called by several threads, for one file by one of them."""
            if name not in sending:
                short = shortened(name, bars.console.width - _FIGURES)
                sending[name] = bars.add_task(short, total=sizes.get(name))
            bars.start_task(everything)
            bars.update(everything, advance=count, visible=True)
            bars.advance(sending[name], count)
            bars.update(sending[name], visible=not bars.tasks[bars.task_ids.index(sending[name])].finished)

        yield asset_store.Progress(read=lambda _name, count: bars.advance(checked, count), sent=sent)


@contextmanager
def _shown(state: State, *columns: ProgressColumn) -> Iterator[Progress]:
    """Bars that go when all is done. What the command says meanwhile comes above them."""
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True) as bars:
        state.above = lambda text: console.print(Text.from_ansi(text), soft_wrap=True)
        try:
            yield bars
        finally:
            state.above = None
