"""One file on its way into an upload session of a server, while others may send it, too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wharf.errors import ConflictError, NoIndexError, NotFoundError, StorageError, UncertainError, WharfError
from wharf.operations.server_project import project_of
from wharf.repository.server_answers import ProjectPage
from wharf.repository.server_sessions import COMPLETED, PENDING, StagedFile

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from wharf.assets.asset_store import Progress
    from wharf.distribution.read_distribution import Distribution
    from wharf.model import Project
    from wharf.operations.publish_inputs import CheckedInput
    from wharf.repository.server_index import ServerIndex
    from wharf.repository.server_sessions import ServerSession, ServerSessions

_CHUNK = 256 << 10  # bytes of a file that are sent at a time
_TRIES = 3  # for a file whose connection breaks off, or that another publisher sends too
_LOOKS = (0.1, 0.3, 0.6, 1.0, 1.0, 2.0)  # seconds between looks at a file that may be on its way, or left by a dead publisher
_OTHERS = 120.0  # seconds that another publisher has to send a file of the same release


class MissingProjectError(Exception):
    """The server has no such project."""


def shown_project(index: ServerIndex, name: str) -> Project:
    """A project as the server shows it. Raises MissingProjectError."""
    try:
        return project_of(index.get(ProjectPage, "projects", name), index.where)
    except NoIndexError:
        raise
    except NotFoundError:
        raise MissingProjectError from None


class StoppedError(StorageError):
    """Another file failed, or the person interrupted the command."""


class FileSending:
    """One file on its way into a session. What is there with the same bytes is not sent."""

    def __init__(
        self, sessions: ServerSessions, session: ServerSession, checked: CheckedInput, progress: Progress, stop: threading.Event
    ) -> None:
        self._sessions = sessions
        self._session = session
        self.file, self._open = checked
        self._progress = progress
        self._stop = stop
        self._sent = 0

    def run(self) -> None:
        """Send the file. Raises WharfError."""
        there = self._session.files.get(self.file.filename)
        for tries in range(1, _TRIES + 1):
            self.check_stop()
            if is_whole(self.file, there):
                return
            try:
                if there is not None:
                    there = self._now(there)
                    if is_whole(self.file, there):
                        return
                if there is not None:
                    self._sessions.delete(there.link)
                self._once()
            except (ConflictError, NotFoundError, UncertainError) as error:
                self.tell(0)
                there = self._by_another(error, last=tries == _TRIES)
            else:
                return

    def again(self, session: ServerSession | None) -> None:
        """Send the file into the session as it is now, after the batch with it was not taken. Raises WharfError."""
        if session is not None:
            self._session = replace(self._session, files=session.files)
        self.tell(0)
        self.run()
        self.tell(self.file.size)

    def check_stop(self) -> None:
        """Raise StoppedError if nothing more must be sent."""
        if self._stop.is_set():
            raise StoppedError("The upload was stopped.", "Run the same command again.")

    def _now(self, there: StagedFile) -> StagedFile | None:
        """The file as the session has it by now. Another publisher may be sending it: it is given a moment.

        Two who at once delete what the other one sends would never end.
        """
        for seconds in _LOOKS:
            found = self._sessions.read(self._session.url)
            now = None if found is None else found.files.get(self.file.filename)
            if now is None or now.state != PENDING or self._stop.is_set():
                return now
            there = now
            self._sessions.client.pause("another publisher may be sending a file", seconds, tell=seconds >= 1)
        return there

    def _once(self) -> None:
        file = self.file
        upload = self._sessions.announce(self._session, file.filename, file.size, file.sha256)
        self._sessions.send(upload, file.size, self.pieces)

    def _by_another(self, error: WharfError, *, last: bool) -> StagedFile | None:
        """What the session has in the place of the file, once nobody sends it any more. Raises the error if that is in vain."""
        left = _OTHERS
        while True:
            found = self._sessions.read(self._session.url)
            if found is not None and found.state == "published" and are_there(self._sessions.index, [self.file]):
                return StagedFile(COMPLETED, "", self.file.sha256, self.file.size)
            if self._stop.is_set():
                raise StoppedError("The upload was stopped.", "Run the same command again.") from error
            if found is None or found.state in {"published", "canceled"}:
                raise error
            there = found.files.get(self.file.filename)
            is_left = isinstance(error, UncertainError) or there is None or there.state != "pending"
            if (is_left and found.state != "processing") or left <= 0:
                break
            self._sessions.client.pause("another publisher is at the same release", 1.0, tell=left == _OTHERS)
            left -= 1.0
        if last and not is_whole(self.file, there):
            raise error
        return there

    def pieces(self) -> Iterator[bytes]:
        """The file from its beginning. Raises StorageError if it is no longer the one that was checked."""
        self.tell(0)
        left = self.file.size
        with self._open() as file:
            while chunk := file.read(min(_CHUNK, left + 1)):
                self.check_stop()
                left -= len(chunk)
                if left < 0:
                    break
                yield chunk
                self.tell(self.file.size - left)
        if left:
            raise StorageError(f"{self.file.filename} changed while it was sent.", "Run the same command again.")

    def tell(self, sent: int) -> None:
        """Of how many bytes are sent by now, fewer than before if it begins again."""
        self._progress.sent(self.file.filename, sent - self._sent)
        self._sent = sent


def is_whole(file: Distribution, there: StagedFile | None) -> bool:
    """Whether a session has the file with the same bytes."""
    return there is not None and there.state == COMPLETED and there.sha256 == file.sha256


def are_there(index: ServerIndex, files: Sequence[Distribution]) -> bool:
    """Whether the index has these files of one project: another publisher was quicker."""
    try:
        shown = {file.filename: file.sha256 for file in shown_project(index, files[0].project).files}
    except (WharfError, MissingProjectError):
        return False
    return all(shown.get(each.filename) == each.sha256 for each in files)
