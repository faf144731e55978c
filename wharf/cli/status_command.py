"""`wharf status`."""

from __future__ import annotations

import click

from wharf.cli.common_options import common_options
from wharf.cli.output import where_document, where_line
from wharf.cli.state import State, pass_state
from wharf.model import STATUSES

_EXAMPLES = """\b
Examples:
  wharf status demo archived --reason "use demo2"
  wharf status demo quarantined --reason "looks compromised"
  wharf status demo active
"""


@click.command("status", epilog=_EXAMPLES)
@click.argument("project")
@click.argument("status", type=click.Choice(STATUSES), metavar="|".join(STATUSES))
@click.option("--reason", default="", help="Why, in one line; pages and installers show it.")
@common_options
@pass_state
def status_command(state: State, project: str, status: str, reason: str) -> None:
    """Say how a project is kept (PEP 792).

    An archived project takes no new files. A quarantined one takes none either, and none of its files is offered. A deprecated
    one works as before, and tools tell people that something else takes its place.
    """
    from wharf.cli.release_spec import parse_name
    from wharf.model import Status
    from wharf.operations.set_status import set_status

    name = parse_name(project)
    with state.repository(reading=True) as repository:
        done = set_status(repository, name, Status(marker=status, reason=reason or None))
        commit = done.commit or repository.branch.tip()
        where = where_document(repository, commit)
        lines = [f"{name} is {status}{'' if done.commit else ' already'}", where_line(repository, commit)]
    state.result({**where, "project": name, "status": status, "reason": reason or None, "changed": bool(done.commit)}, lines)
