"""`wharf restore`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from wharf.cli.common_options import common_options
from wharf.cli.output import file_document, where_document, where_line
from wharf.cli.state import State, pass_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wharf.index.moment import Moment
    from wharf.model import Json
    from wharf.operations.restore import Restored

_SHOWN: Final = 20  # files of a kind that are listed before the question


@click.command(
    "restore",
    epilog="""\b
Examples:
  wharf restore --to 2026-11-30
  wharf restore --to 2026-11-30T12:00:00Z demo other --yes
  wharf restore --to 4f2a9c1 --dry-run
""",
)
@click.argument("projects", nargs=-1, metavar="[PROJECT]...")
@click.option("--to", "moment", required=True, metavar="WHEN", help="A date, a time in UTC, or a commit of the index.")
@click.option("--dry-run", is_flag=True, help="Show what would change, change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
@pass_state
def restore_command(state: State, projects: tuple[str, ...], moment: str, dry_run: bool, yes: bool) -> None:
    """Bring releases, files and yanks of the index back to what they were at WHEN. `wharf index restore NAME` is another
    command: it brings back an index that was removed.

    It is one new commit: the history stays, and you can restore to the moment before it. Files that the index did not have at
    WHEN leave it, and their names stay taken. Settings and the states of projects stay as they are today.

    A file comes back if its bytes are still stored, and if nobody removed it with `wharf remove`. The others are named.
    """
    from wharf.cli.release_spec import parse_name
    from wharf.index.moment import parse_moment
    from wharf.operations.restore import restore

    when = parse_moment(moment)
    names = [parse_name(each) for each in projects]
    with state.repository(reading=True) as repository:
        done = restore(repository, when, names, dry_run=dry_run or not yes)
        if not (dry_run or yes) and done.steps.outcome.edits:
            state.confirm(_question(done, when), yes=False, lines=_listed(done), what="restoration")
            done = restore(repository, when, names)
        commit = None if dry_run else done.commit or repository.branch.tip()
    for named in done.not_announced:
        state.warn(f"The core metadata of {named.file.filename} is not announced on static pages.")
    for text in done.steps.unread:
        state.warn(f"A release stays as it is, because its record cannot be read at {when.text}: {text}")
    state.result(
        {**where_document(repository, commit), "to": {"moment": when.text, "commit": done.past}, **_document(done)},
        [*_lines(done, dry_run=dry_run), where_line(repository, commit)],
    )


def _question(done: Restored, when: Moment) -> str:
    steps = done.steps
    return (
        f"Restore the index to {when.text}: {len(steps.back)} file(s) come back, {len(steps.left)} leave, "
        f"{len(steps.changed)} change, {len(steps.lost)} are lost?"
    )


def _parts(done: Restored) -> list[list[str]]:
    """What becomes of the files, in groups."""
    steps = done.steps
    return [
        [f"comes back: {named.file.filename}" for named in steps.back],
        [f"leaves, name stays taken: {named.file.filename}" for named in steps.left],
        [
            f"changes: {named.file.filename}, {'not yanked' if named.file.yanked is None else _yanked(named.file.yanked)}"
            for named in steps.changed
        ],
        [f"lost: {named.file.filename}: {why}" for named, why in steps.lost],
    ]


def _yanked(reason: str) -> str:
    return f"yanked: {reason}" if reason else "yanked"


def _listed(done: Restored) -> list[str]:
    lines = []
    for part in _parts(done):
        lines += [f"  {line}" for line in part[:_SHOWN]]
        lines += [f"  and {len(part) - _SHOWN} more such files"] if len(part) > _SHOWN else []
    return lines


def _lines(done: Restored, *, dry_run: bool) -> list[str]:
    lines = [line for part in _parts(done) for line in part]
    if not done.steps.outcome.edits:
        lines.append("The index is as it was then, as far as it can be." if lines else "The index is as it was then.")
    elif dry_run:
        lines.append("Nothing was changed: this is what would be.")
    return lines


def _document(done: Restored) -> dict[str, Json]:
    steps = done.steps
    return {
        "back": [file_document(named) for named in steps.back],
        "left": [file_document(named) for named in steps.left],
        "changed": [{**file_document(named), "yanked": named.file.yanked} for named in steps.changed],
        "lost": [{**file_document(named), "reason": why} for named, why in steps.lost],
        "unread": _texts(steps.unread),
        "not_announced": _texts([named.file.filename for named in done.not_announced]),
    }


def _texts(texts: Sequence[str]) -> list[Json]:
    return [*texts]
