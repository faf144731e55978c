"""`wharf promote`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wharf.cli.common_options import common_options
from wharf.cli.output import where_document, where_line
from wharf.cli.state import State, pass_state

if TYPE_CHECKING:
    from wharf.operations.promote import Wanted


@click.command(
    "promote",
    epilog="""\b
Examples:
  wharf promote demo==1.0 --from staging
  wharf promote demo==1.0 other==2.1 --from staging --to main --dry-run
  wharf promote 'demo[web]==1.0' --from staging --with-dependencies
  wharf promote demo==1.0 --from staging --propose
  wharf promote --server https://wharf.example.com/ demo==1.0 --from staging
""",
)
@click.argument("specs", nargs=-1, required=True, metavar="PROJECT==VERSION...")
@click.option("--from", "source", required=True, metavar="INDEX", help="The index that has the releases.")
@click.option("--to", "target", metavar="INDEX", help="The index that gets them, as --index (default: main).")
@click.option("--with-dependencies", is_flag=True, help="Take along what they require, if the source has it.")
@click.option("--dry-run", is_flag=True, help="Check everything, promote nothing.")
@click.option("--propose", "proposes", is_flag=True, help="Open a pull request on GitHub instead of a commit.")
@common_options
@pass_state
def promote_command(
    state: State,
    specs: tuple[str, ...],
    source: str,
    target: str | None,
    with_dependencies: bool,
    dry_run: bool,
    proposes: bool,
) -> None:
    """Take releases of one index into another one of the same repository, all or none, as one commit.

    Nothing is uploaded again: both indexes name the same files. Yanks and upload times go along. Conflicts are those of a
    publish (exit code 5). Files that the target has already stay as they are there.

    With --with-dependencies, wharf follows the requirements of the releases under any marker, and those of an extra if you ask
    for it, as in 'demo[web]==1.0'. For each one that the target does not meet, the newest release of the source that meets it
    comes along. What the source does not have is named, and left to other indexes.

    With --propose, wharf changes no index: it opens a pull request that says what changes for installers, or finds the one
    that is open. Whoever merges it releases. So the rules of the branch are the approval.
    """
    from wharf.cli import result_lines
    from wharf.errors import UsageError
    from wharf.operations.promote import promote
    from wharf.operations.propose import propose
    from wharf.operations.result_documents import promotion_document

    if dry_run and proposes:
        raise UsageError("--dry-run and --propose exclude each other.", "Leave one of them out.")
    wanted = [_wanted(spec) for spec in specs]
    if target is not None:
        if state.options.get("index", target) != target:
            raise UsageError(f"--to {target} and --index {state.options['index']} name two targets.", "Leave one of them out.")
        state.options["index"] = target
    if (server := state.server()) is not None:
        from wharf.cli import server_verbs

        server_verbs.refuse_options(propose=proposes)
        server_verbs.promote(state, server, wanted, source, with_dependencies=with_dependencies, dry_run=dry_run)
        return
    with state.repository(reading=True) as repository:
        if proposes:
            done = propose(repository, wanted, source, with_dependencies=with_dependencies)
        else:
            done = promote(repository, wanted, source, with_dependencies=with_dependencies, dry_run=dry_run)
        commit = None if dry_run else done.commit or repository.branch.tip()
        document, where = promotion_document(done, source), where_document(repository, commit)
        verb = "would promote" if dry_run else "proposed" if proposes else "promoted"
        fresh = done.proposal is not None and done.proposal.fresh
        lines = [*result_lines.promotion(document, verb, fresh=fresh), where_line(repository, commit)]
        yanked = {named.file.filename: named.file.yanked is not None for named in done.otherwise_yanked}
    for warning in result_lines.promotion_warnings(document, yanked):
        state.warn(warning)
    state.result({**where, **document}, lines)


def _wanted(text: str) -> Wanted:
    """`PROJECT==VERSION` or `PROJECT[EXTRA,…]==VERSION` as typed. Raises UsageError."""
    from wharf.operations.promote import Wanted
    from wharf.operations.release_spec import parse_name, parse_release

    name, bracket, rest = text.partition("[")
    inside, closing, version = rest.partition("]")
    project, spelled = parse_release(f"{name}{version}" if bracket and closing else text)
    return Wanted(
        project=project,
        version=spelled,
        extras=frozenset(parse_name(each.strip()) for each in inside.split(",")) if bracket and closing else frozenset(),
    )
