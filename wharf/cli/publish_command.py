"""`wharf publish`."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING

import click

from wharf.cli.common_options import common_options
from wharf.cli.output import where_document, where_line
from wharf.cli.progress import transfer
from wharf.cli.publish_messages import lines_of_result, repository_that_may_be_meant, result_document, say_how_long
from wharf.cli.state import State, pass_state

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wharf.repository.server_settings import ServerSettings


@click.command(
    "publish",
    epilog="""\b
Examples:
  wharf publish
  wharf publish dist/*
  wharf publish --strict --dry-run --json dist/demo-1.0-py3-none-any.whl
  wharf publish --index staging dist/*
  wharf publish --server https://wharf.example.com/ dist/*
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
@click.option("--stage", "only_stage", is_flag=True, help="Over a server: upload all, show where it can be tried, stop.")
@click.option("--cancel", is_flag=True, help="Over a server: delete what is staged of the releases of these files.")
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
    only_stage: bool,
    cancel: bool,
) -> None:
    """Upload wheels and sdists of any mix of projects, all or none, as one commit.

    A folder means the distributions in it, and no FILES means those in `dist`. wharf skips signatures, attestations and lists
    of digests beside them. A file that only some installers take gives a warning, or with --strict an error.

    The same bytes again are no error. Other bytes under a name that is taken are an error (exit code 5), and nothing is
    published. With --skip-existing, wharf skips such files, for jobs that run and build again. A file that is not a wheel or
    an sdist, or is broken, is exit code 3.
    """
    from wharf.operations.file_selection import select_files

    chosen = select_files(files)
    for line in chosen.passed_over:
        state.say(line)
    way = {"dry_run": dry_run, "skip_existing": skip_existing}
    server = _server_of(state, over_a_server={"stage": only_stage, "cancel": cancel}, dry_run=dry_run)
    if server is None:
        _publish_here(state, chosen.files, **way, create=create, strict=strict or state.settings().strict, dispatch=dispatch)
        return
    from wharf.cli import server_publish, server_verbs

    server_verbs.refuse_options(create=create, dispatch=dispatch)
    server_publish.publish(state, server, chosen.files, **way, strict=strict, only_stage=only_stage, cancel=cancel)


def _publish_here(
    state: State,
    files: Sequence[Path],
    *,
    dry_run: bool,
    skip_existing: bool,
    create: bool,
    strict: bool,
    dispatch: str | None,
) -> None:
    """Publish into the repository that the person named."""
    from wharf.errors import StorageError
    from wharf.operations import repository_dispatch as events
    from wharf.operations.publish import publish
    from wharf.operations.publish_inputs import Input

    inputs = [Input.of(path) for path in files]
    sizes = {path.name: path.stat().st_size for path in files}
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


def _server_of(state: State, *, over_a_server: dict[str, bool], dry_run: bool) -> ServerSettings | None:
    """The server to publish to, if it is one. Raises UsageError for options that exclude each other or want a server."""
    from wharf.errors import UsageError

    said = [f"--{name}" for name, given in over_a_server.items() if given]
    if len(said) + dry_run > 1:
        both = " and ".join([*said, *(["--dry-run"] if dry_run else [])])
        raise UsageError(f"{both} exclude each other.", "Leave one of them out.")
    server = state.server()
    if server is None and said:
        raise UsageError(f"{said[0]} works over a server only.", "Name one, as in --server https://HOST/.")
    return server
