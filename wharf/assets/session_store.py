"""What upload sessions need of a store, whichever it is: a folder, or draft releases on GitHub.

The rules of a session are in `operations`; a store keeps values and bytes, and decides between two that come at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

from wharf.errors import ConflictError, WharfError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from wharf.assets.upload_session import SessionFile, UploadSession
    from wharf.secret import Secret


class LiveSessionError(ConflictError):
    """A release has a live session already: `session`."""

    code = "session-exists"

    def __init__(self, session: UploadSession) -> None:
        super().__init__(
            f"{session.project} {session.version} has an upload session already, which {session.creator} began.",
            "Continue that one, at the address in the header Location, or cancel it.",
        )
        self.session = session


class ManySessionsError(WharfError):
    """An index has as many live sessions as it may have, or `creator` has as many of them as one may have."""

    code = "too-many-sessions"
    exit_code = 7
    http_status = 429

    def __init__(self, index: str, creator: str | None = None) -> None:
        who = f"The index {index!r} has" if creator is None else f"In the index {index!r}, {creator} has"
        most = "it may have" if creator is None else "one uploader may have"
        super().__init__(
            f"{who} as many upload sessions as {most} that are neither published nor canceled.",
            "Publish or cancel some of them; those that nobody continues end by themselves after a week.",
        )


class SessionStore(Protocol):
    """The upload sessions of one repository, of all of its indexes.

    - All methods may block, and may be called from several threads and processes (or replicas) at once.
    - What a method wrote is durable when it returns: a server that is killed then finds it again.
    - A store does not look at the clock, at rights, or at the table of states. Sessions that ran out are there until `purge`.
    - Methods raise StorageError (QuotaError, BusyError) beside what they say.
    """

    def create(self, session: UploadSession) -> UploadSession:
        """Keep a new session, and give it as it is kept: on GitHub it has another id and token, which name its draft.

        Raises LiveSessionError, with the session that is there, if another one of the same `release` is `live`; of two that
        come at once, one wins. Raises ManySessionsError if there are too many live ones. Those that are `is_over` by
        the `created` of the new one count for neither.
        """
        ...

    def get(self, session_id: str, *, newest: bool = False) -> UploadSession | None:
        """The session with that id, of whatever index and state; None if there is none, or the text cannot be an id.

        On GitHub it may be as it was some seconds ago, unless `newest` asks for what others changed meanwhile.
        """
        ...

    def shows(self, session: UploadSession) -> bool:
        """Whether `by_token` finds that session: a server on GitHub shows a stage with its own token, or not at all."""
        ...

    def by_token(self, token: Secret) -> UploadSession | None:
        """The session with that token, of whatever state; None if there is none. In about the same time for every token."""
        ...

    def all(self) -> Sequence[UploadSession]:
        """All that are there, of all indexes and states, oldest first. One that cannot be read is left out."""
        ...

    def update(self, session_id: str, change: Callable[[UploadSession], UploadSession]) -> UploadSession:
        """Replace a session by what `change` makes of it, and give that. No other update comes in between.

        `change` is pure, and may be called again, with a newer session, where another writer was quicker. What it raises
        leaves the session as it was. If it gives an equal session, nothing is written. Raises NotFoundError.
        """
        ...

    def publishing(self, session_id: str) -> AbstractContextManager[bool]:
        """The right to publish a session, for one at a time: True while it is held; False, at once, if another one has it.

        One who died does not have it: at once in a folder, after a few minutes on GitHub. Held over the whole publish, and
        looked at by whoever finds a session in the state PROCESSING: if nobody has it, the publish died.
        """
        ...

    def scratch(self, session_id: str) -> Path:
        """A path on a disk here, in a folder that is there, that nothing has yet: for bytes that are coming, before `keep`.

        The caller makes the file, and deletes it if it does not come to `keep`. What a dead one left is deleted in time.
        """
        ...

    def keep(self, session_id: str, files: Sequence[tuple[SessionFile, Path, str]]) -> None:
        """Take the bytes of files, each from a path: `size` bytes with that digest, checked. Bytes it had before are replaced.
        Where one cannot be taken, others may be.

        Paths are from `scratch`. The store renames or reads them, and the caller deletes what is left there. The session
        value is not changed: the caller does that next, by `update`; bytes that no file of the session has by then are
        nobody's. On GitHub this uploads the asset into the draft.
        """
        ...

    def opener(self, session_id: str) -> AbstractContextManager[Callable[[SessionFile], BinaryIO]]:
        """What opens the bytes that were kept for a file (its `number` counts), at their beginning.

        Both raise NotFoundError.
        """
        ...

    def drop(self, session_id: str, file: SessionFile) -> None:
        """Delete the bytes of a file, if there are any. Called after the `update` that took it out of the session."""
        ...

    def ready(self, session: UploadSession) -> None:
        """Called under `publishing`, in the state PROCESSING, right before the ordinary publish of all files of the session.

        On GitHub: the draft gets the mark of its set of files, by which that publish finds it filled. In a folder: nothing.
        After this, the same session is published again, or goes back to OPEN or ERROR, or is purged; each has to work.
        """
        ...

    def clear(self, session_id: str) -> None:
        """Delete the bytes of all files. The session stays, to tell of its end. Doing it again changes nothing.

        Called after a session became PUBLISHED or CANCELED. On GitHub the draft of a published one is a release by then.
        """
        ...

    def purge(self, session_id: str) -> object:
        """Delete the session with all of its bytes, if it is there: it ran out, or its end was told long enough.

        Never one that somebody publishes just now. What an index names is not touched.
        """
        ...
