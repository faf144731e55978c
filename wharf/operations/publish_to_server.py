"""publish, over a server: each release is staged in an upload session, and published when all of them are there.

The files are checked here, as for a publish into a repository, and compared with what the server shows: so most of what is
refused is refused before a byte is sent. Whatever dies, the same command continues: what a session has is not sent again.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from wharf.assets.asset_store import Progress
from wharf.assets.upload_session import MOST_SESSIONS
from wharf.distribution.file_names import Name
from wharf.distribution.read_distribution import DEFAULT_LIMIT
from wharf.errors import ConflictError, NoIndexError, NotFoundError, StorageError, UncertainError, UsageError, WharfError
from wharf.index.add_files import AddFiles, NewFile
from wharf.model import File, version_key
from wharf.operations.publish_inputs import check_inputs
from wharf.operations.server_project import ServerRecords, project_of
from wharf.repository.server_sessions import COMPLETED, ServerSessions, StagedFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from wharf.distribution.read_distribution import Distribution
    from wharf.index.change import Named
    from wharf.model import Project
    from wharf.operations.publish_inputs import CheckedInput, Input
    from wharf.repository.server_index import ServerIndex
    from wharf.repository.server_sessions import ServerSession

AT_ONCE: Final = 8
"""Files that are sent at a time."""

_CHUNK = 256 << 10  # bytes of a file that are sent at a time
_TRIES = 3  # for a file whose connection breaks off, or that another publisher sends too
_OTHERS = 120.0  # seconds that another publisher has to send a file of the same release


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseToSend:
    """The new files of one release."""

    project: str
    version: str
    files: tuple[CheckedInput, ...]

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.project} {self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPlan:
    """What a publish comes to on what the server shows now."""

    releases: tuple[ReleaseToSend, ...]
    changed: tuple[Named, ...]
    unchanged: tuple[Named, ...]
    skipped: tuple[Named, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A release of which all files are on the server, and its session. `foreign` has files that somebody else staged there."""

    release: ReleaseToSend
    session: ServerSession
    foreign: tuple[str, ...] = ()


def plan_for_server(
    index: ServerIndex,
    inputs: Iterable[Input],
    *,
    strict: bool,
    skip_existing: bool,
    progress: Progress | None = None,
    limit: int = DEFAULT_LIMIT,
) -> ServerPlan:
    """Check the files, and compare them with the index. Raises what `publish` raises, before anything is sent."""
    read = check_inputs(inputs, None, limit, progress or Progress(), strict=strict)
    shown: dict[str, Project] = {}
    for name in dict.fromkeys(each.project for each, _ in read):
        with contextlib.suppress(_MissingError):
            shown[name] = _shown(index, name)
    now = datetime.now(UTC)
    change = AddFiles(files=tuple(_new_file(each, now) for each, _ in read), skip_existing=skip_existing)
    outcome = change.apply(ServerRecords(shown))
    wanted = {named.file.filename for named in outcome.changed}
    grouped: dict[tuple[str, object], list[CheckedInput]] = {}
    for each in read:
        if each[0].filename in wanted:
            grouped.setdefault((each[0].project, version_key(each[0].version)), []).append(each)
    return ServerPlan(
        releases=tuple(
            ReleaseToSend(project=files[0][0].project, version=files[0][0].version, files=tuple(files))
            for files in grouped.values()
        ),
        changed=outcome.changed,
        unchanged=outcome.unchanged,
        skipped=outcome.skipped,
        warnings=tuple(f"{each.filename}: {warning}" for each, _ in read for warning in each.warnings),
    )


class _MissingError(Exception):
    """The server has no such project."""


def _shown(index: ServerIndex, name: str) -> Project:
    try:
        return project_of(index.get("projects", name))
    except NoIndexError:
        raise
    except NotFoundError:
        raise _MissingError from None


