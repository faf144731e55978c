"""`wharf list`, `wharf show` and `wharf log`: the verbs that only read."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from wharf.cli.common_options import common_options
from wharf.cli.output import size_text
from wharf.cli.state import State, pass_state

if TYPE_CHECKING:
    from wharf.index.history import HistoryEntry
    from wharf.index.snapshot import Snapshot
    from wharf.model import Json, Project
    from wharf.repository.opening import Repository
    from wharf.sources.layers import Layers

_LAST = 253_402_300_799  # 9999-12-31T23:59:59Z


with_bases = click.option("--bases", is_flag=True, help="Show what installers see: what its bases have, too.")


@click.command("list", epilog="\b\nExamples:\n  wharf list\n  wharf list --json --index staging --bases\n")
@with_bases
@common_options
@pass_state
def list_command(state: State, bases: bool) -> None:
    """Show the projects of the index and their versions, oldest first: those that it has itself, without --bases."""
    from wharf.repository.opening import line_of

    with state.repository(reading=True, fetch="may", whole=bases) as repository:
        found, where, index = _source(repository, bases=bases).overview(), repository.where, repository.branch.index
    state.result(
        {"projects": [{"name": name, "versions": list(versions)} for name, versions in found.items()]},
        [f"{name} {', '.join(versions)}" for name, versions in found.items()],
    )
    if not found and not state.json:
        state.say(f"The index {index!r} in {where} is empty. `{line_of('publish', where, index, 'dist/*')}` fills it.")


@click.command(
    "show",
    epilog="\b\nExamples:\n  wharf show demo\n  wharf show demo==1.0 --json\n  wharf show demo --index staging --bases\n",
)
@click.argument("spec", metavar="PROJECT[==VERSION]")
@with_bases
@common_options
@pass_state
def show_command(state: State, spec: str, bases: bool) -> None:
    """Show a project's versions and files: those that the index has itself, without --bases.

    With --json: its document as installers read it (PEP 691).
    """
    from wharf.cli.release_spec import parse_spec
    from wharf.errors import NotFoundError, did_you_mean
    from wharf.pages import document

    name, version = parse_spec(spec)
    with state.repository(reading=True, fetch="may", whole=bases) as repository:
        source = _source(repository, bases=bases)
        project, broken = next(iter(source.projects([name])), (None, []))
        near = "" if project else did_you_mean(name, source.names())
        below = () if bases else repository.branch.snapshot().settings.bases
    for each in broken:
        state.warn(f"left out: {each.message}")
    more, too = (f" With --bases, what {', '.join(below)} has is shown too.", "") if below else ("", " --bases" * bases)
    if project is None:
        raise NotFoundError(f"There is no project {name!r} in this index.", f"{near}`wharf list{too}` shows all.{more}")
    if version is not None:
        release = project.release(version)
        if release is None or not release.files:
            raise NotFoundError(f"{name} has no version {version}.", f"`wharf show {name}{too}` shows all.{more}")
        project = dataclasses.replace(project, releases=(release,))
    state.result(document.project(project), _project_lines(project))


def _source(repository: Repository, *, bases: bool) -> Snapshot | Layers:
    """What the index has itself, or with its bases: then the repository is here as a whole."""
    from wharf.operations.index_with_bases import read_as_shown

    return read_as_shown(repository, datetime.now(UTC)) if bases else repository.branch.snapshot()


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


@click.command("log", epilog="\b\nExamples:\n  wharf log\n  wharf log demo --json\n")
@click.argument("project", required=False)
@common_options
@pass_state
def log_command(state: State, project: str | None) -> None:
    """Show who changed what, when and why, newest first: the git history of the index."""
    from wharf.cli.release_spec import parse_name
    from wharf.errors import NotFoundError, did_you_mean

    with state.repository(reading=True, fetch="may") as repository:
        name = None if project is None else parse_name(project)
        entries = list(repository.branch.history(name))
        near = did_you_mean(name, repository.branch.snapshot().names()) if name is not None and not entries else ""
        where, index = repository.where, repository.branch.index
    if name is not None and not entries:
        raise NotFoundError(f"The index never had a project {name!r}.", f"{near}`wharf log` without a name shows all.")
    state.result({"entries": [_entry_document(entry) for entry in entries]}, map(_entry_line, entries))
    if not entries and not state.json:
        state.say(f"Nothing was published to the index {index!r} in {where} yet.")


def _entry_document(entry: HistoryEntry) -> dict[str, Json]:
    return {**dataclasses.asdict(entry), "time": _moment(entry).isoformat().replace("+00:00", "Z")}


def _entry_line(entry: HistoryEntry) -> str:
    what = f"{entry.project} {entry.version}".strip() or "the index's settings"
    subject, _, rest = entry.message.partition("\n")
    if subject.endswith(")"):
        what += " (" + subject.rpartition("(")[2]  # the one file that it was about
    reason = rest.strip().replace("\n", " ")
    run = f"  ({entry.run})" if entry.run else ""
    return f"{_moment(entry):%Y-%m-%d %H:%M} UTC  {entry.actor}  {entry.verb} {what}{': ' if reason else ''}{reason}{run}"


def _moment(entry: HistoryEntry) -> datetime:
    # Anyone can give a commit any date. A date that Python cannot show is shown as the last year that it can.
    return datetime.fromtimestamp(min(max(entry.time, 0), _LAST), UTC)
