"""`wharf prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wharf.cli.common_options import common_options
from wharf.cli.output import size_text, where_document, where_line
from wharf.cli.state import State, pass_state
from wharf.operations.result_documents import file_document

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from wharf.index.change import Named
    from wharf.model import Json
    from wharf.operations.prune import Pruned

_SHOWN = 20  # releases that are listed before the question


@click.command(
    "prune", epilog="\b\nExamples:\n  wharf prune --dry-run\n  wharf prune --yes\n  wharf prune --index nightly --yes\n"
)
@click.option("--dry-run", is_flag=True, help="Say what would leave the index, and what it would free. Nothing is written.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
@pass_state
def prune_command(state: State, dry_run: bool, yes: bool) -> None:
    """Take releases out of the index that its rules do not keep ([[retention]] in wharf.toml), as one commit.

    The names stay taken: only the same bytes may ever come back under them. What another index of the repository has, stays.

    The bytes stay stored for as long as `keep-past` says (default: 90 days), so that the index as it was can still be
    installed. A later prune deletes them. One that ends early is finished by the same command again.
    """
    from wharf.cli.progress import counting
    from wharf.operations.prune import Progress, planned, prune

    with state.repository(reading=True, whole=True) as repository:
        keep_past = repository.branch.snapshot().settings.keep_past
        if dry_run or not yes:
            found = planned(repository)
        if not dry_run and not yes and not found.is_nothing:
            state.confirm(_question(found, keep_past), yes=False, lines=_listed(found))
        if not dry_run and (yes or not found.is_nothing):
            with counting(state, "deleting") as [(total, advance)]:
                found = prune(repository, progress=Progress(total, advance))
        commit = None if dry_run else found.commit or repository.branch.tip()
        document = {**where_document(repository, commit), **_document(found)}
        lines = [*_lines(found, keep_past, dry_run=dry_run), where_line(repository, commit)]
    for project, problem in found.decision.skipped:
        state.warn(f"{project} stays as it is, because a record of it cannot be read: {problem}")
    if found.kept:
        state.warn(f"The bytes of {len(found.kept)} file(s) are still stored: {found.reason}.")
    elif found.reason:
        state.warn(f"No bytes are deleted: {found.reason}.")
    state.result(document, lines)


def _question(found: Pruned, keep_past: timedelta) -> str:
    dropped = found.decision.dropped
    if not dropped:
        return (
            f"Delete the bytes of {_amount(found.freed)} that left the index before, and that nothing keeps any more, for ever?"
        )
    projects = {each.release.project for each in dropped}
    files = sum(len(each.release.files) for each in dropped)
    return (
        f"Take {len(dropped)} release(s) of {len(projects)} project(s) with {files} file(s) out of the index? "
        f"That frees {_freed(found, keep_past)}."
    )


def _freed(found: Pruned, keep_past: timedelta) -> str:
    from wharf.index.policy_values import span_in_words

    later = f"{_amount(found.later)} later (keep-past: {span_in_words(keep_past)})" if found.later else ""
    now = f"{_amount(found.freed)} now" if found.freed else ""
    return ", and ".join(filter(None, (now, later))) or "nothing"


def _amount(files: Sequence[Named]) -> str:
    return f"{size_text(sum(each.file.size for each in files))} of {len(files)} file(s)"


def _listed(found: Pruned) -> list[str]:
    dropped = found.decision.dropped
    lines = [f"  {each.release.project} {each.release.version}: {each.reason}" for each in dropped[:_SHOWN]]
    return [*lines, *([f"  and {len(dropped) - _SHOWN} more releases"] if len(dropped) > _SHOWN else [])]


def _lines(found: Pruned, keep_past: timedelta, *, dry_run: bool) -> list[str]:
    verb = "would prune" if dry_run else "pruned"
    if not found.decision.rules:
        notes = ["There are no rules of retention: `wharf index settings NAME --set retention=…` sets some (docs/nightly.md)."]
    else:
        notes = [] if found.decision.dropped else ["Every release is kept by the rules."]
    return [
        *(
            f"{verb} {each.release.project} {each.release.version}: {each.reason} (rule {each.rule})"
            for each in found.decision.dropped
        ),
        *notes,
        *([f"{'would free' if dry_run else 'freed'} {_freed(found, keep_past)}"] if found.freed or found.later else []),
    ]


def _document(found: Pruned) -> dict[str, Json]:
    return {
        "pruned": [
            {
                "project": each.release.project,
                "version": each.release.version,
                "rule": each.rule,
                "reason": each.reason,
                "files": [file.filename for file in each.release.files],
            }
            for each in found.decision.dropped
        ],
        "freed": _sum(found.freed),
        "later": _sum(found.later),
        "kept": [file_document(named) for named in found.kept],
        "reason": found.reason,
        "skipped": [{"project": project, "problem": problem} for project, problem in found.decision.skipped],
    }


def _sum(files: Sequence[Named]) -> Json:
    return {"files": len(files), "bytes": sum(each.file.size for each in files)}
