"""`wharf verify`."""

from __future__ import annotations

import dataclasses

import click

from wharf.cli.common_options import common_options
from wharf.cli.progress import progress
from wharf.cli.state import State, pass_state


@click.command("verify", epilog="\b\nExamples:\n  wharf verify\n  wharf verify --repair --json\n")
@click.option("--repair", is_flag=True, help="Delete bytes that no index names, and files that dead publishers left.")
@common_options
@pass_state
def verify_command(state: State, repair: bool) -> None:
    """Check every record against the stored bytes, and the other way round. Exit code 8 if something is wrong."""
    from wharf.errors import StorageError
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
        [*lines, f"{found.files} file(s) checked, {open_problems or 'no'} problem(s)"],
    )
    if not found.ok:
        raise click.exceptions.Exit(StorageError.exit_code)
