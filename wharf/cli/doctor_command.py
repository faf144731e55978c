"""`wharf doctor`."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import click

from wharf.cli.common_options import common_options
from wharf.cli.state import State, pass_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wharf.operations.doctor_findings import Diagnosis


@click.command("doctor", epilog="\b\nExamples:\n  wharf doctor\n  wharf doctor --repo acme/packages --json\n")
@common_options
@pass_state
def doctor_command(state: State) -> None:
    """Show what was found, what is wrong, and what to do about it. Exit code 8 if something prevents work.

    It shows the repository and the token, and what named them; what the token may do; the requests that are left; limits that
    are near; git; the cache. It shows no token itself, and changes nothing on GitHub.
    """
    from wharf.errors import StorageError
    from wharf.operations.doctor import diagnose
    from wharf.operations.doctor_findings import Diagnosis

    found = diagnose(state.settings(), os.environ)
    found = Diagnosis(tuple(dataclasses.replace(each, hint=state.whole(each.hint)) for each in found.findings))
    state.result({"ok": found.ok, "findings": [dataclasses.asdict(each) for each in found.findings]}, _lines(found))
    if not found.ok:
        raise click.exceptions.Exit(StorageError.exit_code)


def _lines(found: Diagnosis) -> Iterator[str]:
    width = max(len(each.what) for each in found.findings)
    for each in found.findings:
        yield f"{each.state:<7}  {each.what:<{width}}  {each.detail}"
        if each.hint:
            yield f"{'':<7}  {'':<{width}}  -> {each.hint}"
    count = {state: sum(each.state == state for each in found.findings) for state in ("problem", "warning")}
    yield f"{count['problem'] or 'no'} problem(s), {count['warning'] or 'no'} warning(s)"
