"""The record of an upload session in its folder: `session.json`, and `session.later` for what may be lost by a power cut.

`session.later` is a whole session that follows one `session.json`, which it names by its digest. It is never synced. One that
names another `session.json`, or was torn by a power cut, says nothing.
"""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from wharf.assets.session_json import LARGEST, session_bytes, session_of
from wharf.errors import RefusedError, StorageError
from wharf.system import regular_file
from wharf.system.disk_sync import sync_together
from wharf.system.file_time import date_after

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wharf.assets.upload_session import UploadSession

FILE: Final = "session.json"
DEPTH: Final = 3
"""Parts of the path of a session's file below the store's folder: sessions, id, session.json."""

_LATER: Final = "session.later"
_HEAD = 2 * 64 + 2  # bytes before the session: the digest of the file that it follows, its own, and what parts them
_KEPT = 32  # sessions that are remembered

Stamp: TypeAlias = "tuple[int, int, int]"


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session as it was read. `base` is the digest of its `session.json`, and `stamps` are those of both files."""

    session: UploadSession
    base: str
    stamps: tuple[Stamp, Stamp | None]


class SessionRecords:
    """Those of one store. Reading needs no lock, and writing needs that of the store.

    A file that has the stamp that it had is not read again: each gets a later time than the one that it replaces.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._kept: dict[str, SessionRecord] = {}
        self._look = threading.Lock()

    def read(self, session_id: str) -> SessionRecord:
        """The session as it is now. Raises FileNotFoundError, and StorageError for one that cannot be read."""
        path, later = self._paths(session_id)
        while True:
            kept = self._kept.get(session_id)
            if kept is not None and kept.stamps == _stamps_in(path.parent):
                return kept
            data, stamp = _read(path)
            base = hashlib.sha256(data).hexdigest()
            found, after = _follows(later, base)
            if found is None and after is not None and _stamp_of(path) != stamp:
                continue  # both were written meanwhile: what is later follows the newer one
            try:
                session = session_of(data if found is None else found)
            except ValueError as error:
                raise unreadable(path, str(error)) from error
            if session.id != session_id:
                raise unreadable(path, "it has the id of another one")
            return self._keep(SessionRecord(session, base, (stamp, after)))

    def write(
        self, session: UploadSession, base: str | None = None, *, first: Sequence[Path] = (), then: Sequence[Path] = ()
    ) -> None:
        """Replace a session: after a power cut it is as before or after. Without `base`: after.

        `base` is that of the record which it replaces, and then the end of a process loses nothing of it. Otherwise the folders
        in `first` are on the disk before, and those in `then` afterwards.
        """
        path, later = self._paths(session.id)
        data = session_bytes(session)
        if len(data) > LARGEST:  # it could not be read again
            raise RefusedError(
                "The upload session says too much of its files.", "Publish it, and begin another one for the rest."
            )
        if base is None:
            base = hashlib.sha256(data).hexdigest()
            stamps = _write(path, data, first, then), _stamp_or_none(later)
        else:
            head = f"{base} {hashlib.sha256(data).hexdigest()}\n".encode()
            stamps = _stamp_of(path), _write(later, head + data)
        self._keep(SessionRecord(session, base, stamps))

    def _paths(self, session_id: str) -> tuple[Path, Path]:
        folder = self._root / session_id
        return folder / FILE, folder / _LATER

    def _keep(self, record: SessionRecord) -> SessionRecord:
        with self._look:
            self._kept.pop(record.session.id, None)
            self._kept[record.session.id] = record
            if len(self._kept) > _KEPT:
                del self._kept[next(iter(self._kept))]
        return record


def unreadable(path: Path, why: str) -> StorageError:
    """The error for a file that is no session."""
    return StorageError(
        f"{path} cannot be read as an upload session: {why}.", f"Delete the folder {path.parent}, and begin the session again."
    )


def _follows(later: Path, base: str) -> tuple[bytes | None, Stamp | None]:
    """The session that follows the one of that digest, if there is one; and the stamp of the file, if it is there."""
    try:
        data, stamp = _read(later)
    except FileNotFoundError:
        return None, None
    session = data[_HEAD:]
    whole = data[:_HEAD] == f"{base} {hashlib.sha256(session).hexdigest()}\n".encode()
    return (session if whole else None), stamp


def _read(path: Path) -> tuple[bytes, Stamp]:
    with os.fdopen(regular_file.handle_of(path, DEPTH), "rb", buffering=0) as file:
        stamp, data = _stamp(os.fstat(file.fileno())), file.read(LARGEST + _HEAD + 1)
    if len(data) > LARGEST + (_HEAD if path.name == _LATER else 0):
        raise unreadable(path, "it is too large")
    return data, stamp


def _write(path: Path, data: bytes, first: Sequence[Path] | None = None, then: Sequence[Path] = ()) -> Stamp:
    """Replace a file. With `first` it is on the disk then, and its name too."""
    fresh = path.with_name(f"{path.name}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        stamp = _stamp(date_after(handle, path))
    if first is not None:
        sync_together([fresh, *first])
    regular_file.put(fresh, path, DEPTH)
    if first is not None:
        sync_together([path.parent, *then])
    return stamp


def _stamp_of(path: Path) -> Stamp:
    return _stamp(regular_file.status_of(path, DEPTH))


def _stamp_or_none(path: Path) -> Stamp | None:
    try:
        return _stamp_of(path)
    except FileNotFoundError:
        return None


def _stamps_in(folder: Path) -> tuple[Stamp | None, Stamp | None]:
    """Those of the record of a session, and of what is later."""
    first, later = regular_file.statuses_of(folder, (FILE, _LATER), DEPTH)
    return first and _stamp(first), later and _stamp(later)


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_size, status.st_ino
