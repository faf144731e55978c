"""What a pull request says about a promotion: what changes for installers. Pure, and nothing in it is believed to be harmless.

Names, reasons and requirements come from records and core metadata, which anyone who can push to the source may have written.
So all of them stand in code spans, in which GitHub makes no mention, no link and no HTML of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wharf.distribution.core_metadata import requires_dist
from wharf.errors import InvalidDistributionError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from wharf.index.change import Named
    from wharf.index.promotion import PromotedRelease
    from wharf.model import File, Project, Release
    from wharf.operations.promote import Promoted, PromotionPlan

LONGEST: Final = 60_000
"""Characters of a text, a little less than GitHub takes (65,536)."""

_LONGEST_CODE = 200  # characters of one value
_ITEMS = 30  # files or requirements of one release that are told


def title(plan: PromotionPlan, source: str, target: str) -> str:
    """One line, of names and versions alone."""
    releases = list(dict.fromkeys((each.project, each.version) for each in plan.outcome.changed))
    what = ", ".join(f"{project} {version}" for project, version in releases[:2])
    if len(releases) > len(releases[:2]) or len(what) > _LONGEST_CODE:
        what = f"{len(releases)} releases of {len({project for project, _ in releases})} projects"
    return f"Promote {what} from {source} to {target}"


def text(plan: PromotionPlan, done: Promoted, source: str, target: str) -> str:
    """The whole text, in Markdown."""
    projects = {project.name: project for project, _ in plan.target.projects({each.project for each in done.promoted})}
    newest = {name: found for name, project in projects.items() if (found := _newest(project)) is not None}
    kept = dict(zip(newest, plan.target.metadata_of([*newest.values()]), strict=True))
    come = {(each.release.project, each.release.version): each for each in plan.change.releases}
    by_release: dict[tuple[str, str], list[Named]] = {}
    for named in done.promoted:
        by_release.setdefault((named.project, named.version), []).append(named)
    parts = [
        f"This takes releases of the index {code(source)} into {code(target)}. No file moves: both name the same files. "
        f"When it is merged, installers see them in {code(target)}.",
        "### What changes for installers",
    ]
    for (project, version), files in by_release.items():
        come_now = come.get((project, version)) or _spelled(come, project, files)
        requires = requirements(come_now.metadata), requirements(kept.get(project, {}))
        some = [named.file for named in files]
        lines = release_lines(version, some, come_now.release, newest.get(project), requires)
        parts.append("\n".join([f"- {code(project)} {code(version)}", *(f"  - {line}" for line in lines)]))
    parts += _more(
        "Dependencies that come along",
        [
            f"{code(each.release.project)} {code(each.release.version)}: {code(each.of)} requires {code(each.requirement)}"
            for each in done.followed
        ],
    )
    parts += _more("Left to other indexes", [f"{code(each.requirement)} (of {code(each.of)})" for each in done.left])
    parts += _more("Not announced on static pages", [code(named.file.filename) for named in done.not_announced])
    return bounded(parts)


def code(text: str) -> str:
    """Text that anybody may have written, as one short code span."""
    shown = "".join(each if each.isprintable() else " " for each in text.replace("`", "'"))
    shown = " ".join(shown.split())
    return f"`{shown[:_LONGEST_CODE]}{'…' if len(shown) > _LONGEST_CODE else ''}`" if shown else "(empty)"


def release_lines(
    version: str,
    files: Sequence[File],
    release: Release,
    newest: Release | None,
    requires: tuple[Collection[str] | None, Collection[str] | None],
) -> Iterator[str]:
    """What is to be told of one release that comes: of these files, and against the newest version that is there.

    `requires` are the requirements of the release, and those of that version; None where they cannot be read.
    """
    if newest is None:
        yield "a new project"
    elif newest.version == version:
        yield "more files of the newest version there"
    else:
        yield f"the newest version there is {code(newest.version)}"
    for file in files[:_ITEMS]:
        yanked = "" if file.yanked is None else f", yanked: {code(file.yanked)}"
        yield f"file {code(file.filename)}, {file.size:,} bytes, sha256 {code(file.sha256)}{yanked}"
    if len(files) > _ITEMS:
        yield f"and {len(files) - _ITEMS} more files"
    pythons = {file.requires_python or "any" for file in release.files}
    before = {file.requires_python or "any" for file in newest.files} if newest is not None else pythons
    if newest is None or pythons != before:
        was = f" (was {_codes(before)})" if newest is not None else ""
        yield f"Python: {_codes(pythons)}{was}"
    yield from requirement_lines(*requires, new=newest is None)


def requirement_lines(now: Collection[str] | None, then: Collection[str] | None, *, new: bool) -> Iterator[str]:
    """How requirements changed; those of a new project as they are. None: they cannot be read."""
    if now is None or then is None:
        yield "its requirements cannot be read and compared"
        return
    added, gone = {*now} - {*then}, {*then} - {*now}
    verbs = (("requires", {*now}),) if new else (("requires", added), ("requires no more", gone))
    for verb, some in verbs:
        yield from (f"{verb} {code(each)}" for each in sorted(some)[:_ITEMS])
        if len(some) > _ITEMS:
            yield f"and {len(some) - _ITEMS} more that it {verb}"
    if not new and not added | gone:
        yield "the same requirements"


def requirements(metadata: Mapping[str, bytes]) -> set[str] | None:
    """Those of all files together, by the files' names and core metadata; None if some cannot be read."""
    try:
        return {each for filename, data in metadata.items() for each in requires_dist(data, filename)}
    except InvalidDistributionError:
        return None


def _newest(project: Project) -> Release | None:
    return next((each for each in reversed(project.releases) if each.files), None)


def _spelled(come: Mapping[tuple[str, str], PromotedRelease], project: str, files: Sequence[Named]) -> PromotedRelease:
    """The release that joined a record of an equal version in another spelling."""
    names = {named.file.filename for named in files}
    return next(each for (name, _), each in come.items() if name == project and names & each.metadata.keys())


def _more(heading: str, lines: Sequence[str]) -> list[str]:
    return ["\n".join([f"### {heading}", "", *(f"- {line}" for line in lines)])] if lines else []


def _codes(texts: Iterable[str]) -> str:
    return ", ".join(code(each) for each in sorted(texts)[:_ITEMS])


def bounded(parts: Sequence[str]) -> str:
    """The parts, as far as GitHub takes them."""
    found, size = [], 0
    for part in parts:
        size += len(part) + 2
        if size > LONGEST:
            found.append("The rest does not fit into this text: the changed files show all of it.")
            break
        found.append(part)
    return "\n\n".join(found) + "\n"
