"""`wharf init`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from wharf.cli.output import State, common, pass_state

if TYPE_CHECKING:
    from wharf.operations.init import Initialised
    from wharf.repository import Repository


@click.command(
    "init",
    epilog="""\b
Examples:
  wharf init acme/packages
  wharf init --public https://github.example.com/acme/packages
  wharf init --index staging --json acme/packages
""",
)
@click.argument("address", required=False)
@click.option("--private/--public", default=None, help="Who may see a repository that has to be made (default: --private).")
@common
@pass_state
def init_command(state: State, address: str | None, private: bool | None) -> None:
    """Make the repository if it is missing, and the index in it.

    What is there already stays as it is, so that it can be said again at any time. ADDRESS is as for --repo.
    """
    from wharf.objects import identity
    from wharf.operations.init import initialise

    if address is not None and state.options.setdefault("repo", address) != address:
        raise click.UsageError("ADDRESS and --repo name two repositories: name one.")
    with state.repository(fetch="later") as repository:
        done = initialise(repository, private=private, actor=identity())
        lines, steps = _lines(repository, done), _next(repository)
    for warning in done.warnings:
        state.warn(warning)
    state.result(
        {
            "repository": str(repository.github.address) if repository.github else repository.where,
            "private": done.private,
            "default_branch": done.default_branch or None,
            "index": repository.branch.index,
            "made": list(done.made),
            "warnings": list(done.warnings),
            "next": list(steps),
        },
        [*lines, "Next:", *(f"  {step}" for step in steps)],
    )


def _lines(repository: Repository, done: Initialised) -> list[str]:
    lines = []
    where, index = (repository.github.address if repository.github else repository.where), repository.branch.index
    if done.private is not None:
        kind = "private" if done.private else "public: everybody can read it"
        if "repository" in done.made:
            lines.append(f"made the repository {where} ({kind}), with a first commit on {done.default_branch}")
        else:
            lines.append(f"the repository {where} is there ({kind})")
    if "first-commit" in done.made:
        lines.append(f"made a first commit on {done.default_branch}: it was empty")
    branch = f"branch wharf/{index}" if repository.github else where
    lines.append(f"made the index {index!r} ({branch})" if "index" in done.made else f"the index {index!r} is there ({branch})")
    if not done.made:
        lines.append("Nothing was missing.")
    return lines


def _next(repository: Repository) -> tuple[str, str]:
    """The two lines to type now."""
    from wharf.settings import DEFAULT_INDEX

    address = str(repository.github.address) if repository.github else repository.where
    words = f" --repo {shlex.quote(address)}"
    words += f" --index {repository.branch.index}" if repository.branch.index != DEFAULT_INDEX else ""
    return f"wharf publish{words} dist/*", f"wharf serve{words}"