def begin_sessions(index: ServerIndex, plan: ServerPlan, say: Callable[[str], None]) -> list[Staged]:
    """A session for each release. Raises WharfError, also for one that has files of somebody else.

    `say` is told of sessions that were there before.
    """
    if len(plan.releases) > MOST_SESSIONS:
        raise UsageError(
            f"These are {len(plan.releases)} releases, and a server stages {MOST_SESSIONS} at a time.", "Publish them in parts."
        )
    sessions = ServerSessions(index)
    begun: list[Staged] = []
    for release in plan.releases:
        session = sessions.begin(release.project, release.version)
        foreign = tuple(name for name in session.files if name not in {each.filename for each, _ in release.files})
        begun.append(Staged(release=release, session=session, foreign=foreign))
        if session.files:
            part = " in part" if left_to_send(begun[-1:]) else ""
            say(f"{release.name} is staged{part} already: this continues there.")
    for each in begun:
        if each.foreign:
            for other in begun:
                if other.session.fresh:
                    sessions.cancel(other.session)
            raise ConflictError(
                f"An upload session of {each.release.name} is open, with files that are not among yours: "
                f"{', '.join(each.foreign)}.",
                "Publish them together: name these files too. Or end that session: the same command with --cancel.",
            )
    return begun


def left_to_send(begun: Sequence[Staged]) -> dict[str, int]:
    """The files that the sessions do not have, with their sizes."""
    return {
        file.filename: file.size
        for each in begun
        for file, _ in each.release.files
        if not _is_whole(file, each.session.files.get(file.filename))
    }


def send_files(index: ServerIndex, begun: Sequence[Staged], progress: Progress) -> None:
    """Send what the sessions do not have, several files at a time. Raises WharfError, and then nothing is published."""
    sessions, stop = ServerSessions(index), threading.Event()
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        sending = [
            pool.submit(_Sending(sessions, each.session, checked, progress, stop).run)
            for each in begun
            for checked in each.release.files
        ]
        for each in wait(sending, return_when=FIRST_EXCEPTION).done:
            each.result()
    except BaseException:
        stop.set()  # bytes that are on their way stop, so that the end is not waited for
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _StoppedError(StorageError):
    """Another file failed, or the person interrupted the command."""


class _Sending:
    """One file on its way into a session. What is there with the same bytes is not sent."""

    def __init__(
        self, sessions: ServerSessions, session: ServerSession, checked: CheckedInput, progress: Progress, stop: threading.Event
    ) -> None:
        self._sessions = sessions
        self._session = session
        self._file, self._open = checked
        self._progress = progress
        self._stop = stop
        self._sent = 0

    def run(self) -> None:
        """Send the file. Raises WharfError."""
        there = self._session.files.get(self._file.filename)
        for tries in range(1, _TRIES + 1):
            if self._stop.is_set():
                raise _StoppedError("The upload was stopped.", "Run the same command again.")
            if _is_whole(self._file, there):
                return
            try:
                if there is not None:
                    there = self._now(there)
                    if _is_whole(self._file, there):
                        return
                    self._sessions.delete(there.link)
                self._once()
            except (ConflictError, NotFoundError, UncertainError) as error:
                self._tell(0)
                there = self._by_another(error, last=tries == _TRIES)
            else:
                return

    def _now(self, there: StagedFile) -> StagedFile:
        """The file as the session has it by now: another publisher may have sent it meanwhile."""
        found = self._sessions.read(self._session.url)
        return there if found is None else found.files.get(self._file.filename, there)

    def _once(self) -> None:
        file = self._file
        upload = self._sessions.announce(self._session, file.filename, file.size, file.sha256)
        self._sessions.send(upload, file.size, self._pieces)

    def _by_another(self, error: WharfError, *, last: bool) -> StagedFile | None:
        """What the session has in the place of the file, once nobody sends it any more. Raises the error if that is in vain."""
        left = _OTHERS
        while True:
            found = self._sessions.read(self._session.url)
            if found is not None and found.state == "published" and _are_there(self._sessions.index, [self._file]):
                return StagedFile(COMPLETED, "", self._file.sha256, self._file.size)
            if found is None or found.state in {"published", "canceled"} or self._stop.is_set():
                raise error
            there = found.files.get(self._file.filename)
            is_left = isinstance(error, UncertainError) or there is None or there.state != "pending"
            if (is_left and found.state != "processing") or left <= 0:
                break
            self._sessions.client.pause("another publisher is at the same release", 1.0, tell=left == _OTHERS)
            left -= 1.0
        if last and not _is_whole(self._file, there):
            raise error
        return there

    def _pieces(self) -> Iterator[bytes]:
        """The file from its beginning. Raises StorageError if it is no longer the one that was checked."""
        self._tell(0)
        left = self._file.size
        with self._open() as file:
            while chunk := file.read(min(_CHUNK, left + 1)):
                if self._stop.is_set():
                    raise _StoppedError("The upload was stopped.", "Run the same command again.")
                left -= len(chunk)
                if left < 0:
                    break
                yield chunk
                self._tell(self._file.size - left)
        if left:
            raise StorageError(f"{self._file.filename} changed while it was sent.", "Run the same command again.")

    def _tell(self, sent: int) -> None:
        """Of how many bytes are sent by now, fewer than before if it begins again."""
        self._progress.sent(self._file.filename, sent - self._sent)
        self._sent = sent


