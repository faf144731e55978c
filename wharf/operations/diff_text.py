"""What a diff says: lines for people, and Markdown for a pull request. Pure, and nothing in it is believed to be harmless.

Names, reasons and requirements come from records and core metadata, which anyone who can push to an index may have written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wharf.distribution.file_names import plain
from wharf.model import Release
from wharf.operations.proposal_text import bounded, code, release_lines, requirement_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wharf.model import File, Status
    from wharf.operations.diff import Diff, ProjectDiff, ReleaseDiff

_LONGEST: Final = 200  # characters of a value in a line
_ITEMS: Final = 50  # releases of one project that Markdown tells


def lines(diff: Diff) -> Iterator[str]:
    """For people: a line for each project, release, file and requirement that differs."""
    for project in diff.projects:
        yield f"{project.name}: {_about(project)}"
        if project.status:
            yield f"  status: {_status(project.status[0])} before, {_status(project.status[1])} now"
        both = project.requirements()
        if both is None:
            yield "  its requirements cannot be read and compared"
        else:
            yield from (f"  requires {_short(each)}" for each in both[0])
            yield from (f"  requires no more {_short(each)}" for each in both[1] if project.change != "gone")
        for release in project.releases:
            yield f"  {_SIGNS[release.change]} {release.version}"
            yield from (f"    {line}" for line in _files(release))
        yield from (f"  cannot be read: {_short(each)}" for each in project.unread)
    if diff.settings:
        yield "wharf.toml differs."
    if not diff.projects and not diff.settings:
        yield "Nothing differs for installers."


def markdown(diff: Diff) -> str:
    """As the text of a pull request: as much as GitHub takes, and every foreign value in a code span."""
    kinds = [sum(project.change == kind for project in diff.projects) for kind in ("come", "gone", "changed")]
    parts = [
        f"What differs for installers from {code(diff.one.text)} ({code(diff.one.commit[:12])}) to {code(diff.other.text)} "
        f"({code(diff.other.commit[:12])}): {kinds[0]} projects come, {kinds[1]} go, {kinds[2]} change.",
    ]
    if diff.settings:
        parts.append("The settings (`wharf.toml`) differ.")
    parts += ["\n".join([f"- {code(project.name)}: {_about(project, code)}", *_below(project)]) for project in diff.projects]
    return bounded(parts)


_SIGNS: Final = {"come": "+", "gone": "-", "changed": "~"}


def _about(project: ProjectDiff, shown: Callable[[str], str] = str) -> str:
    """What became of a project as a whole; `shown` is how a version stands in the text."""
    before, after = (None if each is None else shown(each.version) for each in (project.before, project.after))
    if project.change == "come":
        return f"a new project, newest version {after}"
    if project.change == "gone":
        return f"gone, newest version was {before}"
    if before is None:
        return "no files"
    return f"newest version {before}" if before == after else f"newest version {before} before, {after} now"


def _below(project: ProjectDiff) -> Iterator[str]:
    """The lines below a project in Markdown."""
    if project.status:
        yield f"  - status: {code(_status(project.status[0]))} before, {code(_status(project.status[1]))} now"
    newest = None if project.before is None else project.before.release
    if project.before is not None and newest is None:
        newest = Release(project=project.name, version=project.before.version)
    then = frozenset() if project.before is None else project.before.requires
    coming = [each for each in project.releases if each.change == "come"]
    told = project.after is None or any(each.version == project.after.version for each in coming)
    if not told and project.after is not None:
        yield from (f"  - {line}" for line in requirement_lines(project.after.requires, then, new=False))
    for release in project.releases[:_ITEMS]:
        yield f"  - {_VERBS[release.change]} {code(release.version)}"
        if release.change == "come" and release.after is not None:
            found = release_lines(release.version, release.come, release.after, newest, (release.requires, then))
        else:
            found = _files(release, mark=code)
        yield from (f"    - {line}" for line in found)
    if len(project.releases) > _ITEMS:
        yield f"  - and {len(project.releases) - _ITEMS} more releases"
    yield from (f"  - cannot be read: {code(each)}" for each in project.unread[:_ITEMS])


_VERBS: Final = {"come": "comes:", "gone": "goes:", "changed": "changes:"}


def _files(release: ReleaseDiff, mark: Callable[[str], str] | None = None) -> Iterator[str]:
    """The files of a release that differ. `mark` makes a value of what anybody may have written; None: as in a line."""
    mark = mark or _short
    yield from (f"+ {mark(file.filename)}{_yank(file, mark)}" for file in release.come)
    yield from (f"- {mark(file.filename)}" for file in release.gone)
    for file in release.yanks:
        yield f"{mark(file.filename)} {'not yanked any more' if file.yanked is None else _yank(file, mark).lstrip(', ')}"
    yield from (f"{mark(file.filename)} differs in its record" for file in release.others)


def _yank(file: File, mark: Callable[[str], str]) -> str:
    if file.yanked is None:
        return ""
    return f", yanked: {mark(file.yanked)}" if file.yanked else ", yanked"


def _status(status: Status) -> str:
    return f"{status.marker} ({_short(status.reason)})" if status.reason else status.marker


def _short(text: str) -> str:
    return plain(text, _LONGEST)
