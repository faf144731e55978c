"""Progress on stderr for a person who watches: what draws it is imported only when there is something to show."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from wharf.assets.asset_store import Progress
    from wharf.cli.progress_bars import Count
    from wharf.cli.state import State


@contextmanager
def progress(state: State, what: str) -> Iterator[Count]:
    """A bar over bytes on stderr, with an estimate."""
    if not state.shows:
        yield _nothing(), _nothing()
        return
    from wharf.cli import progress_bars

    with progress_bars.one(state, what) as count:
        yield count


@contextmanager
def counting(state: State, *what: str) -> Iterator[list[Count]]:
    """A bar over a number of things for each of some words, on stderr, with an estimate."""
    if not state.shows:
        yield [(_nothing(), _nothing()) for _ in what]
        return
    from wharf.cli import progress_bars

    with progress_bars.several(state, *what) as counts:
        yield counts


@contextmanager
def transfer(state: State, sizes: Mapping[str, int], *, checks: bool = True) -> Iterator[Progress]:
    """Bars for a publish on stderr: one for the checks, one for each file while it is sent, one for all that is sent."""
    from wharf.assets.asset_store import Progress

    if not state.shows:
        yield Progress()
        return
    from wharf.cli import progress_bars

    with progress_bars.transfer(state, sizes, checks=checks) as shown:
        yield shown


def _nothing() -> Callable[[int], None]:
    return lambda _value: None
