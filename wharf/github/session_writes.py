"""Changes of the text of one draft: those that gather are written at once, and each is looked for afterwards.

GitHub has no compare-and-swap for the text of a release. Two servers that write at the same moment overwrite each other, so a
writer reads the text again, and writes again what is not in it.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wharf.errors import BusyError, NotFoundError, UncertainError, WharfError
from wharf.github import release_listing
from wharf.github.session_queue import SessionChange
from wharf.github.session_text import files_of, release_of, same_text, session_in, session_text, without_words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wharf.assets.upload_session import UploadSession
    from wharf.github.api import GitHub
    from wharf.github.release_listing import Listed
    from wharf.github.session_memory import SessionMemory

SETTLE: Final = 0.2
"""Seconds until a text is read again: a writer that had read it before this write has written by then."""
TRIES: Final = 8
"""How often a change is written that others overwrite."""


def changed_by_others() -> BusyError:
    """The error for a change that others wrote over."""
    message, hint = "The session is being changed by others.", "Try again in a moment."
    return BusyError(message, hint, told=f"{message} {hint}")


@dataclass(frozen=True, slots=True)
class SessionWriter:
    """Writes the changes of sessions with one token. Safe to use from several threads.

    - What one token changes is not written with another one: GitHub judges each.
    - A change that refuses a session leaves it as it was, and the changes that wait with it are written.
    """

    github: GitHub
    token: str
    memory: SessionMemory

    def update(self, session_id: str, change: Callable[[UploadSession], UploadSession]) -> UploadSession:
        """The session as `change` makes it. Raises NotFoundError, what `change` raises, and what GitHub's answers mean."""
        own = SessionChange(session_id, change)
        self.memory.queue.add(self.token, own)
        with self.memory.turn(release_of(session_id)):
            if not own.done:
                gathered = self.memory.queue.take(self.token, session_id)
                try:
                    self._write(session_id, gathered)
                except WharfError as error:
                    for each in gathered:
                        each.result, each.error = None, error
                for each in gathered:
                    each.done = True
        if own.error is not None:
            raise own.error
        if own.result is None:
            raise changed_by_others()
        return own.result

    def read(self, session_id: str) -> Listed:
        """The draft as it is now. Raises NotFoundError."""
        listed = self.github.rest.release(release_of(session_id))
        if listed is None:
            self.memory.forget(release_of(session_id))
        else:
            self.memory.note(self.token, listed)
        found = None if listed is None else session_in(listed)
        if listed is None or found is None or found.session.id != session_id:
            raise NotFoundError(
                "There is no such upload session.", "Perhaps somebody deleted its draft on GitHub. Begin another one."
            )
        return listed

    def _write(self, session_id: str, changes: Sequence[SessionChange]) -> None:
        """Write changes until the text has them."""
        if self._are_there(session_id, changes):
            return
        for _ in range(TRIES):
            listed = self.read(session_id)
            found = session_in(listed)
            if found is None:
                continue
            before = session = self.memory.with_said(found.session)
            for each in changes:
                session = each.apply(session)
            if same_text(without_words(session), without_words(before)):
                self.memory.say(session)
                return
            mark = self.memory.writer + secrets.token_hex(3)
            if self._put(listed, session, session_text(session, [*found.writes, mark]), mark):
                return
        raise changed_by_others()

    def _are_there(self, session_id: str, changes: Sequence[SessionChange]) -> bool:
        """Whether the draft of a moment ago has all of it already: as what GitHub tells of a file that just came."""
        listed = self.memory.draft(self.token, release_of(session_id))
        found = None if listed is None else session_in(listed)
        if found is None or found.session.id != session_id:
            return False
        before = session = self.memory.with_said(found.session)
        for each in changes:
            session = each.apply(session)
        if any(each.error for each in changes) or not same_text(without_words(session), without_words(before)):
            return False
        self.memory.say(session)
        return True

    def _put(self, listed: Listed, session: UploadSession, text: str, mark: str) -> bool:
        """Write one text; whether it, or one that was made of it, is there afterwards."""
        try:
            told = self.github.rest.rewrite_release(listed.id, text)
        except UncertainError:
            told = listed
        if not told.draft:  # published since it was read: it gets back the mark that a published release has
            said = release_listing.text(session.index, session.project, session.version, files_of(session))
            self.github.rest.rewrite_release(listed.id, said)
            self.memory.forget(listed.id)
            return False
        time.sleep(SETTLE)
        now = self.github.rest.release(listed.id)
        found = None if now is None else session_in(now)
        if now is None or found is None:
            return False
        self.memory.forget(listed.id)  # also as other tokens saw it
        self.memory.note(self.token, now)
        return mark in found.writes
