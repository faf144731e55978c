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
from wharf.errors import ConflictError, UsageError, WharfError
from wharf.index.add_files import AddFiles, NewFile
from wharf.model import File, version_key
from wharf.operations.batch_to_server import sendings
from wharf.operations.file_to_server import FileSending, MissingProjectError, StoppedError, are_there, is_whole, shown_project
from wharf.operations.publish_inputs import check_inputs
from wharf.operations.server_project import ServerRecords
from wharf.repository.server_sessions import ServerSessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from wharf.distribution.read_distribution import Distribution
    from wharf.index.change import Named
    from wharf.model import Project
    from wharf.operations.publish_inputs import CheckedInput, Input
    from wharf.repository.server_index import ServerIndex
    from wharf.repository.server_sessions import ServerSession

AT_ONCE: Final = 8
"""Files that are sent at a time."""

_TRIES = 3  # for a publish, while another publisher sends files of it


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
        with contextlib.suppress(MissingProjectError):
            shown[name] = shown_project(index, name)
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
    try:
        for release in plan.releases:
            session = sessions.begin(release.project, release.version)
            foreign = tuple(name for name in session.files if name not in {each.filename for each, _ in release.files})
            begun.append(Staged(release=release, session=session, foreign=foreign))
            if session.files:
                part = " in part" if left_to_send(begun[-1:]) else ""
                say(f"{release.name} is staged{part} already: this continues there.")
        _refuse_foreign(begun)
    except WharfError:
        for each in begun:
            if each.session.fresh:  # or it would count for a week among those that the index may have
                with contextlib.suppress(WharfError):  # what went wrong first is told
                    sessions.cancel(each.session)
        raise
    return begun


def _refuse_foreign(begun: Sequence[Staged]) -> None:
    for each in begun:
        if each.foreign:
            raise ConflictError(
                f"An upload session of {each.release.name} is open, with files that are not among yours: "
                f"{', '.join(each.foreign)}.",
                "Publish them together: name these files too. Or end that session: the same command with --cancel.",
            )


def left_to_send(begun: Sequence[Staged]) -> dict[str, int]:
    """The files that the sessions do not have, with their sizes."""
    return {
        file.filename: file.size
        for each in begun
        for file, _ in each.release.files
        if not is_whole(file, each.session.files.get(file.filename))
    }


def send_files(index: ServerIndex, begun: Sequence[Staged], progress: Progress) -> None:
    """Send what the sessions do not have, side by side. Raises WharfError, and then nothing is published."""
    sessions, stop = ServerSessions(index), threading.Event()
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        sending = [
            pool.submit(send)
            for each in begun
            for send in sendings(
                sessions,
                each.session,
                (FileSending(sessions, each.session, checked, progress, stop) for checked in each.release.files),
            )
        ]
        done = wait(sending, return_when=FIRST_EXCEPTION).done
        for each in sorted(done, key=lambda each: isinstance(each.exception(), StoppedError)):  # what stopped others is told
            each.result()
    except BaseException:
        stop.set()  # bytes that are on their way stop, so that the end is not waited for
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def publish_staged(index: ServerIndex, staged: Sequence[Staged]) -> str | None:
    """Publish what is staged, one release after the other; the commit of the index afterwards. Raises WharfError."""
    done: list[str] = []
    commit: str | None = None
    for each in staged:
        try:
            commit = _published(index, each)
        except WharfError as error:
            if not are_there(index, [file for file, _ in each.release.files]):
                error.message += f" Published before that: {', '.join(done)}." if done else ""
                raise
        done.append(each.release.name)
    return commit or index.commit()  # the last one may have had nothing new, and an older server does not tell


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


def cancel_sessions(index: ServerIndex, filenames: Iterable[str]) -> list[tuple[str, str]]:
    """End the sessions of the releases of these files without publishing them; the projects and versions that had one.

    Raises InvalidDistributionError for what is no name of a distribution.
    """
    sessions = ServerSessions(index)
    names = [Name.parse(each) for each in filenames]
    ended = []
    for project, version in dict.fromkeys((name.project, str(name.version)) for name in names):
        session = sessions.find(project, version)
        if session is not None:
            sessions.cancel(session)
            ended.append((project, version))
    return ended


def _new_file(each: Distribution, now: datetime) -> NewFile:
    file = File(
        filename=each.filename, sha256=each.sha256, size=each.size, upload_time=now, requires_python=each.requires_python
    )
    return NewFile(project=each.project, version=each.version, file=file, metadata=each.metadata)
