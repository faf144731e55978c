"""What came of a verb, in lines for people. They are made from the JSON document, so a server's answer gives the same ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from wharf.cli.output import size_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    Document = Mapping[str, Any]

_SHOWN: Final = 20  # files of a kind, or releases, that are listed before a question


def publication(document: Document, *, dry_run: bool) -> list[str]:
    """What came of a publish, file by file."""
    verb = "would publish" if dry_run else "published"
    return [
        *(f"{verb} {file['filename']} ({size_text(file['size'])})" for file in document["published"]),
        *(f"skipped {file['filename']}: its name is taken" for file in document["skipped"]),
        *(f"unchanged {file['filename']}: these bytes are in the index already" for file in document["unchanged"]),
    ]


def yank(document: Document, verb: str) -> list[str]:
    """What came of a yank; `verb`: yanked or unyanked."""
    already = "it is not yanked" if verb == "unyanked" else "it is yanked already"
    return [
        *(f"{verb} {file['filename']}" for file in document["changed"]),
        *(f"unchanged {file['filename']}: {already}" for file in document["unchanged"]),
    ]


def removal(document: Document, age: str | None = None) -> list[str]:
    """What came of a removal; `age` as it was typed."""
    freed = dict.fromkeys(file["filename"] for file in document["removed"])
    younger = document["younger"]
    return [
        *(f"removed {name}" for name in freed),
        *(f"gone already: {file['filename']}" for file in document["gone"] if file["filename"] not in freed),
        *([f"left {len(younger)} release(s) that are younger than {age}"] if younger else []),
    ]


def removal_question(document: Document, *, whole: bool) -> str:
    """One question for all that would be removed; `whole`: releases were named, and not single files."""
    files = document["removed"]
    releases = _files_by_release(document)
    if not releases:
        return "All of that left the index before. Delete what is still stored of it for ever?"
    if len(releases) > 1:
        projects = {name for name, _ in releases}
        return f"Delete {len(releases)} releases of {len(projects)} project(s) with {len(files)} file(s) for ever?"
    if len(files) == 1 and not whole:
        return f"Delete {files[0]['filename']} for ever?"
    ((project, version),) = releases
    return f"Delete {project} {version} with all its files for ever?"


def removal_listed(document: Document) -> list[str]:
    """The releases above that question, as many as a person reads; nothing if the question says it all."""
    releases = _files_by_release(document)
    if len(releases) < 2:
        return []
    lines = [f"  {project} {version}: {count} file(s)" for (project, version), count in releases.items()]
    return [*lines[:_SHOWN], *([f"  and {len(lines) - _SHOWN} more releases"] if len(lines) > _SHOWN else [])]


def _files_by_release(document: Document) -> dict[tuple[str, str], int]:
    releases: dict[tuple[str, str], int] = {}
    for file in document["removed"]:
        key = file["project"], file["version"]
        releases[key] = releases.get(key, 0) + 1
    return releases


def status(document: Document) -> list[str]:
    """The status that a project has now."""
    return [f"{document['project']} is {document['status']}{'' if document['changed'] else ' already'}"]


def promotion(document: Document, verb: str, *, fresh: bool = True) -> list[str]:
    """What came of a promotion; `fresh`: its pull request was opened now."""
    proposal = document["proposal"]
    return [
        *(f"{verb} {file['filename']}" for file in document["promoted"]),
        *(f"unchanged {file['filename']}: these bytes are in the index already" for file in document["unchanged"]),
        *(
            f"{each['project']} {each['version']} comes along: {each['of']} requires {each['requirement']}"
            for each in document["dependencies"]
        ),
        *(f"left to other indexes: {each['requirement']} (of {each['of']})" for each in document["left"]),
        *([f"{'opened' if fresh else 'open already:'} pull request {proposal['address']}"] if proposal else []),
    ]


def promotion_warnings(document: Document, yanked: Mapping[str, bool] | None = None) -> list[str]:
    """What is worth a warning in a promotion; `yanked`: whether a file is, by its name, as far as that is known."""
    state = {None: "in another state of yank", True: "yanked", False: "not yanked"}
    return [
        *(
            f"The core metadata of {name} is not announced on static pages: its release takes no more files."
            for name in document["not_announced"]
        ),
        *(
            f"{name} is {state[(yanked or {}).get(name)]} here, and stays so. "
            f"In {document['from']} that is different: `wharf yank` and `wharf unyank` change it here."
            for name in document["otherwise_yanked"]
        ),
    ]


def restoration(document: Document, *, changes: bool, dry_run: bool) -> list[str]:
    """What came of a restoration; `changes`: whether it comes to any."""
    lines = [line for part in _restored(document) for line in part]
    if not changes:
        lines.append("The index is as it was then, as far as it can be." if lines else "The index is as it was then.")
    elif dry_run:
        lines.append("Nothing was changed: this is what would be.")
    return lines


def restoration_question(document: Document) -> str:
    """What is asked before a restoration."""
    back, left, changed, lost = (len(document[key]) for key in ("back", "left", "changed", "lost"))
    return (
        f"Restore the index to {document['to']['moment']}: {back} file(s) come back, {left} leave, "
        f"{changed} change, {lost} are lost?"
    )


def restoration_listed(document: Document) -> list[str]:
    """The files above that question, as many as a person reads."""
    lines = []
    for part in _restored(document):
        lines += [f"  {line}" for line in part[:_SHOWN]]
        lines += [f"  and {len(part) - _SHOWN} more such files"] if len(part) > _SHOWN else []
    return lines


def restoration_warnings(document: Document) -> list[str]:
    """What is worth a warning in a restoration."""
    moment = document["to"]["moment"]
    return [
        *(f"The core metadata of {name} is not announced on static pages." for name in document["not_announced"]),
        *(f"A release stays as it is, because its record cannot be read at {moment}: {text}" for text in document["unread"]),
    ]


def _restored(document: Document) -> list[list[str]]:
    """What becomes of the files, in groups."""
    return [
        [f"comes back: {file['filename']}" for file in document["back"]],
        [f"leaves, name stays taken: {file['filename']}" for file in document["left"]],
        [f"changes: {file['filename']}, {_yanked(file['yanked'])}" for file in document["changed"]],
        [f"lost: {file['filename']}: {file['reason']}" for file in document["lost"]],
    ]


def _yanked(reason: str | None) -> str:
    return "not yanked" if reason is None else f"yanked: {reason}" if reason else "yanked"


def history(entry: Document) -> str:
    """A commit in a line."""
    reason = " ".join(entry["reason"].split())
    run = f"  ({entry['run']})" if entry["run"] else ""
    actor = " ".join(entry["actor"].split())
    told = f"{entry['verb']} {entry['what']}{': ' if reason else ''}{reason}{run}"
    time = f"{_time(entry['time']):%Y-%m-%d %H:%M} UTC"
    return f"{time}  {entry['commit'][:12]}  {actor}  {told}".replace("\n", " ")


def token(document: Document) -> str:
    """A token that is listed, in a line."""
    parts = [
        document["name"],
        document["scope"],
        expiry(document),
        f"created {document['created'][:10]}",
        f"last used {document['last_used']}" if document["last_used"] else "no use noted",
        f"index {', '.join(document['indexes'])}" if document["indexes"] else "all indexes",
    ]
    if document["projects"]:
        parts.append(f"writes {', '.join(document['projects'])}")
    if document["owner"]:
        parts.append(f"owner {document['owner']}")
    if document["note"]:
        parts.append(f"note: {document['note']}")
    return "  ".join(parts)


def expiry(document: Document) -> str:
    """Until when a token is valid, in words."""
    if document["expires"] is None:
        return "does not expire"
    moment = _time(document["expires"])
    return f"{'expires' if datetime.now(UTC) < moment else 'expired'} {moment:%Y-%m-%d %H:%M} UTC"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
