"""The option --at of the commands that look at the past, and what they tell of the moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

from wharf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.cli.state import State
    from wharf.index.moment import Moment
    from wharf.model import Json
    from wharf.repository.opening import Repository

    F = TypeVar("F", bound=Callable[..., object])

_HELP = (
    "The index as it was at a moment: a date (2026-11-30, its beginning in UTC), a time (2026-11-30T12:00:00Z), or a commit "
    "of the index (at least 7 hex digits)."
)


def at_option(function: F) -> F:
    """Give a command --at WHEN. It gets a moment, or None."""
    return click.option("--at", "moment", metavar="WHEN", callback=_parsed, help=_HELP)(function)


def check_without(moment: Moment | None, option: str, *, given: bool) -> None:
    """Raise UsageError where --at is given beside an option that changes what is stored now."""
    if moment is not None and given:
        raise UsageError(f"{option} is about what is stored now, and --at about the past.", "Leave one of them out.")


def at_document(repository: Repository, moment: Moment | None) -> dict[str, Json]:
    """The key `at` of a JSON result: the moment as it was written, its time, and the commit. Empty without a moment."""
    from wharf.index.past_branch import PastBranch

    branch = repository.branch
    if moment is None or not isinstance(branch, PastBranch):
        return {}
    return {"at": {"moment": moment.text, "time": f"{branch.clock:%Y-%m-%dT%H:%M:%SZ}", "commit": branch.tip()}}


def say_moment(state: State, repository: Repository) -> None:
    """Tell a person which commit is looked at, if it is one of the past."""
    from wharf.index.past_branch import PastBranch

    branch = repository.branch
    if isinstance(branch, PastBranch) and not state.json:
        state.say(f"The index {branch.index!r} as it was at {branch.clock:%Y-%m-%d %H:%M:%S} UTC: commit {branch.tip()}.")


def _parsed(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Moment | None:
    from wharf.index.moment import parse_moment

    return None if value is None else parse_moment(value)
