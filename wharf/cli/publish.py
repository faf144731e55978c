"""`wharf publish`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wharf.cli.output import State, common, file_document, pass_state, size_text, transfer

if TYPE_CHECKING:
    from wharf.change import Named
    from wharf.model import Json
    from wharf.operations.publish import Published
    from wharf.repository import Repository


@click.command(
    "publish",
    epilog="""\b
Examples:
  wharf publish dist/*
  wharf publish --dry-run --json dist/demo-1.0-py3-none-any.whl
  wharf publish --index staging dist/*
  wharf publish --skip-existing --dispatch wharf-published dist/*
""",
)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, readable=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check everything, publish nothing.")
@click.option("--skip-existing", is_flag=True, help="Leave out files whose names are taken by other bytes.")
@click.option("--dispatch", metavar="TYPE", help="Send the repository an event of that type afterwards, new files or not.")
@common
@pass_state
def publish_command(state: State, files: tuple[Path, ...], dry_run: bool, skip_existing: bool, dispatch: str | None) -> None:
    """Upload wheels and sdists of any mix of projects, all or none, as one commit.

    Bytes that are there already are no error. Other bytes under a name that is taken are: then nothing is published (exit
    code 5), unless --skip-existing says that they are to be left out, as where a job that runs again has built them anew. A
    file that is neither wheel nor sdist, or is broken, is exit code 3.
    """
    from wharf.distribution import DEFAULT_LIMIT
    from wharf.errors import StorageError, TooLargeError, UsageError
    from wharf.operations import dispatch as events
    from wharf.operations.publish import Input, publish

    for path in files:
        if not path.is_file():
            raise UsageError(f"{path} is no regular file.", "Name the files themselves, as in `wharf publish dist/*`.")
        if path.stat().st_size > DEFAULT_LIMIT:  # known before gigabytes are read
            raise TooLargeError(
                f"{path.name}: larger than {DEFAULT_LIMIT} bytes.", "Leave large files out of the distribution."
            )
    inputs = [Input.of(path) for path in files]
    sizes = {path.name: path.stat().st_size for path in files}
    with state.repository(fetch="later") as repository, transfer(state, sizes) as progress:
        if dispatch is not None:
            events.check(repository, dispatch)
        done = publish(repository, inputs, dry_run=dry_run, skip_existing=skip_existing, progress=progress)
        document = _document(repository, done)
        if dispatch is not None and not dry_run:
            try:
                events.dispatch(repository, dispatch)
            except StorageError:
                if not state.json:  # else there is one document, and that is the error
                    state.result(document, _lines(done, dry_run=dry_run))
                raise
    for warning in done.warnings:
        state.warn(warning)
    for named in done.skipped:
        state.warn(f"{named.file.filename} is left out: its name is taken, and what is there stays.")
    state.result(document, _lines(done, dry_run=dry_run))


def _document(repository: Repository, done: Published) -> dict[str, Json]:
    """The result; `address` is where everybody can fetch a file if the repository is public."""
    from wharf.releases import Releases

    def described(named: Named) -> dict[str, Json]:
        assets, stored = repository.assets, named.file.location  # a dry run stores nothing
        address = assets.link(assets.place(named.file)) if isinstance(assets, Releases) and stored else None
        return {**file_document(named), "address": address}

    return {
        "commit": done.commit,
        "published": [described(named) for named in done.published],
        "unchanged": [described(named) for named in done.unchanged],
        "skipped": [file_document(named) for named in done.skipped],
    }


def _lines(done: Published, *, dry_run: bool) -> list[str]:
    verb = "would publish" if dry_run else "published"
    return [
        *(f"{verb} {named.file.filename} ({size_text(named.file.size)})" for named in done.published),
        *(f"skipped {named.file.filename}: its name is taken" for named in done.skipped),
        *(f"unchanged {named.file.filename}: these bytes are in the index already" for named in done.unchanged),
    ]
