"""The look at a folder: every file is read and hashed; what no index names is deleted under the lock that publishers share."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from wharf.assets.session_folder import FolderSessions
from wharf.errors import OddFileError, StorageError
from wharf.operations.kept_by_past import KeptByPast, kept_by_past, kept_until, unread_of
from wharf.operations.store_time import StoreTime
from wharf.operations.stored_bytes import sync_indexes
from wharf.operations.verify_findings import Finding, Findings, named_files, unnamed_detail
from wharf.operations.verify_sessions import sessions_in_folder
from wharf.system import regular_file
from wharf.system.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wharf.assets.folder_store import FolderStore
    from wharf.model import File, Release
    from wharf.operations.verify_findings import NamedFiles
    from wharf.repository.opening import Repository

PATIENCE = 10.0
"""Seconds to wait for publishers at work."""


_UNLOCKED: Final = Finding(
    kind="unlocked",
    path="lock",
    detail="this account cannot lock the store: bytes that a publish stores at this moment may look as if no index names them",
)


class FolderAudit:
    """The files in `assets/` against those that the indexes name."""

    def __init__(self, repository: Repository, folder: Path, store: FolderStore) -> None:
        self._repository = repository
        self._folder = folder
        self._store = store

    def path(self, file: File) -> str:
        """Below the store's folder."""
        return _path((file.sha256, file.filename))

    def has(self, file: File) -> bool:
        """Also for what is not a file: `check` leaves it to `delete_unnamed`."""
        try:
            return self._store.size(file.sha256, file.filename) is not None
        except OddFileError:
            return True

    def check(self, release: Release, file: File) -> Iterator[Finding]:
        """Read the bytes. `delete_unnamed` reports what is not a file."""
        path = self.path(file)
        try:
            found = self._store.digest(file.sha256, file.filename)
        except OddFileError:
            return
        if found is None:
            named = f"{release.project} {release.version} names {file.filename}"
            yield Finding(kind="missing-bytes", path=path, detail=f"{named}, whose bytes are gone; publish the same file again")
        elif found != file.sha256 or self._store.size(file.sha256, file.filename) != file.size:
            detail = f"the bytes of {file.filename} have another digest or size ({found}); publish the same file again"
            yield Finding(kind="other-bytes", path=path, detail=detail)

    def delete_unnamed(self, *, repair: bool) -> Findings:
        """Bytes are deleted only if no index names them, before this takes the lock that publishers share and after it.

        What the past keeps is a leftover. A store that may only be read is looked at without the lock, if need be.
        """
        before, _ = self._unnamed()
        odd = [self._odd(path) for path in self._store.odd()]
        with self._store.alone(PATIENCE) if repair else self._store.alone_to_read(PATIENCE) as alone:
            if alone is False:
                detail = "a publisher is at work and may be about to name it"
                waiting = [Finding(kind="unnamed-bytes", path=_path(each), detail=detail) for each in sorted(before)]
                return odd, (*waiting, *self._temporary(), *self._sessions(repair=repair))
            after, named = self._unnamed()
            left = sorted(before & after)
            past = kept_by_past(self._repository) if left else KeptByPast()
            unnamed = [each for each in left if each not in past.files]
            certain = named.certain and past.certain
            leftovers = self._temporary()
            if repair:
                deleted = {str(path.relative_to(self._folder)) for path in self._store.delete_temporary()}
                leftovers = tuple(dataclasses.replace(each, repaired=each.path in deleted) for each in leftovers)
                if unnamed and certain:
                    sync_indexes(self._repository)
                for each in unnamed if certain else ():
                    self._store.delete(*each)
        detail = unnamed_detail(certain=named.certain, past=past.certain)
        gone = repair and certain
        sessions = self._sessions(repair=repair)
        problems = [Finding(kind="unnamed-bytes", path=_path(each), detail=detail, repaired=gone) for each in unnamed]
        kept = [
            Finding(kind="kept-for-past", path=_path(each), detail=kept_until(past.files[each]))
            for each in left
            if each in past.files
        ]
        unlocked = [] if alone else [_UNLOCKED]
        return [*odd, *problems], (*unlocked, *unread_of(named, past), *leftovers, *kept, *sessions)

    def _unnamed(self) -> tuple[set[tuple[str, str]], NamedFiles]:
        stored = set(self._store.assets())  # before the indexes: what is stored later is not looked at
        named = named_files(self._repository)
        return stored - {(file.sha256, file.filename) for file in named.files}, named

    def _sessions(self, *, repair: bool) -> Iterator[Finding]:
        now = StoreTime(self._repository, utc_now)()
        try:
            yield from sessions_in_folder(FolderSessions(self._folder), self._folder, now, repair=repair)
        except StorageError as error:
            if repair or not isinstance(error.__cause__, PermissionError):
                raise
            detail = "the upload sessions are for the owner of the store alone, and were not looked at"
            yield Finding(kind="upload-session", path="sessions", detail=detail)

    def _odd(self, path: Path) -> Finding:
        detail = f"it is {regular_file.kind_of(path)}, which wharf neither reads nor deletes: look at it, and take it away"
        return Finding(kind="odd-file", path=str(path.relative_to(self._folder)), detail=detail)

    def _temporary(self) -> tuple[Finding, ...]:
        detail = "left by a publisher, or of one at work"
        paths = (str(path.relative_to(self._folder)) for path in self._store.leftovers())
        return tuple(Finding(kind="temporary", path=path, detail=detail) for path in paths)


def _path(each: tuple[str, str]) -> str:
    return "assets/" + "/".join(each)
