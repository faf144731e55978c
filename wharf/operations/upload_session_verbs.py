"""Upload sessions (PEP 694): to begin, find, extend and cancel one, and to delete those that are over.

Who may do that is for the caller to look at: on each request, and before anything is said of a session.
"""

from __future__ import annotations

import dataclasses
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from wharf.assets.session_store import LiveSessionError
from wharf.assets.upload_session import LONGEST, new_session
from wharf.assets.upload_session_states import CANCELED, PROCESSING, after_session_event
from wharf.errors import NotFoundError, RefusedError, WharfError
from wharf.index.add_files import refuse_closed

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.assets.session_requests import ReleaseAsked
    from wharf.assets.session_store import SessionStore
    from wharf.assets.upload_session import UploadSession
    from wharf.index.snapshot import Snapshot

log = logging.getLogger("wharf")

CREDIBLE: Final = timedelta(days=60)
"""How long after its end a session is deleted by nobody but a person."""

INTERRUPTED = "The server ended while it published the session. Publish it again: what is done stays done."
"""What is said of a publish whose process died."""


def utc_second() -> datetime:
    """The time, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def begin_session(
    store: SessionStore, index: str, asked: ReleaseAsked, snapshot: Snapshot, *, creator: str, now: datetime
) -> UploadSession:
    """Begin a session of an index, which is `snapshot` now.

    Raises RefusedError for a project that takes no files, LiveSessionError, with the session that the release has, and
    ManySessionsError. A project that takes no files any more may have a session: who asks for it can cancel it.
    """
    session = new_session(index=index, project=asked.project, version=asked.version, creator=creator, now=now)
    try:
        refuse_closed(asked.project, snapshot.status(asked.project))
    except RefusedError:
        there = live_session(store, session, now)
        if there is not None:
            raise LiveSessionError(there) from None
        raise
    return store.create(session)


def find_live(store: SessionStore, index: str, asked: ReleaseAsked, now: datetime) -> UploadSession:
    """The live session of a release. Raises NotFoundError. Nothing is begun for that."""
    like = new_session(index=index, project=asked.project, version=asked.version, creator="", now=now)
    found = live_session(store, like, now)
    if found is None:
        raise NotFoundError(f"{asked.project} {asked.version} has no upload session.", "Begin one.")
    return found


def live_session(store: SessionStore, like: UploadSession, now: datetime) -> UploadSession | None:
    """The live session of the same release as that one."""
    there = (each for each in store.all() if each.release == like.release and each.live and not each.is_over(now))
    return next(there, None)


def find_session(store: SessionStore, index: str, session_id: str, now: datetime, *, newest: bool = False) -> UploadSession:
    """A session of an index; `newest` is as for `SessionStore.get`. Raises NotFoundError for one that is not there, or is over.

    A publish whose process died is at its end here: the session can be changed and published again.
    """
    session = store.get(session_id, newest=newest)
    if session is None or session.index != index or session.is_over(now):
        raise NotFoundError("There is no such upload session: it ended, or never was.", "Begin one.")
    if session.state == PROCESSING:
        with store.publishing(session_id) as mine:
            if mine:
                return store.update(session_id, _interrupted)
    return session


def extend_session(store: SessionStore, session_id: str, seconds: int) -> UploadSession:
    """Let a session stay longer, as far as it may. It never ends earlier than it would have."""

    def extended(session: UploadSession) -> UploadSession:
        state = after_session_event(session.state, "extend")
        most = session.created + LONGEST
        later = min(session.expires + timedelta(seconds=seconds), most)
        return dataclasses.replace(session, state=state, expires=max(session.expires, later))

    return store.update(session_id, extended)


def cancel_session(store: SessionStore, session_id: str, now: datetime) -> UploadSession:
    """End a session, and delete its bytes. Doing it again changes nothing."""

    def canceled(session: UploadSession) -> UploadSession:
        state = after_session_event(session.state, "cancel")
        return session if session.state == CANCELED else dataclasses.replace(session, state=state, ended=now, files={})

    session = store.update(session_id, canceled)
    store.clear(session_id)
    return session


def sweep_sessions(
    store: SessionStore, now: datetime, *, told: Callable[[UploadSession], None] = lambda _session: None
) -> list[UploadSession]:
    """Delete all sessions that are over, with their bytes; those that were deleted. `told` gets each of them.

    One that cannot be deleted is logged, and left for the next time. One that ended long ago is left, too: whoever deletes
    every hour finds none of them, unless a clock is wrong. `wharf verify --repair` deletes it.
    """
    gone = []
    for session in store.all():
        if session.is_over(now) and now - session.end <= CREDIBLE:
            try:
                store.purge(session.id)
            except WharfError as error:
                log.warning("An upload session that is over stays: %s", error.message)
            else:
                gone.append(session)
                told(session)
    return gone


def _interrupted(session: UploadSession) -> UploadSession:
    """After a publish that died. One that came to its end in the meantime stays as it is."""
    if session.state != PROCESSING:
        return session
    return dataclasses.replace(session, state=after_session_event(session.state, "fail"), notices=(INTERRUPTED,))
