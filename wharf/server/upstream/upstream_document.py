"""The document (PEP 691) of a project that an upstream index has, with the addresses of this server."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from packaging.version import Version

from wharf.index.record import format_time
from wharf.model import STATUSES
from wharf.pages.document import META
from wharf.pages.document import hidden as hidden_entries

if TYPE_CHECKING:
    from wharf.index.policy import Verdict
    from wharf.model import Json
    from wharf.sources.upstream_project import UpstreamFile, UpstreamProject

LEFT_OUT = "left-out"
"""The word in place of a rule for a file that could not be shown whatever the policy says."""


def of_project(project: UpstreamProject, verdict: Verdict[UpstreamFile]) -> dict[str, Json]:
    """The page of what the policy shows (PEP 691 "Project Detail"; PEP 700, 714, 740, 792).

    Under the private key `_hidden` it says which files are not shown: by which rule, why, and until when.
    """
    marker = project.status.marker
    status: dict[str, Json] = {"status": marker if marker in STATUSES else "active"}  # clients may refuse a page with others
    if project.status.reason:
        status["reason"] = project.status.reason
    spelt = {file.version for file in verdict.shown}
    versions = {Version(each): each for each in sorted(spelt)}
    document: dict[str, Json] = {
        "meta": META,
        "name": project.name,
        "project-status": status,
        "versions": [versions[key] for key in sorted(versions)],
        "files": [_entry(project.name, file) for file in verdict.shown],
    }
    hidden = hidden_entries(verdict.hidden)
    hidden += [{"filename": each.filename, "rule": LEFT_OUT, "reason": each.reason} for each in project.left_out]
    if hidden:
        document["_hidden"] = hidden
    return document


def _entry(project: str, file: UpstreamFile) -> dict[str, Json]:
    value: dict[str, Json] = {
        "filename": file.filename,
        "url": f"../../files/{project}/{file.sha256}/{quote(file.filename)}",
        "hashes": {"sha256": file.sha256},
        "core-metadata": {"sha256": file.core_metadata} if file.core_metadata else False,
    }
    if file.size is not None:
        value["size"] = file.size
    if file.upload_time is not None:
        value["upload-time"] = format_time(file.upload_time)
    if file.requires_python is not None:
        value["requires-python"] = file.requires_python
    if file.yanked is not None:
        value["yanked"] = file.yanked or True
    if file.provenance is not None:
        value["provenance"] = file.provenance
    return value
