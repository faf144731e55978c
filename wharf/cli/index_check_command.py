"""`wharf index check`."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wharf.cli.common_options import common_options
from wharf.cli.output import where_document, where_line
from wharf.cli.state import State, pass_state

if TYPE_CHECKING:
    from collections.abc import Callable


@click.command(
    "check",
    epilog="""\b
Examples:
  wharf index check
  wharf index check wharf/staging~5..wharf/staging
  wharf index check wharf/main...refs/pull/7/head --json
""",
)
@click.argument("span", metavar="[A..B]", required=False)
@click.option("--against-public-index", is_flag=True, help="Compare names with the public index, by its list of all projects.")
@click.option(
    "--public-index",
    metavar="URL",
    envvar="WHARF_PUBLIC_INDEX",
    help="The public index (default: the one that pip asks).",
)
@click.option(
    "--summary", type=click.Path(dir_okay=False, path_type=Path), help="Append what was found to that file, as Markdown."
)
@common_options
@pass_state
def check_command(
    state: State, span: str | None, against_public_index: bool, public_index: str | None, summary: Path | None
) -> None:
    """Check the index branch, or what the commits A..B or a pull request change in it. Exit code 8 if there are errors.

    A and B are ids of commits, branches such as wharf/main, or refs such as refs/pull/7/head. A...B begins where both parted.
    Without --index and WHARF_INDEX, a branch in the range tells the index.
    """
    from wharf.errors import StorageError
    from wharf.operations.index_check import check_index_branch, index_of_range
    from wharf.operations.index_check_summary import counted, markdown

    if span is not None and "index" not in state.options and not os.environ.get("WHARF_INDEX"):
        index = index_of_range(span)
        if index is not None:
            state.options["index"] = index
    public = _public(public_index) if against_public_index else None
    with state.repository(reading=True, whole=span is None) as repository:
        found = check_index_branch(repository, span, public=public)
        document, line = where_document(repository, found.commit), where_line(repository, found.commit)
        index = repository.branch.index
    if summary is not None:
        with summary.open("a", encoding="utf-8") as file:
            file.write(markdown(found, index))
    lines = [f"{each.level} {each.path or '/'}: {each.message}" for each in found.findings]
    left = sum(found.counts.values()) - len(found.findings)
    lines += [f"and {left} more finding(s)"] if left else []
    if found.elsewhere and public is None:
        lines.append(
            f"{found.elsewhere} project(s) are required that no index here has; "
            "--against-public-index looks for them in the list of all public projects"
        )
    state.result(
        {
            **document,
            "since": found.since,
            "ok": found.ok,
            "releases": found.releases,
            "findings": [dataclasses.asdict(each) for each in found.findings],
            "counts": {level: found.counts[level] for level in found.counts},
            "elsewhere": found.elsewhere,
        },
        [*lines, f"{line}: {found.releases} release(s) checked, {counted(found)}"],
    )
    if not found.ok:
        raise click.exceptions.Exit(StorageError.exit_code)


def _public(address: str | None) -> Callable[[set[str]], set[str]]:
    """What asks the public index for its list. Raises UsageError for what is no address."""
    from wharf.sources import public_index_address
    from wharf.sources.public_names import names_among

    index = public_index_address.default({}) if address is None else public_index_address.parse(address)
    return lambda wanted: names_among(index.address, wanted)
