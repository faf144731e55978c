"""The commands over a server: what they ask it for, and its answers as the same documents and lines as over a repository."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin

from wharf.cli import result_lines
from wharf.errors import NotFoundError, UsageError
from wharf.repository import server_answers as answers
from wharf.repository.server_index import Notices, open_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from wharf.cli.state import State
    from wharf.index.history import Asked
    from wharf.index.moment import Moment
    from wharf.model import Project
    from wharf.operations.promote import Wanted
    from wharf.repository.server_index import ServerIndex
    from wharf.repository.server_settings import ServerSettings

_PAGE: Final = 1000  # entries of a list that are asked for at a time, as many as the API gives


@contextmanager
def server_index(state: State, settings: ServerSettings) -> Iterator[ServerIndex]:
    """The index that the command works on. Raises WharfError."""
    notices = Notices(warn=state.warn, wait=state.waiting, note=state.say if state.verbose else lambda _text: None)
    with open_server(settings, os.environ, notices) as found:
        yield found


def refuse_options(**given: object) -> None:
    """Raise UsageError for options that work over a repository only, by their names."""
    wrong = [f"--{name.replace('_', '-')}" for name, value in given.items() if value]
    if wrong:
        raise UsageError(
            f"{' and '.join(wrong)} {'do' if len(wrong) > 1 else 'does'} not work over a server.",
            "Leave it out, or run the command where the repository is, with --repo.",
        )


def where_of_server(index: ServerIndex, commit: object) -> dict[str, Any]:
    """Where a change went, as `where_document` says it of a repository."""
    return {"repository": index.where, "index": index.name, "commit": commit}


def last_line(index: ServerIndex, commit: object) -> str:
    """The same for people."""
    return f"index {index.name!r} of {index.where}: {f'commit {commit}' if commit else 'unchanged'}"


def show_change(state: State, index: ServerIndex, answer: Mapping[str, Any], lines: Iterable[str]) -> None:
    """Print what came of a change of an index."""
    commit = answer.get("commit")
    rest = {key: value for key, value in answer.items() if key not in {"repository", "index", "commit"}}
    state.result({**where_of_server(index, commit), **rest}, [*lines, last_line(index, commit)])


def yank(state: State, server: ServerSettings, project: str, version: str, file: str | None, reason: str | None) -> None:
    """`wharf yank`, or `wharf unyank` without a reason."""
    with server_index(state, server) as index:
        parts = ("projects", project, "releases", version, "yank")
        if reason is None:
            answer = index.change(answers.YankResult, "DELETE", *parts, query={"file": file})
        else:
            answer = index.change(answers.YankResult, "PUT", *parts, query={"file": file}, document={"reason": reason})
        show_change(state, index, answer, result_lines.yank(answer, "unyanked" if reason is None else "yanked"))


def status(state: State, server: ServerSettings, project: str, marker: str, reason: str | None) -> None:
    """`wharf status`."""
    with server_index(state, server) as index:
        wanted = {"status": marker, "reason": reason}
        answer = index.change(answers.StatusResult, "PUT", "projects", project, "status", document=wanted)
        show_change(state, index, answer, result_lines.status(answer))


def promote(
    state: State, server: ServerSettings, wanted: Sequence[Wanted], source: str, *, with_dependencies: bool, dry_run: bool
) -> None:
    """`wharf promote`."""
    releases = [
        {"project": each.project, "version": each.version, "extras": sorted(each.extras)} if each.extras else
        {"project": each.project, "version": each.version}
        for each in wanted
    ]  # fmt: skip
    document = {"from": source, "releases": releases, "with_dependencies": with_dependencies, "dry_run": dry_run}
    with server_index(state, server) as index:
        answer = index.change(answers.PromotionResult, "POST", "promote", document=document)
        for warning in result_lines.promotion_warnings(answer):
            state.warn(warning)
        show_change(state, index, answer, result_lines.promotion(answer, "would promote" if dry_run else "promoted"))


def restore(state: State, server: ServerSettings, moment: str, projects: Sequence[str], *, dry_run: bool, yes: bool) -> None:
    """`wharf restore`."""
    with server_index(state, server) as index:
        asked = {"to": moment, "projects": [*projects]}
        answer = index.change(answers.RestorationResult, "POST", "restore", document={**asked, "dry_run": dry_run or not yes})
        changes = any(answer[key] for key in ("back", "left", "changed"))
        if not (dry_run or yes) and changes:
            listed = result_lines.restoration_listed(answer)
            state.confirm(result_lines.restoration_question(answer), yes=False, lines=listed, what="restoration")
            answer = index.change(answers.RestorationResult, "POST", "restore", document={**asked, "dry_run": False})
        for warning in result_lines.restoration_warnings(answer):
            state.warn(warning)
        show_change(state, index, answer, result_lines.restoration(answer, changes=changes, dry_run=dry_run))


def list_projects(state: State, server: ServerSettings) -> None:
    """`wharf list`."""
    with server_index(state, server) as index:
        found = list(index.pages(answers.ProjectList, "projects", key="projects", cursor="after", query={"limit": _PAGE}))
        where, name = index.where, index.name
    projects = [{"name": each["name"], "versions": each["versions"]} for each in found]
    state.result({"projects": [*projects]}, [f"{each['name']} {', '.join(each['versions'])}" for each in projects])
    if not found and not state.json:
        state.say(f"The index {name!r} of {where} is empty. `wharf publish dist/*` fills it.")


def show(state: State, server: ServerSettings, project: str, version: str | None) -> tuple[dict[str, Any], Project]:
    """The document for `wharf show`, and the project that it tells of; with a version, of that alone."""
    import dataclasses

    from wharf.operations.server_project import project_of

    with server_index(state, server) as index:
        found = index.get(answers.ProjectPage, "projects", project)
        address = index.client.url(index.path("projects", project))
        value = project_of(found, index.where)
    document = {key: each for key, each in found.items() if key not in {"_removed", "index", "commit"}}
    document["files"] = [{**each, "url": urljoin(address, str(each.get("url", "")))} for each in found["files"]]
    if version is not None:
        release = value.release(version)
        if release is None or not release.files:
            raise NotFoundError(f"{project} has no version {version}.", f"`wharf show {project}` shows all.")
        value = dataclasses.replace(value, releases=(release,))
        names = {file.filename for file in release.files}
        document["versions"] = [release.version]
        document["files"] = [each for each in document["files"] if each["filename"] in names]
    return document, value


def log(state: State, server: ServerSettings, asked: Asked) -> None:
    """`wharf log`, page by page: what is printed is asked for while it is printed."""
    from itertools import chain, islice, takewhile

    if asked.filename is not None:
        raise UsageError("Over a server, `wharf log` is about a project or a release, not one file.", "Leave the file out.")
    with server_index(state, server) as index:
        query = {"project": asked.project, "version": asked.version, "limit": min(asked.most or _PAGE, _PAGE)}
        every = index.pages(answers.Log, "log", key="entries", cursor="before", query=query)
        entries = takewhile(_came_since(index, asked.since), every)
        first = next(entries, None)
        if first is None and not _tells_none(state, index, asked):
            what = asked.project if asked.version is None else f"{asked.project} {asked.version}"
            raise NotFoundError(f"The index never had {what}.", "`wharf log` without a name shows all.")
        found = islice(chain([first] if first else [], entries), asked.most)
        state.result({"entries": list(found) if state.json else []}, map(result_lines.history, found))


def _came_since(index: ServerIndex, moment: Moment | None) -> Callable[[Mapping[str, Any]], bool]:
    """Whether an entry of the log came since a moment. Raises NotFoundError for a commit that is not in the history.

    A commit is looked for in the whole history: it need not be about the project that is asked for.
    """
    if moment is None or moment.commit is None:
        begin = None if moment is None else moment.time
        return lambda entry: begin is None or _time_of(entry) >= begin
    newer: set[str] = set()
    for found in index.pages(answers.Log, "log", key="entries", cursor="before", query={"limit": _PAGE}):
        if found["commit"].startswith(moment.commit):
            then = _time_of(found)
            return lambda entry: entry["commit"] in newer or _time_of(entry) > then  # or it is made at this moment
        newer.add(found["commit"])
    raise NotFoundError(
        f"The commit {moment.commit[:12]} was never the tip of the index {index.name!r}.",
        "`wharf log` shows the commits of the index.",
    )


def _time_of(entry: Mapping[str, Any]) -> float:
    """When a commit was made, in seconds since 1970."""
    from datetime import datetime

    return datetime.fromisoformat(entry["time"]).timestamp()


def _tells_none(state: State, index: ServerIndex, asked: Asked) -> bool:
    """Say why there is nothing, unless that is an error: the index never had what was asked about."""
    if asked.project is not None and asked.since is None:
        return False
    if not state.json:
        nothing = f"Nothing was published to the index {index.name!r} of {index.where} yet."
        state.say(f"Nothing was changed since {asked.since.text}." if asked.since else nothing)
    return True
