"""`wharf list` and `wharf show`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from wharf.cli.at_option import at_document, at_option, say_moment
from wharf.cli.common_options import common_options
from wharf.cli.output import size_text
from wharf.cli.state import State, pass_state

if TYPE_CHECKING:
    from wharf.index.moment import Moment
    from wharf.index.snapshot import Snapshot
    from wharf.model import Project
    from wharf.repository.opening import Repository
    from wharf.sources.layers import Layers

with_bases = click.option("--bases", is_flag=True, help="Show what installers see: what its bases have, too.")


@click.command(
    "list",
    epilog="""\b
Examples:
  wharf list
  wharf list --at 2026-11-30
  wharf list --json --index staging --bases
  wharf list --server https://wharf.example.com/
""",
)
@with_bases
@at_option
@common_options
@pass_state
def list_command(state: State, bases: bool, moment: Moment | None) -> None:
    """Show the projects of the index and their versions, oldest first: those that it has itself, without --bases."""
    from wharf.operations.result_documents import projects_document

    if (server := state.server()) is not None:
        from wharf.cli import server_verbs

        server_verbs.refuse_options(bases=bases, at=moment)
        server_verbs.list_projects(state, server)
        return
    from wharf.repository.opening import line_of

    with state.repository(reading=True, fetch="may", whole=bases, at=moment) as repository:
        found, where, index = _source(repository, bases=bases).overview(), repository.where, repository.branch.index
        past = at_document(repository, moment)
        say_moment(state, repository)
    state.result(
        {**projects_document(found), **past},
        [f"{name} {', '.join(versions)}" for name, versions in found.items()],
    )
    if not found and not state.json and moment is None:
        state.say(f"The index {index!r} in {where} is empty. `{line_of('publish', where, index, 'dist/*')}` fills it.")


@click.command(
    "show",
    epilog="""\b
Examples:
  wharf show demo
  wharf show demo==1.0 --json
  wharf show demo --at 2026-11-30T12:00:00Z
  wharf show demo --index staging --bases
  wharf show --server https://wharf.example.com/ demo
""",
)
@click.argument("spec", metavar="PROJECT[==VERSION]")
@with_bases
@at_option
@common_options
@pass_state
def show_command(state: State, spec: str, bases: bool, moment: Moment | None) -> None:
    """Show a project's versions and files: those that the index has itself, without --bases.

    With --json: its document as installers read it (PEP 691).
    """
    from wharf.errors import NotFoundError, did_you_mean
    from wharf.operations.release_spec import parse_spec
    from wharf.pages import document

    name, version = parse_spec(spec)
    if (server := state.server()) is not None:
        from wharf.cli import server_verbs

        server_verbs.refuse_options(bases=bases, at=moment)
        shown, found = server_verbs.show(state, server, name, version)
        state.result(shown, _project_lines(found))
        return
    with state.repository(reading=True, fetch="may", whole=bases, at=moment) as repository:
        source = _source(repository, bases=bases)
        project, broken = next(iter(source.projects([name])), (None, []))
        near = "" if project else did_you_mean(name, source.names())
        below = () if bases else repository.branch.snapshot().settings.bases
        past = {f"_{key}": value for key, value in at_document(repository, moment).items()}
        say_moment(state, repository)
    for each in broken:
        state.warn(f"left out: {each.message}")
    more, too = (f" With --bases, what {', '.join(below)} has is shown too.", "") if below else ("", " --bases" * bases)
    too += f" --at {moment.text}" if moment else ""
    if project is None:
        raise NotFoundError(f"There is no project {name!r} in this index.", f"{near}`wharf list{too}` shows all.{more}")
    if version is not None:
        release = project.release(version)
        if release is None or not release.files:
            raise NotFoundError(f"{name} has no version {version}.", f"`wharf show {name}{too}` shows all.{more}")
        project = dataclasses.replace(project, releases=(release,))
    state.result({**document.project(project), **past}, _project_lines(project))


def _source(repository: Repository, *, bases: bool) -> Snapshot | Layers:
    """What the index has itself, or with its bases: then the repository is here as a whole."""
    from wharf.index.past_branch import clock_of
    from wharf.operations.index_with_bases import read_as_shown

    return read_as_shown(repository, clock_of(repository.branch)) if bases else repository.branch.snapshot()


def _project_lines(project: Project) -> list[str]:
    lines = [project.name if project.status.marker == "active" else f"{project.name} ({project.status.marker})"]
    if project.status.reason:
        lines.append(f"  {project.status.reason}")
    for release in project.releases:
        lines.append(release.version)
        lines += [f"  {name}  removed; only the same bytes may come back" for name in sorted(release.removed)]
        for file in release.files:
            yanked = "" if file.yanked is None else f"  yanked{': ' if file.yanked else ''}{file.yanked}"
            python = f"  Python {file.requires_python}" if file.requires_python else ""
            lines.append(f"  {file.filename}  {size_text(file.size)}  {file.upload_time:%Y-%m-%d %H:%M} UTC{python}{yanked}")
    return lines
