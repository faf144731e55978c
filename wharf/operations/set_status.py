"""status: say of a project whether it is active, archived, deprecated or quarantined (PEP 792)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.index.commit_message import CommitMessage
from wharf.index.guarded_change import Guarded
from wharf.index.status_change import SetStatus
from wharf.operations.upload_rights import rights_of

if TYPE_CHECKING:
    from wharf.index.branch import Committed
    from wharf.index.guarded_change import Check
    from wharf.model import Status
    from wharf.repository.opening import Repository


def set_status(
    repository: Repository, project: str, status: Status, *, actor: str | None = None, check: Check | None = None
) -> Committed:
    """Give a project (PEP 503 form) a status. `actor` is as in a CommitMessage, `check` as in promote.

    Raises NotFoundError, NotAllowedError or UsageError.
    """
    change = Guarded(SetStatus(project=project, status=status), check or rights_of(repository))
    why = f"{status.marker}: {status.reason}" if status.reason else status.marker
    return repository.branch.commit(change, CommitMessage(verb="status", what=project, actor=actor, reason=why))
