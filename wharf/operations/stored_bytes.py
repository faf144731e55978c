"""The stored bytes of files that left an index. They are deleted, but for those that some index of the repository names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.errors import NotAllowedError, NotFoundError, StorageError
from wharf.index import asset_location
from wharf.model import Release

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wharf.index.change import Named
    from wharf.index.snapshot import Snapshot
    from wharf.operations.kept_by_past import KeptByPast
    from wharf.repository.opening import Repository


def delete_bytes(
    repository: Repository,
    left: Sequence[Named],
    *,
    past: Callable[[], KeptByPast] | None = None,
    unnamed: dict[str, str] | None = None,
    dealt_with: Callable[[int], None] = lambda _files: None,
) -> tuple[tuple[Named, ...], str]:
    """Delete the bytes of files that left the index; those that are still stored, and why.

    What the past keeps stays, where `past` is given; it is asked when nobody can publish, or at the last moment before.
    `unnamed` is as for `still_named`. `dealt_with` is told after each file.

    In a folder, one lock is held for all of them. On GitHub each one is a request, within the limits. What cannot be deleted
    now is no error, as the files left the index. Raises StorageError if bytes were deleted while somebody published them again.
    """
    if not left:
        return (), ""
    try:
        kept, why = repository.assets.erase(left, lambda: _held(repository, left, past, unnamed), dealt_with)
    except (StorageError, NotAllowedError, NotFoundError) as error:
        return tuple(left), f"{error.message.rstrip('.')}; the same command again deletes them"
    held = {_key(each) for each in kept}
    taken_up = _taken_up(repository, [each for each in left if _key(each) not in held])
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


def _held(
    repository: Repository,
    left: Sequence[Named],
    past: Callable[[], KeptByPast] | None,
    unnamed: dict[str, str] | None,
) -> tuple[Named, ...]:
    """Those files that some index names, or that the past keeps. Indexes come first: what leaves one is in its past then."""
    named = still_named(repository, left, unnamed)
    sync_indexes(repository)
    if past is None:
        return named
    after, known = past(), {_key(each) for each in named}
    if not after.certain:
        return tuple(left)
    return (*named, *(each for each in left if _key(each) not in known and after.until(each.file) is not None))


def sync_indexes(repository: Repository) -> None:
    """Have all indexes survive a power cut as they are, before bytes go that none of them names. Raises StorageError.

    A commit that another writer made, but has not synced yet, may have taken the files out. On GitHub there is nothing to do.
    """
    if repository.github is not None:
        return
    with repository.every_index() as branches:
        for branch in branches:
            branch.sync_tip()


def still_named(repository: Repository, files: Sequence[Named], unnamed: dict[str, str] | None = None) -> tuple[Named, ...]:
    """Those files that some index names, or may name in a record that cannot be read.

    `unnamed` has commits, by the refs of their indexes, that are known to name none of the files: they are not read again. It
    gets those that are known now, for the files that are not in the result.
    """
    known = {} if unnamed is None else unnamed
    by_project: dict[str, list[Named]] = {}
    for each in files:
        by_project.setdefault(each.project, []).append(each)
    held: dict[tuple[str, str, str], Named] = {}
    with repository.every_index() as branches:
        for branch in branches:
            try:
                snapshot = branch.snapshot()
                if snapshot.commit is None:  # it was removed or restored since the indexes were listed
                    return tuple(files)
                if known.get(branch.ref) != snapshot.commit:
                    held |= _named_in(snapshot, by_project)
                    known[branch.ref] = snapshot.commit
            except StorageError:
                return tuple(files)
    return tuple(held.values())


def _named_in(snapshot: Snapshot, by_project: Mapping[str, Sequence[Named]]) -> dict[tuple[str, str, str], Named]:
    """Those files that an index names by their bytes or by an asset, or may name. The records of a project are read once."""
    held: dict[tuple[str, str, str], Named] = {}
    for project, files in by_project.items():
        found = snapshot.records(project) or []
        there = [file for each in found if isinstance(each, Release) for file in each.files]
        unread = any(not isinstance(each, Release) for each in found)
        named = {(file.filename, file.sha256) for file in there}
        ids = {id_ for file in there for id_ in asset_location.ids(file)}
        for each in files:
            if unread or (each.file.filename, each.file.sha256) in named or asset_location.ids(each.file) & ids:
                held[_key(each)] = each
    return held


def _key(named: Named) -> tuple[str, str, str]:
    return named.project, named.version, named.file.filename
