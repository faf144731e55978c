"""`wharf log`."""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING

import click

from wharf.cli.common_options import common_options
from wharf.cli.state import State, pass_state
from wharf.errors import NotFoundError, UsageError, did_you_mean

if TYPE_CHECKING:
    from wharf.index.history import Asked
    from wharf.repository.opening import Repository


@click.command(
    "log",
    epilog="""\b
Examples:
  wharf log -n 10
  wharf log demo --json
  wharf log demo==1.0 demo-1.0-py3-none-any.whl
  wharf log --since 2026-11-30
  wharf log --server https://wharf.example.com/ demo
""",
)
@click.argument("spec", metavar="[PROJECT[==VERSION]]", required=False)
@click.argument("filename", metavar="[FILE]", required=False)
@click.option("-n", "--max-count", "most", type=click.IntRange(min=1), metavar="N", help="Show the newest N commits.")
@click.option("--since", metavar="WHEN", help="Show what was done since a date, a time, or a commit of the index.")
@common_options
@pass_state
def log_command(state: State, spec: str | None, filename: str | None, most: int | None, since: str | None) -> None:
    """Show who changed what, when and why, newest first: the git history of the index, a line a commit.

    With a project, a version of it or a file of that version: the commits that changed it.
    """
    from wharf.cli import result_lines
    from wharf.operations.result_documents import history_document

    asked = _asked(spec, filename, most, since)
    if (server := state.server()) is not None:
        from wharf.cli import server_verbs

        server_verbs.log(state, server, asked)
        return
    with state.repository(reading=True, fetch="may") as repository:
        entries = repository.branch.history(asked)
        first = next(entries, None)
        if first is None:
            _tell_none(state, repository, asked)
        found = chain([first] if first else [], entries)
        # What is printed is read while it is printed.
        documents = map(history_document, found)
        state.result({"entries": list(documents) if state.json else []}, map(result_lines.history, documents))


def _asked(spec: str | None, filename: str | None, most: int | None, since: str | None) -> Asked:
    from wharf.index.history import Asked
    from wharf.index.moment import check_not_ahead, parse_moment
    from wharf.operations.release_spec import parse_spec

    name, version = (None, None) if spec is None else parse_spec(spec)
    if filename is not None and version is None:
        raise UsageError(f"{name} names no version.", f"Write it as in {name}==1.0, with the name of the file behind it.")
    moment = None if since is None else parse_moment(since)
    if moment is not None:
        check_not_ahead(moment, time.time())
    return Asked(project=name, version=version, filename=filename, since=moment, most=most)


def _tell_none(state: State, repository: Repository, asked: Asked) -> None:
    """Say why there is nothing. Raises NotFoundError for what the index never had."""
    branch = repository.branch
    if asked.project is None or asked.since is not None:
        if not state.json:
            nothing = f"Nothing was published to the index {branch.index!r} in {repository.where} yet."
            state.say(f"Nothing was changed since {asked.since.text}." if asked.since else nothing)
        return
    name = asked.project
    if asked.version is None:
        near = did_you_mean(name, branch.snapshot().names())
        raise NotFoundError(f"The index never had a project {name!r}.", f"{near}`wharf log` without a name shows all.")
    what = f"{name} {asked.version}" if asked.filename is None else f"a file {asked.filename!r} of {name} {asked.version}"
    raise NotFoundError(f"The index never had {what}.", f"`wharf log {name}` shows what was done to the project.")
