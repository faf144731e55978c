"""Upload sessions in the folder of a store: `sessions/<id>/session.json`, and the bytes in `sessions/<id>/files/`.

The token of a session is in its file, so all of it is for the owner of the store alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import secrets
import shutil
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO

from wharf.assets.session_lock import SessionLock
from wharf.assets.session_record import DEPTH, FILE, SessionRecords
from wharf.assets.session_store import LiveSessionError, ManySessionsError
from wharf.assets.shared_update import AskedChange, answered
from wharf.assets.store_folders import folders_in, inside, is_folder, told
from wharf.assets.upload_session import MOST_ENDED, MOST_OF_ALL, MOST_SESSIONS, is_session_id, is_session_token
from wharf.assets.upload_session_states import OPEN, PENDING, PROCESSING
from wharf.errors import NotFoundError, StorageError, WharfError
from wharf.system import owner_only_folder, regular_file
from wharf.system.disk_sync import sync_together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from wharf.assets.upload_session import SessionFile, UploadSession
    from wharf.secret import Secret

_FILES = "files"


class FolderSessions:
    """The upload sessions of a store in a folder. Any number of processes may use it at once.

    - Whoever writes holds the lock of the folder. A session's file is replaced whole, and is on the disk then. Only what is
      said of files that are on their way may be lost by a power cut, and not by the end of a process: they are sent again.
      The same holds for what says that a publish has begun.
    - Changes of a session that come while another one is written are written together.
    - Whoever publishes a session holds a lock in its own folder, which ends with the process.
    - A folder without a session's file is the rest of a session that was deleted, or never made.
    - What is read or deleted as a file is a regular file in real folders. A link or a device is an OddFileError.
    """

    def __init__(self, root: Path) -> None:
        self._root = root / "sessions"
        self._lock = SessionLock(self._root)
        self._digests: dict[str, str] = {}
        self._ended: dict[str, UploadSession] = {}
        self._look = threading.Lock()
        self._records = SessionRecords(self._root)
        self._asked: dict[str, list[AskedChange]] = {}
        self._asking = threading.Lock()

    def create(self, session: UploadSession) -> UploadSession:
        """Keep a new session, as it is. Raises LiveSessionError and ManySessionsError."""
        with told(self._root), self._lock.turn(), self._lock.alone():
            there = self._known(self._delete_rests())
            live = [each for each in there if each.live and not each.is_over(session.created)]
            for each in live:
                if each.release == session.release:
                    raise LiveSessionError(each)
            of_index = [each for each in live if each.index == session.index]
            own = [each for each in of_index if each.creator == session.creator]
            if len(own) >= MOST_SESSIONS or len(of_index) >= MOST_OF_ALL:
                raise ManySessionsError(session.index, session.creator if len(own) >= MOST_SESSIONS else None)
            self._delete_oldest([each for each in there if each.index == session.index and not each.live])
            owner_only_folder.make(self._root / session.id / _FILES)
            self._write(session, then=(self._root, self._root.parent))  # the folder of all may be as new as this session
        return session

    def shows(self, session: UploadSession) -> bool:
        """Always."""
        del session
        return True

    def get(self, session_id: str, *, newest: bool = True) -> UploadSession | None:
        """The session with that id. Raises StorageError for one that cannot be read."""
        del newest
        if not is_session_id(session_id):
            return None
        try:
            with told(self._root):
                return self._records.read(session_id).session
        except FileNotFoundError:
            return None

    def by_token(self, token: Secret) -> UploadSession | None:
        """The session with that token."""
        if not is_session_token(token.reveal()):
            return None
        digest = token.sha256()
        with self._look:
            self._look_around()
            id_ = next((id_ for id_, each in self._digests.items() if each == digest), None)
        found = None if id_ is None else self._readable(id_)
        return found if found is not None and found.token == token else None

    def all(self) -> Sequence[UploadSession]:
        """All sessions that can be read, oldest first."""
        found = [session for id_ in self._ids() if (session := self._readable(id_)) is not None]
        return sorted(found, key=lambda each: (each.created, each.id))

    def unreadable(self) -> list[Path]:
        """The files of sessions that are there and cannot be read."""
        return [
            self._root / id_ / FILE for id_ in self._ids() if (self._root / id_ / FILE).exists() and self._readable(id_) is None
        ]

    def update(self, session_id: str, change: Callable[[UploadSession], UploadSession]) -> UploadSession:
        """Replace a session by what `change` makes of it. Raises NotFoundError, and what `change` raises."""
        if not is_session_id(session_id):
            raise _gone()
        asked = AskedChange(change)
        with self._asking:
            self._asked.setdefault(session_id, []).append(asked)
        try:
            with self._lock.turn():
                if asked.waits:
                    self._write_asked(session_id)
        except (WharfError, OSError):
            if self._withdrew(session_id, asked):
                raise
            self._lock.wait_for_writer()
        return asked.result()

    def _write_asked(self, session_id: str) -> None:
        """Carry out what was asked of a session until the lock is there: who cannot wait so long takes it back before."""
        with told(self._root), self._lock.alone():
            with self._asking:
                group = self._asked.pop(session_id)
            with answered(group), told(self._root):
                self._update(session_id, group)

    def _withdrew(self, session_id: str, asked: AskedChange) -> bool:
        """Take back a change that nobody has begun to write. False: somebody has."""
        with self._asking:
            waiting = self._asked.get(session_id, [])
            if asked not in waiting:
                return False
            waiting.remove(asked)
            if not waiting:
                del self._asked[session_id]
            return True

    def _update(self, session_id: str, group: Sequence[AskedChange]) -> None:
        """Carry out changes that came together: they are written once."""
        try:
            record = self._records.read(session_id)
        except FileNotFoundError:
            raise _gone() from None
        before = after = record.session
        for each in group:
            after = each.carry_out(after)
        if after != before and _settled(after) == _settled(before):
            self._write(after, record.base)
        elif after != before:
            files = self._root / session_id / _FILES  # where the names of bytes are that it speaks of
            is_named = _bytes_of(after) <= _bytes_of(before) or not is_folder(files)
            self._write(after, first=() if is_named else (files,))

    @contextlib.contextmanager
    def publishing(self, session_id: str) -> Iterator[bool]:
        """The right to publish a session. It ends with the process that has it."""
        path = self._root / session_id / "publishing"
        try:
            with told(self._root):
                handle = regular_file.handle_of(path, DEPTH, os.O_RDWR | os.O_CREAT)
        except FileNotFoundError as error:
            raise _gone() from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(handle)

    def scratch(self, session_id: str) -> Path:
        """A path in the session's own folder, so that the bytes are renamed into their place."""
        return self._root / session_id / _FILES / f"{secrets.token_hex(16)}.new"

    def keep(self, session_id: str, files: Sequence[tuple[SessionFile, Path, str]]) -> None:
        """Give bytes their places, when they are on the disk. Raises NotFoundError for a session that is gone."""
        try:
            with told(self._root):
                sync_together([path for _, path, _ in files])
                named = [(path, str(file.number)) for file, path, _ in files]
                regular_file.put_all(named, self._root / session_id / _FILES, DEPTH + 1)
        except FileNotFoundError as error:
            raise _gone() from error

    @contextlib.contextmanager
    def opener(self, session_id: str) -> Iterator[Callable[[SessionFile], BinaryIO]]:
        """What opens the bytes of a file. Raises NotFoundError, as that does."""
        with ExitStack() as stack:
            try:
                with told(self._root):
                    files = self._root / session_id / _FILES
                    folder = stack.enter_context(regular_file.folder_of(files / "number", DEPTH + 1))
            except FileNotFoundError as error:
                raise _gone() from error

            def opened(file: SessionFile) -> BinaryIO:
                try:
                    with told(self._root):
                        handle = regular_file.inner_handle_of(self._place(session_id, file), folder, DEPTH + 1)
                except FileNotFoundError as error:
                    raise NotFoundError(f"{file.filename} is not in the upload session any more.") from error
                return os.fdopen(handle, "rb", buffering=0)

            yield opened

    def drop(self, session_id: str, file: SessionFile) -> None:
        """Delete the bytes of a file."""
        with told(self._root), contextlib.suppress(FileNotFoundError):
            regular_file.delete(self._place(session_id, file), DEPTH + 1)

    def ready(self, session: UploadSession) -> None:
        """Nothing: the publish takes the bytes as they are."""

    def clear(self, session_id: str) -> None:
        """Delete the bytes of all files, as far as the disk lets: what stays goes with the session."""
        folder = self._root / session_id / _FILES
        with told(self._root):
            for path in inside(folder) if is_folder(folder) else []:
                with contextlib.suppress(OSError):  # its publish, or its end, stands
                    path.unlink()

    def purge(self, session_id: str) -> None:
        """Delete a session, unless it is being published."""
        if not is_session_id(session_id):
            return
        with (
            told(self._root),
            self._lock.turn(),
            self._lock.alone(),
            contextlib.suppress(NotFoundError),
            self.publishing(session_id) as mine,
        ):
            if mine:
                self._delete(session_id)

    def _delete(self, session_id: str) -> None:
        folder = self._root / session_id
        (folder / FILE).unlink(missing_ok=True)  # first: without it the rest is nothing
        if is_folder(folder):
            with contextlib.suppress(FileNotFoundError):  # bytes that were on their way deleted themselves at this moment
                shutil.rmtree(folder)

    def _delete_rests(self) -> list[str]:
        """Delete what a process left that died while it made or deleted a session; the others. To be called with the lock.

        One that ended was looked at before, and there can be hundreds of them.
        """
        left = []
        for id_ in self._ids():
            if id_ in self._ended or os.path.lexists(self._root / id_ / FILE):
                left.append(id_)
            else:
                self._delete(id_)
        return left

    def _known(self, ids: Sequence[str]) -> list[UploadSession]:
        """The sessions that can be read. One that ended never changes, so it is read once, and known here without its files."""
        found = [each for id_ in ids if (each := self._ended.get(id_) or self._readable(id_)) is not None]
        self._ended = {each.id: dataclasses.replace(each, files={}) for each in found if not each.live}
        return found

    def _delete_oldest(self, ended: Sequence[UploadSession]) -> None:
        """Of sessions that ended, keep the newest. To be called with the lock."""
        for each in sorted(ended, key=lambda each: each.ended or each.created)[:-MOST_ENDED]:
            with contextlib.suppress(NotFoundError), self.publishing(each.id) as mine:
                if mine:
                    self._delete(each.id)

    def _ids(self) -> list[str]:
        with told(self._root):
            return folders_in(self._root, is_session_id)

    def _readable(self, session_id: str) -> UploadSession | None:
        try:
            return self.get(session_id)
        except StorageError:
            return None

    def _look_around(self) -> None:
        """Know the tokens of all sessions. One never changes, so only files that are new are read: anybody may ask."""
        there = {}
        for id_ in filter(is_session_id, (path.name for path in inside(self._root))):
            digest = self._digests.get(id_)
            session = self._readable(id_) if digest is None else None
            digest = session.token.sha256() if session is not None else digest
            if digest is not None:
                there[id_] = digest
        self._digests = there

    def _place(self, session_id: str, file: SessionFile) -> Path:
        return self._root / session_id / _FILES / str(file.number)

    def _write(
        self, session: UploadSession, base: str | None = None, *, first: Sequence[Path] = (), then: Sequence[Path] = ()
    ) -> None:
        """Replace the record of a session, as `SessionRecords.write`. Needs the lock."""
        self._records.write(session, base, first=first, then=then)


def _settled(session: UploadSession) -> UploadSession:
    """What of a session has to outlive a power cut: not the files that are on their way, and not that a publish has begun.

    Both can be done again.
    """
    files = {name: each for name, each in session.files.items() if each.state != PENDING}
    state = session.before if session.state == PROCESSING else session.state
    return dataclasses.replace(session, files=files, taken=0, state=state, before=OPEN)


def _bytes_of(session: UploadSession) -> set[int]:
    """The numbers of the files that are complete."""
    return {each.number for each in session.files.values() if each.state != PENDING}


def _gone() -> NotFoundError:
    return NotFoundError("The upload session is not there any more.", "Begin another one.")
