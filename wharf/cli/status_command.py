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
  wharf status --server https://wharf.example.com/ demo archived
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
    from wharf.cli import result_lines
    from wharf.model import Status
    from wharf.operations.release_spec import parse_name
    from wharf.operations.result_documents import status_document
    from wharf.operations.set_status import set_status

    name = parse_name(project)
    if (server := state.server()) is not None:
        from wharf.cli import server_verbs

        server_verbs.status(state, server, name, status, reason or None)
        return
    wanted = Status(marker=status, reason=reason or None)
    with state.repository(reading=True) as repository:
        done = set_status(repository, name, wanted)
        commit = done.commit or repository.branch.tip()
        where, last = where_document(repository, commit), where_line(repository, commit)
    document = status_document(name, wanted, changed=bool(done.commit))
    state.result({**where, **document}, [*result_lines.status(document), last])
