"""The files of an upload session (PEP 694): announced, received, completed and deleted.

The bytes of a file are checked when they come, before the store takes them. To complete a file is to say that they are the
ones that count.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import threading
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from wharf.assets.upload_session import MOST_FILES, MOST_UPLOADS, SessionFile
from wharf.assets.upload_session_states import COMPLETED, ERROR, after_file_event, after_session_event
from wharf.distribution import read_distribution
from wharf.distribution.file_names import Name, plain
from wharf.errors import ConflictError, InvalidDistributionError, NotFoundError, RefusedError, TooLargeError
from wharf.model import same_version, version_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wharf.assets.session_requests import FileAsked
    from wharf.assets.session_store import SessionStore
    from wharf.assets.upload_session import UploadSession
    from wharf.assets.upload_session_states import FileEvent
    from wharf.distribution.read_distribution import Distribution
    from wharf.index.snapshot import Snapshot

_MEMORY: Final = 32 << 20  # bytes of core metadata that are remembered
_LEAST: Final = 4 << 10  # bytes that count for each
_AGAIN: Final = "Delete it, and begin its upload again."


class KeptDistributions:
    """What the checks of files said, by session and number, within a bound of memory. Any thread may ask."""

    def __init__(self, budget: int = _MEMORY) -> None:
        self._left = budget
        self._kept: dict[tuple[str, int], Distribution] = {}
        self._lock = threading.Lock()

    def keep(self, session_id: str, number: int, found: Distribution) -> None:
        """Remember a check. The oldest ones make room: their files are checked again when they are published."""
        with self._lock:
            self._forget((session_id, number))
            self._kept[session_id, number] = found
            self._left -= _weight(found)
            while self._left < 0 and self._kept:
                self._forget(next(iter(self._kept)))

    def get(self, session_id: str, number: int) -> Distribution | None:
        """What the check of a file said, if that is remembered."""
        return self._kept.get((session_id, number))

    def forget(self, session_id: str) -> None:
        """Forget the checks of a session."""
        with self._lock:
            for key in [key for key in self._kept if key[0] == session_id]:
                self._forget(key)

    def _forget(self, key: tuple[str, int]) -> None:
        found = self._kept.pop(key, None)
        if found is not None:
            self._left += _weight(found)


class Digests:
    """All digests that were announced of a file, and its sha256, in one pass over the bytes."""

    def __init__(self, announced: Mapping[str, str]) -> None:
        self._announced = announced
        self._running: dict[str, Any] = {name: hashlib.new(name, usedforsecurity=False) for name in announced}
        self._running.setdefault("sha256", hashlib.sha256())
        self.size = 0

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes."""
        self.size += len(data)
        for each in self._running.values():
            each.update(data)

    def wrong(self) -> list[str]:
        """The names of the digests that are not as announced."""
        return [name for name, digest in self._announced.items() if self._hex(name, digest) != digest]

    @property
    def sha256(self) -> str:
        """That of the bytes so far."""
        return self._hex("sha256", "")

    def _hex(self, name: str, announced: str) -> str:
        digest = self._running[name]
        found: str = digest.hexdigest() if digest.digest_size else digest.hexdigest(len(announced) // 2)  # shake: of any length
        return found


def announce_file(
    store: SessionStore, session: UploadSession, asked: FileAsked, snapshot: Snapshot, limit: int
) -> tuple[UploadSession, SessionFile, list[SessionFile]]:
    """Begin the upload of a file; the session with it, and what goes to `drop_files` next. `limit` is in bytes.

    `snapshot` is the index now. A completed file of the same name gives way. Raises InvalidDistributionError for a
    name that is none of the release, TooLargeError, and ConflictError for a file that is published, or whose upload is under
    way.
    """
    name = check_asked(session, asked, snapshot, limit)
    replaced: list[SessionFile] = []

    def announced(before: UploadSession) -> UploadSession:
        state = after_session_event(before.state, "change")
        replaced[:] = [each for each in before.files.values() if Name.parse(each.filename) == name]
        for each in replaced:
            refuse_replacing(each)
        left = before
        for each in replaced:
            left = left.without_file(each.filename)
        check_room_for(left, 1)
        file = SessionFile(number=before.taken, filename=asked.filename, size=asked.size, hashes=asked.hashes)
        return dataclasses.replace(left.with_file(file), state=state)

    after = store.update(session.id, announced)
    return after, after.files[asked.filename], replaced


def check_asked(session: UploadSession, asked: FileAsked, snapshot: Snapshot, limit: int) -> Name:
    """The name of a file that is going to come. Raises as `announce_file` does for what the session itself does not decide."""
    name = Name.parse(asked.filename)
    if name.project != session.project or name.version != version_of(session.version):
        raise InvalidDistributionError(
            f"{asked.filename} is of {name.project} {name.version}, "
            f"and the session is for {session.project} {session.version}.",
            "Begin a session for each release.",
        )
    if asked.size > limit:
        raise TooLargeError(
            f"{asked.filename} has more bytes than this server takes ({limit}).", "`wharf serve --upload-limit` sets that."
        )
    _refuse_published(snapshot, session, asked, name)
    return name


def check_room_for(session: UploadSession, more: int) -> None:
    """Raise RefusedError if a session may not have so many files more."""
    if len(session.files) + more > MOST_FILES or session.taken + more > MOST_UPLOADS:
        raise RefusedError(
            f"The session has as many files as it may have ({MOST_FILES} at once, {MOST_UPLOADS} in all).",
            "Publish it, and begin another one for the rest.",
        )


def check_receiving(session: UploadSession, number: int) -> SessionFile:
    """The file that may receive its bytes now. Raises ConflictError, also for one that was deleted."""
    return _changed(session, number, "receive")[1]


def check_bytes(
    path: Path, file: SessionFile, digests: Digests, *, limit: int, strict: bool, data: bytes | None = None
) -> Distribution:
    """The distribution whose bytes came for a file. `data`: all of them, where they are in memory.

    Raises InvalidDistributionError for another size or digest, too, and NotFoundError if the session ended meanwhile.
    """
    if digests.size != file.size:
        raise InvalidDistributionError(
            f"{file.filename} arrived with {digests.size} bytes instead of {file.size}.", "Send all of its bytes again."
        )
    if wrong := digests.wrong():
        raise InvalidDistributionError(
            f"{file.filename} arrived with another {' and another '.join(wrong)} than announced.",
            "Send it again: it was damaged on the way, or is another file.",
        )
    try:
        source: BinaryIO = path.open("rb") if data is None else io.BytesIO(data)
    except FileNotFoundError as error:  # it is deleted with the rest of a session that ends
        raise NotFoundError("The upload session ended while the bytes came.", "Ask for its status.") from error
    with source:
        found = read_distribution.read(source, file.filename, limit=limit, digest=(digests.sha256, digests.size))
    if strict and found.warnings:
        raise InvalidDistributionError(
            f"{plain(file.filename)}: {' '.join(found.warnings)}",
            "Correct it and build it again. --strict-uploads made it an error.",
        )
    return found


def keep_bytes(store: SessionStore, session_id: str, file: SessionFile, path: Path, found: Distribution) -> UploadSession:
    """Give checked bytes to the store; the session after that. Raises ConflictError if the file was deleted meanwhile."""
    store.keep(session_id, [(file, path, found.sha256)])

    def received(session: UploadSession) -> UploadSession:
        there = session.numbered(file.number)
        if there is not None and there.state == COMPLETED and there.sha256 == found.sha256:
            # A store that knows a file by its digest says that it is complete as soon as it has the bytes.
            return session.with_file(dataclasses.replace(there, requires_python=found.requires_python, notices=found.warnings))
        after, before = _changed(session, file.number, "receive")
        return after.with_file(
            dataclasses.replace(before, sha256=found.sha256, requires_python=found.requires_python, notices=found.warnings)
        )

    try:
        return store.update(session_id, received)
    except (ConflictError, NotFoundError):
        store.drop(session_id, file)
        raise


def note_bad_bytes(store: SessionStore, session_id: str, file: SessionFile, why: str) -> None:
    """Say at a file what was wrong with the bytes that came for it. It still waits for the right ones."""

    def noted(session: UploadSession) -> UploadSession:
        now = session.numbered(file.number)
        return session if now is None or now.sha256 else session.with_file(dataclasses.replace(now, notices=(why,)))

    store.update(session_id, noted)


def complete_file(store: SessionStore, session_id: str, number: int) -> tuple[UploadSession, SessionFile]:
    """Say that a file is whole. Without bytes its upload has failed: InvalidDistributionError."""

    def completed(session: UploadSession) -> UploadSession:
        file = session.numbered(number)
        without = file is not None and file.state != COMPLETED and file.sha256 is None
        after, before = _changed(session, number, "reject" if without else "complete")
        if without and not before.notices:
            before = dataclasses.replace(before, notices=("No bytes of it have come.",))
        return after.with_file(before)

    after = store.update(session_id, completed)
    file = after.numbered(number)
    if file is None or file.state == ERROR:
        why = file.notices[0] if file and file.notices else "It was deleted."
        name = file.filename if file else "The file"
        raise InvalidDistributionError(f"{name} cannot be completed: {why}", _AGAIN)
    return after, file


def delete_file(store: SessionStore, session_id: str, number: int) -> list[SessionFile]:
    """Take a file out of a session; what goes to `drop_files` next. Doing it again changes nothing."""
    dropped: list[SessionFile] = []

    def deleted(session: UploadSession) -> UploadSession:
        file = session.numbered(number)
        state = after_session_event(session.state, "change")
        dropped[:] = [] if file is None else [file]
        if file is None:
            return session
        after_file_event(file.state, "delete")
        return dataclasses.replace(session.without_file(file.filename), state=state)

    store.update(session_id, deleted)
    return dropped


def drop_files(store: SessionStore, session_id: str, files: list[SessionFile]) -> None:
    """Delete the bytes of files that left a session. If the store raises, `files` are those that it still has: try it again."""
    while files:
        store.drop(session_id, files[-1])
        files.pop()


def _changed(session: UploadSession, number: int, event: FileEvent) -> tuple[UploadSession, SessionFile]:
    """The session and one of its files after an event. Raises ConflictError."""
    state = after_session_event(session.state, "change")
    file = session.numbered(number)
    after = after_file_event("canceled" if file is None else file.state, event)
    if file is None:
        raise NotFoundError("The file was deleted.", "Begin its upload again.")
    return dataclasses.replace(session, state=state), dataclasses.replace(file, state=after)


def refuse_replacing(file: SessionFile) -> None:
    """Raise ConflictError for a file that has to be deleted before another one takes its place."""
    if file.state == ERROR:
        raise ConflictError(f"The upload of {file.filename} has failed.", _AGAIN)
    if file.state != COMPLETED:
        raise ConflictError(f"The upload of {file.filename} is under way.", "Complete it, or delete it first.")


def _refuse_published(snapshot: Snapshot, session: UploadSession, asked: FileAsked, name: Name) -> None:
    """Raise ConflictError for a name that is taken in the index now, in any spelling. The publish looks again."""
    for version in snapshot.versions(session.project):
        release = snapshot.release(session.project, version) if same_version(version, session.version) else None
        if release is None:
            continue
        for file in release.files:
            if Name.parse(file.filename) == name:
                raise ConflictError(
                    f"{file.filename} is published already, and a published file never changes.",
                    "Leave it out, or publish a new version or build number.",
                )
        for filename, sha256 in release.removed.items():
            if Name.parse(filename) == name and asked.hashes.get("sha256", sha256) != sha256:
                raise ConflictError(
                    f"{filename} was published once with other bytes, and was removed.",
                    "Only the same bytes may come back under a name: publish a new version or build number.",
                )


def _weight(found: Distribution) -> int:
    return max(len(found.metadata), _LEAST)
