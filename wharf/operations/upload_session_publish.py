"""To publish an upload session (PEP 694): the ordinary publish, of all of its files at once.

A crash at any moment leaves a session that can be published again: what a commit names by then is `unchanged`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import time
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias, cast

from wharf.assets.upload_session_states import (
    CANCELED,
    COMPLETED,
    ERROR,
    OPEN,
    PROCESSING,
    PUBLISHED,
    after_session_event,
)
from wharf.distribution import read_distribution
from wharf.errors import ConflictError, StorageError, WharfError
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.upload_session_verbs import utc_second
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager
    from datetime import datetime

    from wharf.assets.session_store import SessionStore
    from wharf.assets.upload_session import SessionFile, UploadSession
    from wharf.distribution.read_distribution import Distribution
    from wharf.index.guarded_change import Check
    from wharf.operations.upload_session_files import KeptDistributions
    from wharf.repository.opening import Repository

BEGINS_WITHIN: Final = 2.0
"""Seconds after which whoever has the right to publish a session has begun, and the session says so."""

_Opener: TypeAlias = "Callable[[SessionFile], BinaryIO]"

_PAUSE = 0.02  # seconds between two looks whether it has
_BEGUN = frozenset({PROCESSING, PUBLISHED, CANCELED})
_OVERWRITTEN = frozenset({OPEN, ERROR})
"""What a session is after its publish, if another server over GitHub wrote over that it was being published."""
_CHUNK = 256 << 10
_MOST_NAMED = 10  # files that one message names


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionPublish:
    """How sessions are published. `actor`, `strict`, `limit` and `check` are those of `publish`.

    `heard` is asked once, when a publish failed: whether the client still waits for the answer. Otherwise the session tells it.
    `now` is the time where sessions are kept. `reserve` keeps file names from other uploads for as long as it lasts.
    """

    actor: str | None
    strict: bool
    limit: int
    check: Check
    kept: KeptDistributions
    heard: Callable[[], bool] = lambda: True
    now: Callable[[], datetime] = utc_second
    reserve: Callable[[Iterable[str]], AbstractContextManager[object]] = contextlib.nullcontext


def publish_session(repository: Repository, store: SessionStore, session_id: str, how: SessionPublish) -> UploadSession | None:
    """Publish all files of a session; the session after that. None: somebody else publishes it just now.

    Raises ConflictError if a file is not completed, or its name is taken, and what `publish` raises: the session is as before
    then, and can be changed and published again. A session that is published already stays so.

    The session has the commit of this publish, if there was something to write: no store keeps that.
    """
    end = elapsed() + BEGINS_WITHIN
    while True:
        with store.publishing(session_id) as mine:
            if mine:
                session = _published(repository, store, session_id, how)
                break
        now = store.get(session_id)
        if now is None or now.state in _BEGUN or elapsed() > end:
            return None
        time.sleep(_PAUSE)
    store.clear(session_id)
    how.kept.forget(session_id)
    return session


def _published(repository: Repository, store: SessionStore, session_id: str, how: SessionPublish) -> UploadSession:
    """The session after its publish, for whoever has the right to that."""
    session = store.update(session_id, _begun)
    if session.state != PUBLISHED:
        try:
            with how.reserve(session.files):  # as it is now: another server may have taken a file a moment ago
                commit = _carry_out(repository, store, session, how)
        except WharfError as error:
            event = partial(_refused if how.heard() else _failed, words=_told(error))
            with contextlib.suppress(StorageError):  # then it stays in processing, and whoever looks ends that
                store.update(session_id, event)
            raise
        session = dataclasses.replace(store.update(session_id, partial(_succeeded, now=how.now())), commit=commit)
    return session


def _carry_out(repository: Repository, store: SessionStore, session: UploadSession, how: SessionPublish) -> str | None:
    """Publish the files of a session; the commit, if something was new."""
    store.ready(session)
    here = repository.github is None
    with store.opener(session.id) as opener:
        # GitHub's store compares the digest, and the publish reads the file where it lies.
        opened = partial(_opened, opener) if here else opener
        inputs = []
        for each in session.files.values():
            checked = how.kept.get(session.id, each.number)
            if checked is not None and (checked.filename, checked.sha256) != (each.filename, each.sha256):
                checked = None  # another server gave the number to another file
            if checked is None and here:
                checked = _checked(opener, session, each, how)
            inputs.append(Input(each.filename, partial(opened, each), each.size, checked, sealed=here))
        done = publish(
            repository,
            inputs,
            actor=how.actor,
            create=here,  # of a folder, the server looked at its start what is there
            strict=how.strict,
            limit=how.limit,
            check=how.check,
        )
    return done.commit


def _told(error: WharfError) -> str:
    """What clients may be told of an error."""
    return error.told if isinstance(error, StorageError) else error.sentences


def _begun(session: UploadSession) -> UploadSession:
    state = after_session_event(session.state, "publish")
    if state == PUBLISHED:
        return session
    waiting = [f"{each.filename} ({each.state})" for each in session.files.values() if each.state != COMPLETED]
    if waiting:
        more = f" and {len(waiting) - _MOST_NAMED} more" if len(waiting) > _MOST_NAMED else ""
        raise ConflictError(
            f"Files of the session are not completed: {', '.join(waiting[:_MOST_NAMED])}{more}.",
            "Complete them, or delete them, and publish again.",
        )
    if not session.files:
        raise ConflictError("The session has no file.", "Upload one, or cancel the session.")
    before = session.state if session.state != state else session.before
    return dataclasses.replace(session, state=state, before=before)


def _refused(session: UploadSession, *, words: str) -> UploadSession:
    del words  # the client was told
    if session.state in _OVERWRITTEN:
        return session
    return dataclasses.replace(session, state=after_session_event(session.state, "refuse", session.before))


def _failed(session: UploadSession, *, words: str) -> UploadSession:
    state = session.state if session.state in _OVERWRITTEN else after_session_event(session.state, "fail")
    return dataclasses.replace(session, state=state, notices=(words,))


def _succeeded(session: UploadSession, *, now: datetime) -> UploadSession:
    if session.state in _OVERWRITTEN:  # and the session may have other files now
        raise ConflictError(
            "The files are published, but another server changed the session meanwhile.",
            "If the index has all that you want to publish, cancel the session. Otherwise publish it again.",
        )
    state = after_session_event(session.state, "succeed")
    return dataclasses.replace(session, state=state, ended=session.ended or now, notices=())


def _checked(opener: _Opener, session: UploadSession, file: SessionFile, how: SessionPublish) -> Distribution:
    """Check a file again, of which this process does not know what its check said."""
    with opener(file) as data:
        found = read_distribution.read(data, file.filename, limit=how.limit)
    if found.sha256 != file.sha256:
        raise _damaged(file)
    how.kept.keep(session.id, file.number, found)
    return found


def _opened(opener: _Opener, file: SessionFile) -> BinaryIO:
    """The file itself, of which the store may keep the bytes as they lie: so they are compared before."""
    found = _Compared(opener(file), file)
    try:
        found.compare()
    except BaseException:
        found.close()
        raise
    return cast("BinaryIO", found)


def _damaged(file: SessionFile) -> StorageError:
    told = f"The staged bytes of {file.filename} are damaged. Delete the file from the session, and upload it again."
    return StorageError(f"The staged bytes of {file.filename} are damaged.", "Look at the disk.", told=told)


class _Compared(io.RawIOBase):
    """The bytes of a file, which must be those that were checked when they came: days may lie between.

    Whoever reads from the beginning to the end gets a StorageError at the end of other bytes.
    """

    def __init__(self, source: BinaryIO, file: SessionFile) -> None:
        self._source = source
        self._file = file
        self._digest = hashlib.sha256()
        self._left: int | None = file.size  # None: it is not read from its beginning

    def compare(self) -> None:
        """Read all of it, and be at its beginning again. Raises StorageError."""
        buffer = bytearray(_CHUNK)
        while self.readinto(buffer):
            pass
        self.seek(0)

    def fileno(self) -> int:
        """As the file."""
        return self._source.fileno()

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """As the file."""
        return self._source.seekable()

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        """As the file."""
        at = self._source.seek(place, whence)
        self._digest, self._left = hashlib.sha256(), None if at else self._file.size
        return at

    def tell(self) -> int:
        """As the file."""
        return self._source.tell()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read on."""
        data = self._source.read(len(buffer))
        if self._left is not None:
            self._digest.update(data)
            self._left -= len(data)
            if (not data or not self._left) and self._digest.hexdigest() != self._file.sha256:
                raise _damaged(self._file)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file."""
        self._source.close()
        super().close()
