"""`wharf verify`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from wharf.cli.at_option import at_document, at_option, check_without, say_moment
from wharf.cli.common_options import common_options
from wharf.cli.progress import progress
from wharf.cli.state import State, pass_state
from wharf.errors import StorageError

if TYPE_CHECKING:
    from wharf.index.moment import Moment


@click.command(
    "verify", epilog="\b\nExamples:\n  wharf verify\n  wharf verify --repair --json\n  wharf verify --at 2026-11-30\n"
)
@click.option("--repair", is_flag=True, help="Delete bytes that no index names, and files that dead publishers left.")
@at_option
@common_options
@pass_state
def verify_command(state: State, repair: bool, moment: Moment | None) -> None:
    """Check every record against the stored bytes, and the other way round. Exit code 8 if something is wrong.

    With --at: the records of that moment. Bytes that are gone since their file left the index are named, and are no problem.
    """
    if moment is None:
        _verify(state, repair=repair)
        return
    check_without(moment, "--repair", given=repair)
    _verify_past(state, moment)


def _verify(state: State, *, repair: bool) -> None:
    from wharf.operations.verify import Progress, verify

    with (
        state.repository(reading=True, whole=True) as repository,
        progress(state, "verifying") as (total, advance),
    ):
        found = verify(repository, repair=repair, progress=Progress(total, advance))
    lines = [
        f"{'repaired' if each.repaired else what} {each.kind} {each.path}: {state.whole(each.detail)}"
        for what, findings in (("problem", found.problems), ("leftover", found.leftovers))
        for each in findings
    ]
    open_problems = sum(not each.repaired for each in found.problems)
    state.result(
        {
            "ok": found.ok,
            "files": found.files,
            "problems": [dataclasses.asdict(each) for each in found.problems],
            "leftovers": [dataclasses.asdict(each) for each in found.leftovers],
        },
        [*lines, _summary(found.files, open_problems)],
    )
    _end(ok=found.ok)


def _verify_past(state: State, moment: Moment) -> None:
    from wharf.index.past_branch import PastBranch
    from wharf.operations.verify import Progress
    from wharf.operations.verify_past import verify_past

    with (
        state.repository(reading=True, at=moment) as repository,
        progress(state, "verifying") as (total, advance),
    ):
        branch = repository.branch
        if not isinstance(branch, PastBranch):
            raise TypeError("a repository at a moment has the branch of that moment")
        found = verify_past(repository, branch, Progress(total, advance))
        past = at_document(repository, moment)
        say_moment(state, repository)
    state.result(
        {
            "ok": not found.problems,
            "files": found.files,
            "problems": [dataclasses.asdict(each) for each in found.problems],
            "leftovers": [],
            "gone": [dataclasses.asdict(each) for each in found.gone],
            **past,
        },
        [
            *(f"problem {each.kind} {each.path}: {state.whole(each.detail)}" for each in found.problems),
            *(
                f"gone {each.path}: {' '.join(each.actor.split())}, {each.verb}, commit {each.commit[:12]}"
                f"{': ' if each.reason else ''}{' '.join(each.reason.split())}"
                for each in found.gone
            ),
            f"{_summary(found.files, len(found.problems))}, {len(found.gone)} file(s) gone since they left the index",
        ],
    )
    _end(ok=not found.problems)


def _summary(files: int, problems: int) -> str:
    return f"{files} file(s) checked, {problems or 'no'} problem(s)"


def _end(*, ok: bool) -> None:
    if not ok:
        raise click.exceptions.Exit(StorageError.exit_code)
