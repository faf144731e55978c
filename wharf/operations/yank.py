"""yank and unyank: tell installers not to choose a release, or a file of it, any more (PEP 592), or take that back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.index.commit_message import CommitMessage
from wharf.index.guarded_change import Guarded
from wharf.index.yank_and_remove import SetYanked
from wharf.operations.upload_rights import rights_of

if TYPE_CHECKING:
    from wharf.index.branch import Committed
    from wharf.index.guarded_change import Check
    from wharf.repository.opening import Repository


def set_yanked(
    repository: Repository,
    project: str,
    version: str,
    filename: str | None,
    *,
    reason: str | None,
    actor: str | None = None,
    check: Check | None = None,
) -> Committed:
    """Yank with a reason (may be empty), or take the yank back (None). `actor` is as in a CommitMessage, `check` as in promote.

    Raises NotFoundError, NotAllowedError or UsageError.
    """
    change = SetYanked(project=project, version=version, filename=filename, reason=reason)
    verb = "unyank" if reason is None else "yank"
    message = CommitMessage(verb=verb, actor=actor, reason=reason or "")
    return repository.branch.commit(Guarded(change, check or rights_of(repository)), message)
