"""`wharf publish`."""

from __future__ import annotations

import dataclasses
from functools import partial

import click

from wharf.cli.common_options import common_options
from wharf.cli.output import where_document, where_line
from wharf.cli.progress import transfer
from wharf.cli.publish_messages import lines_of_result, repository_that_may_be_meant, result_document, say_how_long
from wharf.cli.state import State, pass_state


@click.command(
    "publish",
    epilog="""\b
Examples:
  wharf publish
  wharf publish dist/*
  wharf publish --strict --dry-run --json dist/demo-1.0-py3-none-any.whl
  wharf publish --index staging dist/*
  wharf publish --skip-existing --dispatch wharf-published dist/*
""",
)
@click.argument("files", nargs=-1, type=click.Path())
@click.option("--dry-run", is_flag=True, help="Check everything, publish nothing.")
@click.option("--skip-existing", is_flag=True, help="Skip files whose names are taken by other bytes.")
@click.option(
    "--create",
    is_flag=True,
    help="Make the index if it does not exist. In a folder, wharf makes the first index and `main` without it too.",
)
@click.option("--strict", is_flag=True, help="Make warnings errors.")
@click.option("--dispatch", metavar="TYPE", help="Send the repository an event of that type afterwards, new files or not.")
@common_options
@pass_state
def publish_command(
    state: State,
    files: tuple[str, ...],
    dry_run: bool,
    skip_existing: bool,
    create: bool,
    strict: bool,
    dispatch: str | None,
) -> None:
    """Upload wheels and sdists of any mix of projects, all or none, as one commit.

    A folder means the distributions in it, and no FILES means those in `dist`. wharf skips signatures, attestations and lists
    of digests beside them. A file that only some installers take gives a warning, or with --strict an error.

    The same bytes again are no error. Other bytes under a name that is taken are an error (exit code 5), and nothing is
    published. With --skip-existing, wharf skips such files, for jobs that run and build again. A file that is not a wheel or
    an sdist, or is broken, is exit code 3.
    """
    from wharf.errors import StorageError
    from wharf.operations import repository_dispatch as events
    from wharf.operations.file_selection import select_files
    from wharf.operations.publish import publish
    from wharf.operations.publish_inputs import Input

    chosen = select_files(files)
    inputs = [Input.of(path) for path in chosen.files]
    sizes = {path.name: path.stat().st_size for path in chosen.files}
    for line in chosen.passed_over:
        state.say(line)
    strict = strict or state.settings().strict
    with state.repository(fetch="later") as repository, transfer(state, sizes) as progress:
        if dispatch is not None:
            events.check(repository, dispatch)
        how = partial(publish, dry_run=dry_run, skip_existing=skip_existing, create=create, strict=strict)
        done = how(repository, inputs, progress=dataclasses.replace(progress, planned=partial(say_how_long, state)))
        commit = None if dry_run else done.commit or repository.branch.tip()
        document = {**where_document(repository, commit), **result_document(repository, done, dry_run=dry_run)}
        lines = [*lines_of_result(repository, done, document, dry_run=dry_run), where_line(repository, commit)]
        if dispatch is not None and not dry_run:
            try:
                events.dispatch(repository, dispatch)
            except StorageError:
                if not state.json:  # with --json there is one document: the error
                    state.result(document, lines)
                raise
        here = None if repository.github else repository_that_may_be_meant(state.settings(), repository)
    for warning in done.warnings:
        state.warn(warning)
    for named in done.skipped:
        state.warn(f"{named.file.filename} is left out: its name is taken, and what is there stays.")
    state.result(document, lines)
    if here:
        state.say(here)
