"""Many files of an upload session that come in one request: all of them are taken, or none of them is.

They are announced, received and completed by one change of the session. Before it, nobody sees any of them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.assets.session_requests import FileAsked
from wharf.assets.upload_session import SessionFile
from wharf.assets.upload_session_states import COMPLETED, PENDING, after_file_event, after_session_event
from wharf.distribution.file_names import Name
from wharf.errors import ConflictError, InvalidDistributionError, WharfError
from wharf.operations.upload_session_files import check_asked, check_bytes, check_room_for, refuse_replacing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wharf.assets.session_store import SessionStore
    from wharf.assets.upload_session import UploadSession
    from wharf.distribution.read_distribution import Distribution
    from wharf.index.snapshot import Snapshot
    from wharf.operations.upload_session_files import Digests


class RefusedFilesError(WharfError):
    """Files of one request that are refused, by their names. It has the code and the status of the first of them."""

    def __init__(self, errors: Mapping[str, WharfError]) -> None:
        self.errors = dict(errors)
        first = next(iter(self.errors.values()))
        self.code, self.exit_code, self.http_status = first.code, first.exit_code, first.http_status
        if len(self.errors) == 1:
            super().__init__(first.message, first.hint)
        else:
            sentences = "\n".join(each.sentences for each in self.errors.values())
            super().__init__(f"{len(self.errors)} files are refused.\n{sentences}", "None of the request was taken.")


@dataclass(frozen=True, slots=True)
class ComingFile:
    """A file of a batch: its announcement, with the number that it is going to have, and its bytes, once they are there.

    `data`: the bytes, where they are in memory anyway. Each look at the disk would give the interpreter away.
    """

    file: SessionFile
    path: Path
    digests: Digests
    data: bytes | None = None


def announce_batch(
    store: SessionStore, session: UploadSession, asked: Sequence[FileAsked], snapshot: Snapshot, limit: int
) -> Sequence[SessionFile]:
    """The files of a batch, with numbers that no other upload of the session gets. The session does not show them yet.

    Raises RefusedFilesError, with each file that `announce_file` would refuse, and RefusedError for too many.
    """
    refused: dict[str, WharfError] = {}
    names: dict[Name, FileAsked] = {}
    for each in asked:
        try:
            name = check_asked(session, each, snapshot, limit)
            if names.setdefault(name, each) is not each:
                raise InvalidDistributionError(f"{each.filename} is in the request twice.", "Send each file once.")
        except (InvalidDistributionError, ConflictError) as error:
            refused[each.filename] = error
    _refuse(refused)
    first: list[int] = []

    def reserved(before: UploadSession) -> UploadSession:
        left, there = before, _by_name(before)
        _refuse(_conflicts([each for name, file in names.items() if (each := _replaced(there.get(name), file))]))
        for name in names.keys() & there.keys():
            left = left.without_file(there[name].filename)
        check_room_for(left, len(asked))
        first[:] = [before.taken]
        state = after_session_event(before.state, "change")
        return dataclasses.replace(before, state=state, taken=before.taken + len(asked))

    store.update(session.id, reserved)
    return [
        SessionFile(number=number, filename=each.filename, size=each.size, hashes=each.hashes)
        for number, each in enumerate(asked, first[0])
    ]


def keep_batch(
    store: SessionStore, session_id: str, come: Sequence[ComingFile], *, limit: int, strict: bool
) -> tuple[UploadSession, Mapping[int, Distribution]]:
    """Check the bytes of a batch, and give them to the session; the session after that, and what the checks said, by number.

    A file that the session has by then with the same bytes stays.
    Raises RefusedFilesError, and what the store raises: nothing of the batch is kept then.
    """
    found: dict[int, Distribution] = {}
    refused: dict[str, WharfError] = {}
    for each in come:
        try:
            checked = check_bytes(each.path, each.file, each.digests, limit=limit, strict=strict, data=each.data)
            found[each.file.number] = checked
        except InvalidDistributionError as error:
            refused[each.file.filename] = error
    _refuse(refused)
    unneeded = [each.file for each in come]
    try:  # synced after the checks: threads would only wait for the interpreter meanwhile
        store.keep(session_id, [(each.file, each.path, found[each.file.number].sha256) for each in come])
        session, unneeded = _completed(store, session_id, [_whole(each.file, found[each.file.number]) for each in come])
    finally:
        for file in unneeded:
            store.drop(session_id, file)
    return session, found


def _completed(store: SessionStore, session_id: str, files: Sequence[SessionFile]) -> tuple[UploadSession, list[SessionFile]]:
    """The session with files that are whole; and those of which nobody needs the bytes: what they replace, or what stays."""
    unneeded: list[SessionFile] = []

    def completed(before: UploadSession) -> UploadSession:
        after = dataclasses.replace(before, state=after_session_event(before.state, "change"))
        there = _by_name(before)
        replaced = [each for file in files if (each := _replaced(there.get(Name.parse(file.filename)), file))]
        _refuse(_conflicts(replaced))
        unneeded[:] = replaced
        for each in replaced:
            after = after.without_file(each.filename)
        for file in files:
            other = there.get(Name.parse(file.filename))
            if other is None or other in replaced:
                after = after.with_file(file)
            else:
                unneeded.append(file)
        check_room_for(after, 0)
        return after

    return store.update(session_id, completed), unneeded


def _whole(file: SessionFile, found: Distribution) -> SessionFile:
    """A file of which the bytes are there and checked."""
    state = after_file_event(after_file_event(PENDING, "receive"), "complete")
    return dataclasses.replace(
        file, state=state, sha256=found.sha256, requires_python=found.requires_python, notices=found.warnings
    )


def _by_name(session: UploadSession) -> Mapping[Name, SessionFile]:
    return {Name.parse(each.filename): each for each in session.files.values()}


def _replaced(there: SessionFile | None, by: FileAsked | SessionFile) -> SessionFile | None:
    """What a session has under the name of a file, unless it is the same file, complete."""
    if there is None:
        return None
    sha256 = by.hashes.get("sha256") if isinstance(by, FileAsked) else by.sha256
    return None if there.state == COMPLETED and (there.filename, there.sha256) == (by.filename, sha256) else there


def _conflicts(replaced: Sequence[SessionFile]) -> Mapping[str, WharfError]:
    """Those that may not be replaced."""
    found: dict[str, WharfError] = {}
    for each in replaced:
        try:
            refuse_replacing(each)
        except ConflictError as error:
            found[each.filename] = error
    return found


def _refuse(errors: Mapping[str, WharfError]) -> None:
    if errors:
        raise RefusedFilesError(errors)
