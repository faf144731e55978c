"""remove: out of the index first, then the bytes, and only those that no index of the repository names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.errors import NotAllowedError, NotFoundError, StorageError
from wharf.index.commit_message import CommitMessage
from wharf.index.guarded_change import Guarded
from wharf.index.yank_and_remove import RemoveFiles, check_reason
from wharf.operations.stored_bytes import delete_bytes
from wharf.operations.upload_rights import rights_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wharf.index.change import Named
    from wharf.index.guarded_change import Check
    from wharf.index.yank_and_remove import Leaving
    from wharf.model import Release
    from wharf.repository.opening import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What came of a removal. `commit` is None where all of it had left the index before.

    `removed` are the files that left the index, and those that had left it before and whose bytes were deleted now. `gone` has
    the releases of which files had left before, in their `removed`. `kept` are files whose bytes are still stored, with the
    reason.
    """

    commit: str | None
    removed: tuple[Named, ...]
    gone: tuple[Release, ...] = ()
    kept: tuple[Named, ...] = ()
    reason: str = ""


def remove(
    repository: Repository,
    project: str,
    version: str,
    filename: str | None,
    *,
    reason: str,
    actor: str | None = None,
    check: Check | None = None,
) -> Removed:
    """Take a release, or one file of it, out of the index, and delete the bytes. As `remove_all`."""
    leaving = RemoveFiles.of(project, version, filename).leaving
    return remove_all(repository, leaving, reason=reason, actor=actor, check=check)


def remove_all(
    repository: Repository,
    leaving: Sequence[Leaving],
    *,
    reason: str,
    actor: str | None = None,
    check: Check | None = None,
) -> Removed:
    """Take files of any number of releases out of the index as one commit, all or none, and delete the bytes.

    What left the index before, maybe by a removal that died then, has its bytes deleted. `actor` and `check` are as in promote.
    Raises NotFoundError for what never was there, NotAllowedError or UsageError; and StorageError if the bytes were deleted
    while somebody published them again.
    """
    check_reason(reason)
    if not leaving:
        return Removed(commit=None, removed=())
    change = Guarded(RemoveFiles(leaving=tuple(leaving)), check or rights_of(repository))
    done = repository.branch.commit(change, CommitMessage(verb="remove", actor=actor, reason=reason))
    removed, gone = done.outcome.changed, done.outcome.gone
    left, unknown = _left(repository, gone, tell=bool(removed))
    kept, why = delete_bytes(repository, [*removed, *left])
    held = {each.file.filename for each in kept}
    again = [each for each in left if each.file.filename not in held]
    return Removed(commit=done.commit, removed=(*removed, *again), gone=gone, kept=kept, reason=why or unknown)


def _left(repository: Repository, gone: Sequence[Release], *, tell: bool) -> tuple[Sequence[Named], str]:
    """The files that left the index before, but whose bytes are still stored; or why nobody knows, if it is to be told."""
    if not gone:
        return (), ""
    try:
        return repository.assets.left_of(gone), ""
    except (StorageError, NotAllowedError, NotFoundError) as error:
        if not tell:
            raise
        return (), error.message.rstrip(".")
