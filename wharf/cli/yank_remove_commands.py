"""`wharf yank`, `wharf unyank` and `wharf remove`."""

from __future__ import annotations

import click

from wharf.cli.common_options import common_options
from wharf.cli.output import where_document, where_line
from wharf.cli.state import State, pass_state


@click.command(
    "yank",
    epilog='\b\nExamples:\n  wharf yank demo==1.0 --reason "loses data"\n  wharf yank demo==1.0 demo-1.0.tar.gz\n'
    "  wharf yank --server https://wharf.example.com/ demo==1.0\n",
)
@click.argument("spec", metavar="PROJECT==VERSION")
@click.argument("file", required=False)
@click.option("--reason", default="", help="Why, in one line; installers show it.")
@common_options
@pass_state
def yank_command(state: State, spec: str, file: str | None, reason: str) -> None:
    """Tell installers not to choose a release any more, unless it is asked for by its exact version (PEP 592)."""
    _set_yanked(state, spec, file, reason)


@click.command(
    "unyank", epilog="\b\nExamples:\n  wharf unyank demo==1.0\n  wharf unyank --server https://wharf.example.com/ demo==1.0\n"
)
@click.argument("spec", metavar="PROJECT==VERSION")
@click.argument("file", required=False)
@common_options
@pass_state
def unyank_command(state: State, spec: str, file: str | None) -> None:
    """Take a yank back."""
    _set_yanked(state, spec, file, None)


def _set_yanked(state: State, spec: str, file: str | None, reason: str | None) -> None:
    from wharf.cli import result_lines
    from wharf.operations.release_spec import parse_release
    from wharf.operations.result_documents import yank_document
    from wharf.operations.yank import set_yanked

    project, version = parse_release(spec, file)
    if (server := state.server()) is not None:
        from wharf.cli import server_verbs

        server_verbs.yank(state, server, project, version, file, reason)
        return
    with state.repository(reading=True) as repository:
        done = set_yanked(repository, project, version, file, reason=reason)
        commit = done.commit or repository.branch.tip()
        document, where = yank_document(done), where_line(repository, commit)
    lines = result_lines.yank(document, "unyanked" if reason is None else "yanked")
    state.result({**where_document(repository, commit), **document}, [*lines, where])


@click.command(
    "remove",
    epilog="""\b
Examples:
  wharf remove demo==1.0
  wharf remove demo==1.0 demo-1.0.tar.gz --yes
  wharf remove demo==1.0 other==2.1 --reason "built from the wrong branch"
  wharf remove 'demo==*.dev*' --older-than 30d --yes
  wharf remove --server https://wharf.example.com/ demo==1.0 other==2.1
""",
)
@click.argument("words", nargs=-1, required=True, metavar="PROJECT==VERSION... [FILE]")
@click.option("--older-than", "age", metavar="SPAN", help="Only releases whose newest file is older, as in 36h, 30d or 4w.")
@click.option("--reason", default="", help="Why; `wharf log` shows it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
@pass_state
def remove_command(state: State, words: tuple[str, ...], age: str | None, reason: str, yes: bool) -> None:
    """Delete releases, or one file of a release, for ever. To hide a bad release from installers, yank it instead.

    All leave the index with one commit, or none does. The names stay taken: only the same bytes may ever come back under them.
    What left before is no error.

    VERSION may be a glob over versions in their normal form, as in 'demo==*.dev*' or 'demo==1.*'. It stands for the files that
    match when the command begins: what somebody publishes meanwhile stays. A glob that matches nothing is an error; with
    --older-than it is none, so that a job can run every night.
    """
    from datetime import UTC, datetime

    from wharf.cli import result_lines
    from wharf.operations.release_spec import parse_age, parse_removals
    from wharf.operations.removal_choice import choose
    from wharf.operations.remove import Removed, remove_all
    from wharf.operations.result_documents import removal_document

    wanted = parse_removals(words)
    span = None if age is None else parse_age(age)
    if (server := state.server()) is not None:
        from wharf.cli import server_removal

        server_removal.remove(state, server, wanted, older_than=span, age=age, reason=reason, yes=yes)
        return
    with state.repository(reading=True) as repository:
        before = None if span is None else datetime.fromtimestamp(repository.branch.now(), UTC) - span
        choice = choose(repository.branch.snapshot(), wanted, before)
        if choice.leaving:
            tried = removal_document(Removed(commit=None, removed=choice.outcome.changed))
            question = result_lines.removal_question(tried, whole=all(each.filenames is None for each in choice.leaving))
            state.confirm(question, yes=yes, lines=result_lines.removal_listed(tried))
        done = remove_all(repository, choice.leaving, reason=reason)
        commit = done.commit or repository.branch.tip()
    if done.kept:
        state.warn(f"The bytes of {len(done.kept)} file(s) are still stored: {done.reason}.")
    elif done.reason:
        state.warn(f"What is still stored of the releases that left before is not known: {done.reason}.")
    document = removal_document(done, choice.younger)
    lines = [*choice.notes, *result_lines.removal(document, age), where_line(repository, commit)]
    state.result({**where_document(repository, commit), **document}, lines)
