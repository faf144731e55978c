"""remove: out of the index first, then the bytes, and only those that no index of the repository names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.errors import NotAllowedError, NotFoundError, StorageError
from wharf.index import asset_location
from wharf.index.commit_message import CommitMessage
from wharf.index.guarded_change import Guarded
from wharf.index.yank_and_remove import RemoveFiles, check_reason
from wharf.model import Release, same_version
from wharf.operations.upload_rights import rights_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wharf.index.change import Named
    from wharf.repository.opening import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What came of a removal: the files that left the index, and those whose bytes are still stored, with the reason."""

    commit: str | None
    removed: tuple[Named, ...]
    kept: tuple[Named, ...] = ()
    reason: str = ""


def remove(
    repository: Repository, project: str, version: str, filename: str | None, *, reason: str, actor: str | None = None
) -> Removed:
    """Take a release, or one file of it, out of the index, and delete the bytes.

    What left the index before, by a removal that died then, has its bytes deleted. `actor` is as in a CommitMessage.
    Raises NotFoundError, NotAllowedError or UsageError; and StorageError if the bytes were deleted while somebody published
    them again.
    """
    check_reason(reason)
    change, check = RemoveFiles(project=project, version=version, filename=filename), rights_of(repository)
    try:
        done = repository.branch.commit(Guarded(change, check), CommitMessage(verb="remove", actor=actor, reason=reason))
    except NotFoundError:
        check(repository.branch.snapshot().settings, [project])
        left = _left(repository, project, version, filename)
        kept, why = _erase(repository, left)
        if len(kept) == len(left):
            raise
        return Removed(commit=None, removed=tuple(each for each in left if each not in kept), kept=kept, reason=why)
    removed = done.outcome.changed
    kept, why = _erase(repository, removed)
    return Removed(commit=done.commit, removed=removed, kept=kept, reason=why)


def _left(repository: Repository, project: str, version: str, filename: str | None) -> Sequence[Named]:
    """The files that left the index before, but whose bytes are still stored."""
    snapshot = repository.branch.snapshot()
    spelled = next((each for each in snapshot.versions(project) if same_version(each, version)), None)
    release = snapshot.release(project, spelled) if spelled is not None else None
    removed = {name: sha256 for name, sha256 in release.removed.items() if filename in {None, name}} if release else {}
    return repository.assets.left_of(project, spelled, removed) if removed and spelled is not None else ()


def _erase(repository: Repository, removed: Sequence[Named]) -> tuple[tuple[Named, ...], str]:
    """Delete the bytes of files that left the index; those that are still stored, and why."""
    if not removed:
        return (), ""
    try:
        kept, why = repository.assets.erase(removed, lambda: _still_named(repository, removed))
    except (StorageError, NotAllowedError, NotFoundError) as error:
        # The indexes could not be asked. The removal itself is done, so this is no error.
        return tuple(removed), f"{error.message.rstrip('.')}; the same command again deletes them"
    taken_up = _taken_up(repository, [each for each in removed if each not in kept])
    if taken_up is not None:
        filename, index = taken_up
        raise StorageError(
            f"{filename} was published to the index {index!r} while its bytes were deleted.",
            f"Remove it there (--index {index}), then publish it again.",
        )
    return tuple(kept), why


def _taken_up(repository: Repository, gone: Sequence[Named]) -> tuple[str, str] | None:
    """A file, and an index that names its bytes, which are deleted: since the indexes were asked, somebody published it again.

    No lock is shared with publishers on other machines. After a commit, each of them looks whether the bytes are there. If it
    still found them, its commit is seen here.
    """
    ids = {id_ for each in gone for id_ in asset_location.ids(each.file)}
    if repository.github is None or not ids:
        return None
    try:
        with repository.every_index() as branches:
            for branch in branches:
                snapshot = branch.snapshot()
                for project in {each.project for each in gone}:
                    for each in snapshot.records(project) or ():
                        files = each.files if isinstance(each, Release) else ()
                        for file in files:
                            if asset_location.ids(file) & ids:
                                return file.filename, branch.index
    except (StorageError, NotAllowedError, NotFoundError):
        return None  # the removal is done; what nobody could look for here, `wharf verify` finds
    return None


def _still_named(repository: Repository, files: Sequence[Named]) -> tuple[Named, ...]:
    """Those files that some index names, or may name in a record that cannot be read."""
    held: dict[str, Named] = {}
    with repository.every_index() as branches:
        for branch in branches:
            try:
                snapshot = branch.snapshot()
                if snapshot.commit is None:  # it was removed or restored since the indexes were listed
                    return tuple(files)
                for named in files:
                    found = snapshot.records(named.project) or ()
                    if any(not isinstance(each, Release) or _names(each, named) for each in found):
                        held[named.file.filename] = named
            except StorageError:
                return tuple(files)
    return tuple(held.values())


def _names(release: Release, named: Named) -> bool:
    """Whether a release has that file, or one whose bytes are the same asset."""
    file = release.file(named.file.filename)
    same = file is not None and file.sha256 == named.file.sha256
    return same or any(asset_location.ids(each) & asset_location.ids(named.file) for each in release.files)
