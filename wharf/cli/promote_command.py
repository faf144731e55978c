"""`wharf promote`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wharf.cli.common_options import common_options
from wharf.cli.output import file_document, where_document, where_line
from wharf.cli.state import State, pass_state

if TYPE_CHECKING:
    from wharf.model import Json
    from wharf.operations.promote import Promoted, Wanted


@click.command(
    "promote",
    epilog="""\b
Examples:
  wharf promote demo==1.0 --from staging
  wharf promote demo==1.0 other==2.1 --from staging --to main --dry-run
  wharf promote 'demo[web]==1.0' --from staging --with-dependencies
  wharf promote demo==1.0 --from staging --propose
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
    from wharf.errors import UsageError
    from wharf.operations.promote import promote
    from wharf.operations.propose import propose

    if dry_run and proposes:
        raise UsageError("--dry-run and --propose exclude each other.", "Leave one of them out.")
    wanted = [_wanted(spec) for spec in specs]
    if target is not None:
        if state.options.get("index", target) != target:
            raise UsageError(f"--to {target} and --index {state.options['index']} name two targets.", "Leave one of them out.")
        state.options["index"] = target
    with state.repository(reading=True) as repository:
        if proposes:
            done = propose(repository, wanted, source, with_dependencies=with_dependencies)
        else:
            done = promote(repository, wanted, source, with_dependencies=with_dependencies, dry_run=dry_run)
        commit = None if dry_run else done.commit or repository.branch.tip()
        document = {**where_document(repository, commit), "from": source, **_document(done)}
        lines = [
            *_lines(done, verb="would promote" if dry_run else "proposed" if proposes else "promoted"),
            where_line(repository, commit),
        ]
    for warning in _warnings(done, source):
        state.warn(warning)
    state.result(document, lines)


def _wanted(text: str) -> Wanted:
    """`PROJECT==VERSION` or `PROJECT[EXTRA,…]==VERSION` as typed. Raises UsageError."""
    from wharf.cli.release_spec import parse_name, parse_release
    from wharf.operations.promote import Wanted

    name, bracket, rest = text.partition("[")
    inside, closing, version = rest.partition("]")
    project, spelled = parse_release(f"{name}{version}" if bracket and closing else text)
    return Wanted(
        project=project,
        version=spelled,
        extras=frozenset(parse_name(each.strip()) for each in inside.split(",")) if bracket and closing else frozenset(),
    )


def _document(done: Promoted) -> dict[str, Json]:
    return {
        "promoted": [file_document(named) for named in done.promoted],
        "unchanged": [file_document(named) for named in done.unchanged],
        "dependencies": [
            {"project": each.release.project, "version": each.release.version, "requirement": each.requirement, "of": each.of}
            for each in done.followed
        ],
        "left": [{"requirement": each.requirement, "of": each.of} for each in done.left],
        "not_announced": [named.file.filename for named in done.not_announced],
        "otherwise_yanked": [named.file.filename for named in done.otherwise_yanked],
        "proposal": {
            "number": done.proposal.number,
            "address": done.proposal.address,
            "branch": done.proposal.head,
            "commit": done.proposal.commit,
        }
        if done.proposal
        else None,
    }


def _lines(done: Promoted, *, verb: str) -> list[str]:
    proposal = done.proposal
    return [
        *(f"{verb} {named.file.filename}" for named in done.promoted),
        *(f"unchanged {named.file.filename}: these bytes are in the index already" for named in done.unchanged),
        *(
            f"{each.release.project} {each.release.version} comes along: {each.of} requires {each.requirement}"
            for each in done.followed
        ),
        *(f"left to other indexes: {each.requirement} (of {each.of})" for each in done.left),
        *([f"{'opened' if proposal.fresh else 'open already:'} pull request {proposal.address}"] if proposal else []),
    ]


def _warnings(done: Promoted, source: str) -> list[str]:
    return [
        *(
            f"The core metadata of {named.file.filename} is not announced on static pages: its release takes no more files."
            for named in done.not_announced
        ),
        *(
            f"{named.file.filename} is {'not yanked' if named.file.yanked is None else 'yanked'} here, and stays so. "
            f"In {source} that is different: `wharf yank` and `wharf unyank` change it here."
            for named in done.otherwise_yanked
        ),
    ]
