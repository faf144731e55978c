"""`wharf yank`, `wharf unyank` and `wharf remove`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wharf.cli.common_options import common_options
from wharf.cli.output import file_document, where_document, where_line
from wharf.cli.state import State, pass_state

if TYPE_CHECKING:
    from wharf.index.branch import Committed
    from wharf.model import Json
    from wharf.operations.remove import Removed


@click.command(
    "yank", epilog='\b\nExamples:\n  wharf yank demo==1.0 --reason "loses data"\n  wharf yank demo==1.0 demo-1.0.tar.gz\n'
)
@click.argument("spec", metavar="PROJECT==VERSION")
@click.argument("file", required=False)
@click.option("--reason", default="", help="Why, in one line; installers show it.")
@common_options
@pass_state
def yank_command(state: State, spec: str, file: str | None, reason: str) -> None:
    """Tell installers not to choose a release any more, unless it is asked for by its exact version (PEP 592)."""
    _set_yanked(state, spec, file, reason)


@click.command("unyank", epilog="\b\nExamples:\n  wharf unyank demo==1.0\n")
@click.argument("spec", metavar="PROJECT==VERSION")
@click.argument("file", required=False)
@common_options
@pass_state
def unyank_command(state: State, spec: str, file: str | None) -> None:
    """Take a yank back."""
    _set_yanked(state, spec, file, None)


def _set_yanked(state: State, spec: str, file: str | None, reason: str | None) -> None:
    from wharf.cli.release_spec import parse_release
    from wharf.operations.yank import set_yanked

    project, version = parse_release(spec, file)
    with state.repository(reading=True) as repository:
        done = set_yanked(repository, project, version, file, reason=reason)
        commit = done.commit or repository.branch.tip()
        lines = [*_lines(done, "unyanked" if reason is None else "yanked"), where_line(repository, commit)]
    state.result({**where_document(repository, commit), **_document(done)}, lines)


def _document(done: Committed) -> dict[str, Json]:
    return {
        "changed": [file_document(named) for named in done.outcome.changed],
        "unchanged": [file_document(named) for named in done.outcome.unchanged],
    }


def _lines(done: Committed, verb: str) -> list[str]:
    already = "it is not yanked" if verb == "unyanked" else "it is yanked already"
    return [
        *(f"{verb} {named.file.filename}" for named in done.outcome.changed),
        *(f"unchanged {named.file.filename}: {already}" for named in done.outcome.unchanged),
    ]


@click.command("remove", epilog="\b\nExamples:\n  wharf remove demo==1.0\n  wharf remove demo==1.0 demo-1.0.tar.gz --yes\n")
@click.argument("spec", metavar="PROJECT==VERSION")
@click.argument("file", required=False)
@click.option("--reason", default="", help="Why; `wharf log` shows it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
@pass_state
def remove_command(state: State, spec: str, file: str | None, reason: str, yes: bool) -> None:
    """Delete a release, or one file of it, for ever. To hide a bad release from installers, yank it instead.

    The name stays taken: only the same bytes may ever come back under it.
    """
    from wharf.cli.release_spec import parse_release
    from wharf.operations.remove import remove

    project, version = parse_release(spec, file)
    state.confirm(f"Delete {file or f'{project} {version} with all its files'} for ever?", yes=yes)
    with state.repository(reading=True) as repository:
        done = remove(repository, project, version, file, reason=reason)
        commit = done.commit or repository.branch.tip()
    if done.kept:
        state.warn(f"The bytes of {len(done.kept)} file(s) are still stored: {done.reason}.")
    state.result(
        {
            **where_document(repository, commit),
            "removed": [file_document(named) for named in done.removed],
            "gone": _gone_document(done),
            "kept": [file_document(named) for named in done.kept],
        },
        [
            *(f"removed {named.file.filename}" for named in done.removed),
            *(f"gone already: {name}" for each in done.gone for name in each.removed),
            where_line(repository, commit),
        ],
    )


def _gone_document(done: Removed) -> list[Json]:
    return [
        {"project": each.project, "version": each.version, "filename": name, "sha256": sha256}
        for each in done.gone
        for name, sha256 in each.removed.items()
    ]
