"""`wharf restore`."""

from __future__ import annotations

import click

from wharf.cli.common_options import common_options
from wharf.cli.output import where_document, where_line
from wharf.cli.state import State, pass_state


@click.command(
    "restore",
    epilog="""\b
Examples:
  wharf restore --to 2026-11-30
  wharf restore --to 2026-11-30T12:00:00Z demo other --yes
  wharf restore --to 4f2a9c1 --dry-run
  wharf restore --server https://wharf.example.com/ --to 4f2a9c1 --dry-run
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
    from wharf.cli import result_lines
    from wharf.index.moment import parse_moment
    from wharf.operations.release_spec import parse_name
    from wharf.operations.restore import restore
    from wharf.operations.result_documents import restoration_document

    when = parse_moment(moment)
    names = [parse_name(each) for each in projects]
    if (server := state.server()) is not None:
        from wharf.cli import server_verbs

        server_verbs.restore(state, server, when.text, names, dry_run=dry_run, yes=yes)
        return
    with state.repository(reading=True) as repository:
        done = restore(repository, when, names, dry_run=dry_run or not yes)
        if not (dry_run or yes) and done.steps.outcome.edits:
            document = restoration_document(done, when.text)
            question, listed = result_lines.restoration_question(document), result_lines.restoration_listed(document)
            state.confirm(question, yes=False, lines=listed, what="restoration")
            done = restore(repository, when, names)
        commit = None if dry_run else done.commit or repository.branch.tip()
        document, last = restoration_document(done, when.text), where_line(repository, commit)
    for warning in result_lines.restoration_warnings(document):
        state.warn(warning)
    changes = bool(done.steps.outcome.edits)
    lines = result_lines.restoration(document, changes=changes, dry_run=dry_run)
    state.result({**where_document(repository, commit), **document}, [*lines, last])
