"""`wharf init`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wharf.cli.common_options import common_options
from wharf.cli.state import State, pass_state
from wharf.errors import UsageError

if TYPE_CHECKING:
    from wharf.operations.actions_workflow import WorkflowPlan
    from wharf.operations.init import Initialised, Step
    from wharf.repository.opening import Repository

FILE = ".github/workflows/wharf.yml"  # as in wharf.operations.actions_workflow, which is not imported to show the help


@click.command(
    "init",
    epilog="""\b
Examples:
  wharf init acme/packages
  wharf init --public https://github.example.com/acme/packages
  wharf init --index staging --json acme/packages
  wharf init --workflow acme/demo
""",
)
@click.argument("address", required=False)
@click.option("--private/--public", default=None, help="Who may see a repository that has to be made (default: --private).")
@click.option("--workflow", is_flag=True, help=f"Write {FILE}, by which GitHub publishes the project's tags.")
@click.option(
    "--site/--no-site", default=None, help="Whether the workflow deploys a site, too (default: if the repository is public)."
)
@common_options
@pass_state
def init_command(state: State, address: str | None, private: bool | None, workflow: bool, site: bool | None) -> None:
    """Make the repository if it is missing, and the index in it.

    What is there already stays as it is, so you can run it again at any time. ADDRESS is as for --repo.

    With --workflow the project that you are in gets a workflow that builds and publishes each tag v*: into its own
    repository, or into that of ADDRESS, if that is another one.
    """
    from wharf.operations.init import initialise

    if address is not None and state.options.setdefault("repo", address) != address:
        raise click.UsageError("ADDRESS and --repo name two repositories: name one.")
    if site is not None and not workflow:
        raise click.UsageError("--site and --no-site are about the file that --workflow writes.")
    with state.repository(fetch="later") as repository:
        plan = _plan(repository, site=site) if workflow else None
        done = initialise(repository, private=private, site=bool(site))
        if plan is not None:
            plan, done = _with_workflow(repository, plan, done)
        lines = [*_lines(repository, done), *(plan.lines() if plan else ())]
        steps = (*(plan.steps() if plan else ()), *_next(repository))
    for warning in done.warnings:
        state.warn(warning)
    state.result(
        {
            "repository": repository.address,
            "private": done.private,
            "default_branch": done.default_branch or None,
            "index": repository.branch.index,
            "made": list(done.made),
            "workflow": {"file": str(plan.path), "site": plan.site} if plan else None,
            "warnings": list(done.warnings),
            "next": list(steps),
        },
        [*lines, "Next:", *(f"  {step}" for step in steps)],
    )


def _plan(repository: Repository, *, site: bool | None) -> WorkflowPlan:
    """What is asked for, checked before anything is made."""
    from wharf.operations.actions_workflow import WorkflowPlan
    from wharf.operations.working_tree import find_working_tree

    tree = find_working_tree(Path.cwd())
    if repository.github is None:
        origin = f" {tree.origin[1]}" if tree.origin else " owner/name"
        raise UsageError(
            f"Workflows are GitHub's, and {repository.where} is a folder.", f"Name a repository: wharf init --workflow{origin}"
        )
    return WorkflowPlan.of(tree, repository.github.address, index=repository.branch.index, site=site)


def _with_workflow(repository: Repository, plan: WorkflowPlan, done: Initialised) -> tuple[WorkflowPlan, Initialised]:
    """Write the file, and have the index made ready for a site."""
    from wharf.operations.init import for_a_site

    plan = plan.settled(private=bool(done.private))
    made: list[Step] = ["workflow"] if plan.write() else []
    if plan.site and plan.own and for_a_site(repository):
        made.append("metadata-assets")
    return plan, replace(done, made=(*done.made, *made), warnings=(*done.warnings, *plan.warnings()))


def _lines(repository: Repository, done: Initialised) -> list[str]:
    lines = []
    where, index = repository.address, repository.branch.index
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
    if "metadata-assets" in done.made:
        lines.append("from now on core metadata is stored beside each file, where the site's readers look for it")
    if not done.made:
        lines.append("Nothing was missing.")
    return lines


def _next(repository: Repository) -> tuple[str, str]:
    """The two lines to type now."""
    from wharf.repository.opening import line_of

    address, index = repository.address, repository.branch.index
    return line_of("publish", address, index, "dist/*"), line_of("serve", address, index)
