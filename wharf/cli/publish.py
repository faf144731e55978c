"""`wharf publish`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wharf.cli.output import State, common, file_document, pass_state, size_text, transfer

if TYPE_CHECKING:
    from wharf.operations.publish import Published


@click.command(
    "publish",
    epilog="""\b
Examples:
  wharf publish dist/*
  wharf publish --dry-run --json dist/demo-1.0-py3-none-any.whl
  wharf publish --index staging dist/*
""",
)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, readable=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check everything, publish nothing.")
@common
@pass_state
def publish_command(state: State, files: tuple[Path, ...], dry_run: bool) -> None:
    """Upload wheels and sdists of any mix of projects, all or none, as one commit.

    Bytes that are there already are no error. Other bytes under a name that is taken are: then nothing is published (exit
    code 5). A file that is neither wheel nor sdist, or is broken, is exit code 3.
    """
    from wharf.errors import UsageError
    from wharf.objects import identity
    from wharf.operations.publish import Input, publish

    for path in files:
        if not path.is_file():
            raise UsageError(f"{path} is no regular file.", "Name the files themselves, as in `wharf publish dist/*`.")
    inputs = [Input.of(path) for path in files]
    sizes = {path.name: path.stat().st_size for path in files}
    with state.repository(fetch="later") as repository, transfer(sizes, show=not state.json) as progress:
        done = publish(repository, inputs, actor=identity(), dry_run=dry_run, progress=progress)
    for warning in done.warnings:
        state.warn(warning)
    state.result(
        {
            "commit": done.commit,
            "published": [file_document(named) for named in done.published],
            "unchanged": [file_document(named) for named in done.unchanged],
        },
        _lines(done, dry_run=dry_run),
    )


def _lines(done: Published, *, dry_run: bool) -> list[str]:
    verb = "would publish" if dry_run else "published"
    return [
        *(f"{verb} {named.file.filename} ({size_text(named.file.size)})" for named in done.published),
        *(f"unchanged {named.file.filename}: these bytes are in the index already" for named in done.unchanged),
    ]
