"""Which files a removal over a server takes away, where it is a glob or an age that chooses: by what the server shows.

They are named one by one then, as over a repository: what somebody publishes meanwhile stays.
"""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from wharf.errors import StorageError, UsageError
from wharf.operations.removal_choice import choose
from wharf.operations.server_project import ServerRecords, project_of
from wharf.repository.server_answers import ProjectPage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from wharf.index.yank_and_remove import Leaving
    from wharf.model import Json, Project
    from wharf.operations.removal_choice import RemovalChoice, WantedRemoval
    from wharf.repository.server_client import ServerAnswer
    from wharf.repository.server_index import ServerIndex

MOST: Final = 1000
"""Files that a server removes with one commit."""


def choose_on_server(index: ServerIndex, wanted: Sequence[WantedRemoval], older_than: timedelta | None) -> RemovalChoice:
    """As `choose`, by what a server shows, and by its clock: that of this machine may be wrong. Raises WharfError."""
    shown: dict[str, Project] = {}
    before: datetime | None = None
    for name in dict.fromkeys(each.project for each in wanted):
        answer = index.client.call("GET", index.client.url(index.path("projects", name)), form=ProjectPage)
        shown[name] = project_of(answer.document, index.where)
        if older_than is not None and before is None:
            before = _date(answer, index) - older_than
    return choose(ServerRecords(shown), wanted, before)


def named_files(leaving: Sequence[Leaving]) -> list[Json]:
    """What a server is asked to remove: releases, or files of them. Raises UsageError for too many."""
    found: list[Json] = [
        {"project": each.project, "version": each.version, "file": filename}
        for each in leaving
        for filename in (sorted(each.filenames) if each.filenames is not None else [None])
    ]
    if len(found) > MOST:
        raise UsageError(
            f"These are {len(found)} files, and a server removes {MOST} at a time.",
            "Name fewer, or run the command where the repository is, with --repo.",
        )
    return found


def _date(answer: ServerAnswer, index: ServerIndex) -> datetime:
    """When a server answered, by itself or by the proxy before it."""
    try:
        return parsedate_to_datetime(answer.headers["date"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise StorageError(
            f"{index.where} does not say what time it is, and the age of a release follows from that.",
            "Let the proxy before it pass on the header Date, or name the versions.",
        ) from None
