"""The one model of a page: the PEP 691 document (api-version 1.4) of a project or of the list of projects."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from wharf.index import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wharf.index.policy import Hidden
    from wharf.model import File, Json, Project

META: dict[str, Json] = {"api-version": record.API_VERSION}


def relative_link(file: File) -> str:
    """Where a file lies, seen from `…/simple/<project>/`: it works behind any prefix of the path."""
    return f"../../files/{file.sha256}/{quote(file.filename)}"


def project(value: Project, link: Callable[[File], str] = relative_link) -> dict[str, Json]:
    """A project's document (PEP 691 "Project Detail"; PEP 700, 714, 792).

    A quarantined project offers no file (PEP 792, "quarantined").
    """
    status: dict[str, Json] = {"status": value.status.marker}
    if value.status.reason:
        status["reason"] = value.status.reason
    offered = () if value.status.marker == "quarantined" else value.files
    return {
        "meta": META,
        "name": value.name,
        "project-status": status,
        "versions": list(value.versions),
        "files": [_entry(file, link(file)) for file in offered],
    }


def hidden(files: Iterable[Hidden]) -> list[Json]:
    """What a page says under the private key `_hidden`, one entry for each file."""
    return [hidden_entry(each) for each in files]


def hidden_entry(file: Hidden) -> dict[str, Json]:
    """By which rule a file is hidden, why, and until when at least; no `until`: time alone does not change that."""
    entry: dict[str, Json] = {"filename": file.filename, "rule": file.rule, "reason": file.reason}
    if file.until is not None:
        entry["until"] = record.format_time(file.until)
    return entry


def projects(names: Iterable[str]) -> dict[str, Json]:
    """The list's document (PEP 691, "Project List")."""
    return {"meta": META, "projects": [{"name": name} for name in names]}


def _entry(file: File, url: str) -> dict[str, Json]:
    entry = record.entry(file)
    entry.pop("_wharf", None)
    for key in file.extra:
        entry.pop(key)
    entry["url"] = url  # and no "dist-info-metadata": that name is for HTML alone (PEP 714), pip 22.3 to 23.1.2 break on it
    return entry