def _is_whole(file: Distribution, there: StagedFile | None) -> bool:
    return there is not None and there.state == COMPLETED and there.sha256 == file.sha256


def publish_staged(index: ServerIndex, staged: Sequence[Staged]) -> str | None:
    """Publish what is staged, one release after the other; the commit of the index afterwards. Raises WharfError."""
    done: list[str] = []
    commit: str | None = None
    for each in staged:
        try:
            commit = _published(index, each) or commit
        except WharfError as error:
            if not _are_there(index, [file for file, _ in each.release.files]):
                error.message += f" Published before that: {', '.join(done)}." if done else ""
                raise
        done.append(each.release.name)
    return commit if len(staged) == 1 and commit else commit_of(index)


def _published(index: ServerIndex, staged: Staged) -> str | None:
    """Publish one release; its commit, if the server tells it. Another publisher may have begun to send a file again."""
    sessions = ServerSessions(index)
    for _ in range(_TRIES):
        try:
            return sessions.publish(staged.session).commit
        except ConflictError:
            found = sessions.read(staged.session.url)
            staged = staged if found is None else replace(staged, session=found)
            if found is None or found.state in {"published", "canceled"} or not left_to_send([staged]):
                raise
            send_files(index, [staged], Progress())
    return sessions.publish(staged.session).commit


def _are_there(index: ServerIndex, files: Sequence[Distribution]) -> bool:
    """Whether the index has these files of one project: another publisher was quicker."""
    try:
        shown = {file.filename: file.sha256 for file in _shown(index, files[0].project).files}
    except (WharfError, _MissingError):
        return False
    return all(shown.get(each.filename) == each.sha256 for each in files)


def cancel_sessions(index: ServerIndex, filenames: Iterable[str]) -> list[tuple[str, str]]:
    """End the sessions of the releases of these files without publishing them; the projects and versions that had one.

    Raises InvalidDistributionError for what is no name of a distribution.
    """
    sessions = ServerSessions(index)
    names = [Name.parse(each) for each in filenames]
    ended = []
    for project, version in dict.fromkeys((name.project, str(name.version)) for name in names):
        session = sessions.begin(project, version)  # the server has no other way to find one
        sessions.cancel(session)
        ended += [] if session.fresh else [(project, version)]
    return ended


def commit_of(index: ServerIndex) -> str | None:
    """The commit of the index by now."""
    found = index.get().get("commit")
    return found if isinstance(found, str) else None


def _new_file(each: Distribution, now: datetime) -> NewFile:
    file = File(
        filename=each.filename, sha256=each.sha256, size=each.size, upload_time=now, requires_python=each.requires_python
    )
    return NewFile(project=each.project, version=each.version, file=file, metadata=each.metadata)
