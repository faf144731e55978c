"""`wharf publish`."""

from __future__ import annotations

import dataclasses
import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wharf.cli.common_options import common_options
from wharf.cli.output import file_document, size_text, where_document, where_line
from wharf.cli.progress import transfer
from wharf.cli.state import State, pass_state

if TYPE_CHECKING:
    from wharf.index.change import Named
    from wharf.model import Json
    from wharf.operations.publish import Published
    from wharf.repository.opening import Repository
    from wharf.repository.settings import Settings


_LONG = 60.0  # seconds that a publish takes by GitHub's limits, from which on that is told


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
    "--create", is_flag=True, help="Make the index on GitHub if it does not exist (in a folder, publish always does that)."
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
        done = how(repository, inputs, progress=dataclasses.replace(progress, planned=partial(_foretell, state)))
        commit = None if dry_run else done.commit or repository.branch.tip()
        document = {**where_document(repository, commit), **_document(repository, done, dry_run=dry_run)}
        lines = [*_lines(repository, done, dry_run=dry_run), where_line(repository, commit)]
        if dispatch is not None and not dry_run:
            try:
                events.dispatch(repository, dispatch)
            except StorageError:
                if not state.json:  # with --json there is one document: the error
                    state.result(document, lines)
                raise
        here = None if repository.github else _meant(state.settings(), repository)
    for warning in done.warnings:
        state.warn(warning)
    for named in done.skipped:
        state.warn(f"{named.file.filename} is left out: its name is taken, and what is there stays.")
    state.result(document, lines)
    if here:
        state.say(here)


def _foretell(state: State, contents: int, seconds: float) -> None:
    """Before a publish begins, say how long GitHub's limits make it take, if it takes long."""
    if seconds < _LONG:
        return
    text = f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"
    state.say(f"This creates {contents} contents at GitHub, which takes 80 a minute and 500 an hour: about {text}.")
    allowed = state.settings().max_wait
    if seconds > allowed:
        state.warn(
            f"It may wait for {allowed:.0f} s in all and will end before that, with nothing shown to readers: the same command "
            f"continues there. --max-wait {math.ceil(seconds / 100) * 100} lets it finish in one go."
        )


def _document(repository: Repository, done: Published, *, dry_run: bool) -> dict[str, Json]:
    """The result; `address` is where everybody can fetch a file if the repository is public."""
    from wharf.github.release_store import Releases

    def described(named: Named) -> dict[str, Json]:
        assets, stored = repository.assets, named.file.location  # a dry run stores nothing
        address = assets.link(assets.place(named.file)) if isinstance(assets, Releases) and stored else None
        return {**file_document(named), "address": address}

    made = [*(["store"] if repository.made else []), *(["index"] if done.began and not dry_run else [])]
    return {
        "made": [*made],
        "published": [described(named) for named in done.published],
        "unchanged": [described(named) for named in done.unchanged],
        "skipped": [file_document(named) for named in done.skipped],
    }


def _meant(settings: Settings, repository: Repository) -> str:
    """What to say where nobody named a repository, and the working tree that it was typed in has one on GitHub."""
    from wharf.operations.working_tree import github_origin
    from wharf.repository.opening import line_of, line_of_init

    address = github_origin(Path.cwd()) if settings.place == settings.data else None
    if address is None:
        return ""
    index = repository.branch.index
    init, again = line_of_init(str(address), index), line_of("publish", str(address), index, "FILES")
    return (
        f"No repository is configured, so this was about a folder on this machine: {repository.where}\n"
        f"On GitHub it would be: `{init}`, then `{again}` (or say it once: export WHARF_REPO={address})"
    )


def _lines(repository: Repository, done: Published, *, dry_run: bool) -> list[str]:
    verb = "would publish" if dry_run else "published"
    made = "would make" if dry_run else "made"
    return [
        *([f"made a new store in {repository.where}"] if repository.made else []),
        *([f"{made} the index {repository.branch.index!r}"] if done.began else []),
        *(f"{verb} {named.file.filename} ({size_text(named.file.size)})" for named in done.published),
        *(f"skipped {named.file.filename}: its name is taken" for named in done.skipped),
        *(f"unchanged {named.file.filename}: these bytes are in the index already" for named in done.unchanged),
    ]
