"""`wharf diff`."""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING

import click

from wharf.cli.common_options import common_options
from wharf.cli.state import State, pass_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wharf.model import File, Json, Status
    from wharf.operations.diff import ProjectDiff, ReleaseDiff, Side


@click.command(
    "diff",
    epilog="""\b
Examples:
  wharf diff 2026-11-01..
  wharf diff 2026-11-01..2026-11-30 --json
  wharf diff main..staging --markdown
  wharf diff main@2026-11-01..staging@4f9c21d
""",
)
@click.argument("states", metavar="A..B")
@click.option("--markdown", "marked", is_flag=True, help="As the text of a pull request.")
@common_options
@pass_state
def diff_command(state: State, states: str, marked: bool) -> None:
    """Show what differs for installers: projects, versions, files, yanks, requirements and statuses.

    A and B are each a date, a time in UTC or a commit of the index; the name of an index of the repository; or INDEX@WHEN.
    Without one of them, it is the index as it is now. Only what an index has itself is compared, without its bases.
    """
    from wharf.errors import UsageError
    from wharf.operations.diff import diff
    from wharf.operations.diff_text import lines, markdown

    if marked and state.json:
        raise UsageError("--markdown and --json exclude each other.", "Leave one of them out.")
    with state.repository(reading=True) as repository, _without_garbage_collection():
        found = diff(repository, states, detailed=marked)
        document: dict[str, Json] = {
            "repository": repository.address,
            "from": _side(found.one),
            "to": _side(found.other),
            "projects": [_project(each) for each in found.projects],
            "settings": found.settings,
        }
    state.result(document, markdown(found).splitlines() if marked else lines(found))


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Values of many releases refer to each other in no circle: to look for circles in them takes a quarter of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _side(side: Side) -> Json:
    return {"index": side.index, "commit": side.commit, "moment": side.moment}


def _project(project: ProjectDiff) -> Json:
    both = project.requirements()
    return {
        "name": project.name,
        "change": project.change,
        "newest": [None if each is None else each.version for each in (project.before, project.after)],
        "status": None if project.status is None else [_status(each) for each in project.status],
        "requires": None if both is None else [*both[0]],
        "requires_no_more": None if both is None else [*both[1]],
        "releases": [_release(each) for each in project.releases],
        "unread": [*project.unread],
    }


def _status(status: Status) -> Json:
    return {"status": status.marker, "reason": status.reason}


def _release(release: ReleaseDiff) -> Json:
    return {
        "version": release.version,
        "change": release.change,
        "come": [_file(each) for each in release.come],
        "gone": [_file(each) for each in release.gone],
        "yanks": [_file(each) for each in release.yanks],
        "others": [_file(each) for each in release.others],
    }


def _file(file: File) -> Json:
    return {"filename": file.filename, "sha256": file.sha256, "size": file.size, "yanked": file.yanked}
