"""Upload sessions on GitHub: a session is a draft release, and its files are the assets of that."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final

from wharf.assets.asset_store import Incoming, Progress
from wharf.assets.session_store import LiveSessionError, ManySessionsError
from wharf.assets.upload_session import LIFE, LONGEST, MOST_SESSIONS, SessionFile, UploadSession, is_session_id
from wharf.assets.upload_session_states import COMPLETED, DONE, PROCESSING, PUBLISHED
from wharf.errors import BusyError, ConflictError, NotAllowedError, NotFoundError, StorageError, UncertainError
from wharf.github import release_listing, session_asset
from wharf.github.asset_upload import ClosedError, Upload
from wharf.github.session_memory import SessionMemory, with_asset
from wharf.github.session_outcome import is_recorded, session_of_release
from wharf.github.session_text import (
    declared,
    files_of,
    id_of,
    release_of,
    release_of_token,
    session_in,
    session_text,
)
from wharf.github.session_writes import SessionWriter, changed_by_others
from wharf.index.change import Named
from wharf.model import File

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from wharf.github.api import GitHub
    from wharf.github.release_listing import Listed
    from wharf.github.session_text import DraftedSession
    from wharf.index.branch import Branch
    from wharf.secret import Secret

CLAIM: Final = timedelta(minutes=5)
"""After that, a session that another server publishes and does not touch is taken over."""
MOST_LISTED: Final = 1000
"""Releases among which the sessions are looked for that are not known by their ids."""

_PURGED: Final = 3  # sessions that ran out and are deleted by whoever begins another one
_TRIES: Final = 4
_PAGE: Final = 100  # releases of one answer, which are all looked at


class SessionDrafts:
    """A SessionStore on GitHub, with the token of one client. Safe to use from several threads.

    - What a request needs is in the draft. So any server that is over the repository can answer it.
    - The draft and its assets are asked for with the token of whoever asks: GitHub shows drafts to those who may write.
    - Of two sessions for one release that begin at once, the older draft stays.
    - `nobodys`: the client has no token of its own. One that it borrows for reading is not used for sessions.
    - Nothing of a text leads elsewhere: assets are those of the draft itself, as GitHub lists them.
    """

    def __init__(self, github: GitHub, branch: Branch, memory: SessionMemory, *, nobodys: bool = False) -> None:
        self._nobodys = nobodys
        self._branch = branch
        self._github = github
        self._memory = memory
        token = github.source.token().sha256() if github.source is not None else ""
        self._token = token
        self._writer = SessionWriter(github, token, memory)

    def create(self, session: UploadSession) -> UploadSession:
        """Make the draft. Two calls of GitHub beside it: the list before, and the list after."""
        there = [*self._recent()]
        self._check(session, there)
        made = self._draft(session)
        found = session_in(made)
        if found is None:
            raise StorageError("GitHub changed the text of the draft of an upload session.", "Update wharf.")
        older = [each for each in self._recent() if each.listed.id < made.id and self._rivals(each, session)]
        if older:
            self._github.rest.delete_release(made.id)
            raise LiveSessionError(older[0].session)
        self._memory.note(self._token, made)
        for each in [each for each in there if each.session.is_over(session.created)][:_PURGED]:
            self.purge(each.session.id)
        return found.session

    def get(self, session_id: str, *, newest: bool = False) -> UploadSession | None:
        """The session, by its draft; without `newest` as it was within the last `FRESH` seconds."""
        if not is_session_id(session_id) or self._nobodys:
            return None
        number = release_of(session_id)
        kept = None if newest else self._memory.draft(self._token, number)
        listed = kept or self._github.rest.release(number)
        if listed is None:
            ended = self._memory.ended(self._token, session_id)
            return ended if ended is not None and ended.state in DONE else None
        if kept is None:
            self._memory.note(self._token, listed)
        found = session_in(listed)
        if found is not None:
            return self._memory.with_said(found.session) if found.session.id == session_id else None
        return None if listed.draft else self._published(listed, session_id)

    def by_token(self, token: Secret) -> UploadSession | None:
        """The session that a token names, as far as this client is shown it. Raises BusyError for too many guesses."""
        number = release_of_token(token)
        if number is None or self._nobodys:
            return None
        listed = self._memory.draft(self._token, number)
        if listed is None:
            if not self._memory.may_guess():
                raise BusyError("Too many addresses of stages were asked for that do not exist.", "Try again in a minute.")
            listed = self._github.rest.release(number)
            if listed is not None:
                self._memory.note(self._token, listed)
        found = None if listed is None else session_in(listed)
        if found is None or found.session.token != token:
            self._memory.guessed()
            return None
        return self._memory.with_said(found.session)

    def shows(self, session: UploadSession) -> bool:
        """Whether this client is shown drafts: asked until it is once, and not more than once a minute."""
        if self._nobodys:
            return False
        return self._memory.is_shown(lambda: self._github.rest.release(release_of(session.id)) is not None)

    def all(self) -> Sequence[UploadSession]:
        """Those among the newest releases of the last 30 days: no session is older."""
        if self._nobodys:
            return []
        return sorted((each.session for each in self._recent()), key=lambda each: each.created)

    def update(self, session_id: str, change: Callable[[UploadSession], UploadSession]) -> UploadSession:
        """Write what changes beside the assets, with what others change meanwhile."""
        try:
            return self._writer.update(session_id, change)
        except NotFoundError:
            ended = self.get(session_id)
            if ended is None:
                raise
            changed = change(ended)
            self._memory.end(self._token, changed)
            return changed

    @contextlib.contextmanager
    def publishing(self, session_id: str) -> Iterator[bool]:
        """One at a time in this process; another one has it while its draft was touched within `CLAIM`.

        Two servers that begin at once both publish: the ordinary publish of the same files by two is safe.
        """
        number = release_of(session_id)
        with self._memory.publishing(number) as mine:
            listed = self._github.rest.release(number)
            busy = self._is_published_elsewhere(listed)
            if busy and listed is not None and not listed.draft:
                found = self._published(listed, session_id)
                busy = found is None or found.state not in DONE
            yield mine and not busy

    def scratch(self, session_id: str) -> Path:
        """In the folder for temporary files."""
        del session_id
        return self._memory.scratch()

    def keep(self, session_id: str, files: Sequence[tuple[SessionFile, Path, str]]) -> None:
        """Upload the assets. GitHub's digest of each has to be that one."""
        for file, path, sha256 in files:
            self._keep(session_id, file, path, sha256)

    def _keep(self, session_id: str, file: SessionFile, path: Path, sha256: str) -> None:
        session, listed = self._session(session_id)
        stored = File(filename=file.filename, sha256=sha256, size=file.size, upload_time=session.created)
        named = Named(project=session.project, version=session.version, file=stored)
        upload = Upload(self._github, listed, Incoming(named, lambda: path.open("rb")), Progress(), threading.Event())
        try:
            asset = upload.carry_out()
        except ClosedError:
            raise ConflictError(
                f"The draft of the session takes {file.filename} no more.", "Is it published? Ask for its status."
            ) from None
        except NotAllowedError:
            self._memory.forget(listed.id)
            self._session(session_id)  # its draft is there: then it is the token that may not
            raise
        self._memory.change(listed.id, partial(with_asset, stored=asset))

    @contextlib.contextmanager
    def opener(self, session_id: str) -> Iterator[Callable[[SessionFile], BinaryIO]]:
        """What opens an asset, which is fetched when somebody reads."""
        yield partial(self._open, session_id)

    def _open(self, session_id: str, file: SessionFile) -> BinaryIO:
        number = release_of(session_id)
        listed = self._memory.draft(self._token, number) or self._github.rest.release(number)
        if listed is None or (listed.draft and session_in(listed) is None):
            raise NotFoundError("There is no such upload session.", "Begin another one.")
        stored = session_asset.asset_of(listed, file)
        if stored is None:
            raise NotFoundError(f"The bytes of {file.filename} are not there.", "Upload the file again.")
        return session_asset.opened(self._github, stored)

    def drop(self, session_id: str, file: SessionFile) -> None:
        """Delete the asset, unless a later upload has the same file again by now."""
        listed = self._github.rest.release(release_of(session_id))
        found = None if listed is None else session_in(listed)
        if listed is None or found is None or found.session.id != session_id:
            return
        for each in session_asset.to_drop(listed, found.session, file):
            self._github.rest.delete_asset(each.id)
        self._memory.forget(listed.id)

    def ready(self, session: UploadSession) -> None:
        """Leave only the files of the session in the draft, and give it the mark of their set. A release has it already.

        Raises ConflictError where that would drop what a server took: see `refuse_unnamed`.
        """
        if self._is_release(session.id):
            return
        listed = self._memory.draft(self._token, release_of(session.id)) or self._writer.read(session.id)
        found = session_in(listed)
        if found is None or {*map(_key, found.session.files.values())} != {*map(_key, session.files.values())}:
            raise ConflictError("The session was changed while it was published.", "Look at its files, and publish it again.")
        assets = [*self._github.rest.assets(listed.id)]
        session_asset.refuse_unnamed(assets, session)
        for each in assets:
            if not any(each.holds(file) and release_listing.same_name(each.name, file.filename) for file in files_of(session)):
                self._github.rest.delete_asset(each.id)
        self._memory.end(self._token, session)
        self._memory.forget(listed.id)
        writes = [*found.writes, self._memory.writer + "0" * 6]
        told = self._github.rest.rewrite_release(listed.id, session_text(session, writes, publishing=True))
        self._memory.note(self._token, told)
        session_asset.refuse_unnamed(told.assets, session)  # what came since the look before

    def clear(self, session_id: str) -> None:
        """Delete the draft of a session that ended; its end is told by this process. A published one is a release by now."""
        if self._is_release(session_id):
            return
        listed = self._github.rest.release(release_of(session_id))
        found = None if listed is None else session_in(listed)
        if listed is not None and found is not None and found.session.id == session_id:
            self._memory.forget(listed.id)
            if found.session.state not in DONE:
                raise changed_by_others()
            self._memory.end(self._token, found.session)
            self._github.rest.delete_release(listed.id)

    def purge(self, session_id: str) -> bool:
        """Delete the draft, unless somebody publishes it just now; whether that is done."""
        listed = self._github.rest.release(release_of(session_id)) if is_session_id(session_id) else None
        found = None if listed is None else session_in(listed)
        if listed is None or found is None or found.session.id != session_id or self._memory.is_publishing(listed.id):
            return False
        if self._is_published_elsewhere(listed):
            return False
        self._memory.forget(listed.id)
        self._github.rest.delete_release(listed.id)
        return True

    def delete_unreadable(self, release: int) -> bool:
        """Delete a draft whose text says that it is a session, and cannot be read, if that is still so; whether it is done.

        What a later version of wharf wrote stays.
        """
        listed = self._github.rest.release(release)
        if listed is None or not listed.draft or session_in(listed) or not (listed.session or "").startswith("1 "):
            return False
        self._memory.forget(release)
        self._github.rest.delete_release(release)
        return True

    def _recent(self) -> Iterator[DraftedSession]:
        """Every session that can be live. GitHub lists the newest draft first."""
        for number, listed in enumerate(self._github.rest.releases(MOST_LISTED)):
            if number >= _PAGE and self._github.now() - listed.created > LONGEST:
                return
            found = session_in(listed)
            if found is not None:
                yield found

    def _check(self, session: UploadSession, there: Sequence[DraftedSession]) -> None:
        rivals = [each.session for each in there if self._rivals(each, session)]
        if rivals:
            raise LiveSessionError(rivals[-1])
        live = [
            each
            for each in there
            if each.session.index == session.index and each.session.live and not each.session.is_over(session.created)
        ]
        if len(live) >= MOST_SESSIONS:
            raise ManySessionsError(session.index)

    def _rivals(self, each: DraftedSession, session: UploadSession) -> bool:
        """Whether it is a live session of the same release."""
        return each.session.release == session.release and each.session.live and not each.session.is_over(session.created)

    def _draft(self, session: UploadSession) -> Listed:
        """A new draft, whose id gets into the id and the token of the session when it is read."""
        text = session_text(session, [self._memory.writer + "0" * 6])
        tag = f"{session.project}-{session.version}"
        for _ in range(_TRIES):
            try:
                return self._github.rest.create_release(tag, f"wharf/{session.index}", text)
            except UncertainError as error:
                lost = error
                made = [each for each in self._recent() if each.session.id == id_of(each.listed.id, session.id)]
                if made:
                    return made[0].listed
        raise lost

    def _session(self, session_id: str) -> tuple[UploadSession, Listed]:
        """A session with its draft, as either was a moment ago. Raises NotFoundError."""
        number = release_of(session_id)
        listed = self._memory.draft(self._token, number) or self._writer.read(session_id)
        found = session_in(listed)
        if found is None or found.session.id != session_id:
            raise NotFoundError("There is no such upload session.", "Begin another one.")
        return found.session, listed

    def _is_release(self, session_id: str) -> bool:
        """Whether its draft is a release by now, as far as was seen a moment ago."""
        listed = self._memory.draft(self._token, release_of(session_id))
        return listed is not None and not listed.draft

    def _is_published_elsewhere(self, listed: Listed | None) -> bool:
        """Whether another server was at it within `CLAIM`. A release that no index names has no mark of a writer."""
        if listed is not None and not listed.draft and not self._memory.is_known(listed.id):
            return self._github.now() - listed.touched < CLAIM
        found = None if listed is None else session_in(listed)
        if listed is None or found is None or found.session.state != PROCESSING or found.writer == self._memory.writer:
            return False
        return self._github.now() - listed.touched < CLAIM

    def _published(self, listed: Listed, session_id: str) -> UploadSession | None:
        """What there is to say of a session whose draft is a release: it is published, for as long as that is told."""
        known = self._memory.ended(self._token, session_id) or session_of_release(listed, session_id)
        if known is None or known.state in DONE:
            return known
        moment = listed.touched.replace(microsecond=0)
        if is_recorded(self._branch, listed, known):
            return dataclasses.replace(known, state=PUBLISHED, ended=moment)
        return dataclasses.replace(known, expires=max(known.expires, moment + LIFE))  # it died before its commit


def _key(file: SessionFile) -> tuple[int, str, str | None, bool]:
    return file.number, file.filename, declared(file), file.state == COMPLETED
