"""What came of a verb, as the JSON document that the command line prints and the management API answers with.

Where it was done is not in these: a command names its repository, and the path of a store is nothing that a server tells.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from wharf.index.branch import Committed
    from wharf.index.change import Named
    from wharf.index.history import HistoryEntry
    from wharf.model import Json, Release, Status
    from wharf.operations.promote import Promoted
    from wharf.operations.remove import Removed
    from wharf.operations.restore import Restored
    from wharf.repository.tokens import NewToken, Token

_LAST = 253_402_300_799  # 9999-12-31T23:59:59Z


def file_document(named: Named) -> dict[str, Json]:
    """A file of a release, as the results of publish, yank and remove show it."""
    return {
        "project": named.project,
        "version": named.version,
        "filename": named.file.filename,
        "sha256": named.file.sha256,
        "size": named.file.size,
    }


def yank_document(done: Committed) -> dict[str, Json]:
    """What came of a yank, or of taking one back."""
    return {
        "changed": [file_document(named) for named in done.outcome.changed],
        "unchanged": [file_document(named) for named in done.outcome.unchanged],
    }


def removal_document(done: Removed, younger: Iterable[Release] = ()) -> dict[str, Json]:
    """What came of a removal; `younger` are releases that were too young for it."""
    return {
        "removed": [file_document(named) for named in done.removed],
        "gone": [
            {"project": each.project, "version": each.version, "filename": name, "sha256": sha256}
            for each in done.gone
            for name, sha256 in each.removed.items()
        ],
        "younger": [{"project": each.project, "version": each.version} for each in younger],
        "kept": [file_document(named) for named in done.kept],
    }


def status_document(project: str, status: Status, *, changed: bool) -> dict[str, Json]:
    """The status that a project has now, and whether that is new."""
    return {"project": project, "status": status.marker, "reason": status.reason, "changed": changed}


def promotion_document(done: Promoted, source: str) -> dict[str, Json]:
    """What came of a promotion from the index `source`."""
    proposal = done.proposal
    return {
        "from": source,
        "promoted": [file_document(named) for named in done.promoted],
        "unchanged": [file_document(named) for named in done.unchanged],
        "dependencies": [
            {"project": each.release.project, "version": each.release.version, "requirement": each.requirement, "of": each.of}
            for each in done.followed
        ],
        "left": [{"requirement": each.requirement, "of": each.of} for each in done.left],
        "not_announced": [named.file.filename for named in done.not_announced],
        "otherwise_yanked": [named.file.filename for named in done.otherwise_yanked],
        "proposal": None
        if proposal is None
        else {
            "number": proposal.number,
            "address": proposal.address,
            "branch": proposal.head,
            "commit": proposal.commit,
        },
    }


def restoration_document(done: Restored, moment: str) -> dict[str, Json]:
    """What came of a restoration to a moment, as it was written."""
    steps = done.steps
    return {
        "to": {"moment": moment, "commit": done.past},
        "back": [file_document(named) for named in steps.back],
        "left": [file_document(named) for named in steps.left],
        "changed": [{**file_document(named), "yanked": named.file.yanked} for named in steps.changed],
        "lost": [{**file_document(named), "reason": why} for named, why in steps.lost],
        "unread": _texts(steps.unread),
        "not_announced": _texts([named.file.filename for named in done.not_announced]),
    }


def projects_document(found: Mapping[str, Sequence[str]]) -> dict[str, Json]:
    """The projects of an index and their versions, oldest first."""
    return {"projects": [{"name": name, "versions": list(versions)} for name, versions in found.items()]}


def history_document(entry: HistoryEntry) -> dict[str, Json]:
    """One commit: who changed what, when and why."""
    # Anyone can give a commit any date. A date that Python cannot show is shown as the last year that it can.
    moment = datetime.fromtimestamp(min(max(entry.time, 0), _LAST), UTC)
    return {
        "commit": entry.commit,
        "time": moment.isoformat().replace("+00:00", "Z"),
        "actor": entry.actor,
        "verb": entry.verb,
        "what": entry.what,
        "releases": [{"project": project, "version": version} for project, version in entry.releases],
        "whole": entry.whole,
        "reason": entry.reason,
        "run": entry.run,
    }


def new_token_document(token: NewToken | Token) -> dict[str, Json]:
    """What a token may, and whose it is; never the token."""
    return {
        "name": token.name,
        "scope": token.scope,
        "expires": _time(token.expires),
        "indexes": [*token.indexes] if token.indexes else None,
        "projects": [*token.projects] if token.projects else None,
        "owner": token.owner,
        "note": token.note,
    }


def token_document(token: Token, used: date | None) -> dict[str, Json]:
    """The same of a token that is listed, with the day on which it was used last."""
    last = None if used is None else used.isoformat()
    return {**new_token_document(token), "created": _time(token.created), "last_used": last}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _texts(texts: Sequence[str]) -> list[Json]:
    return [*texts]
