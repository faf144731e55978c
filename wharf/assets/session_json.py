"""An upload session as bytes, and back. Pure. The token is in these bytes, so only the owner of a store may read them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args

from wharf.assets.upload_session import SessionFile, UploadSession, is_session_id, is_session_token
from wharf.assets.upload_session_states import FileState, SessionState
from wharf.model import is_filename, is_name, is_sha256, version_of
from wharf.secret import Secret
from wharf.text_formats.toml_and_json import json_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.model import Json

T = TypeVar("T")

VERSION: Final = 1
"""The version of the format. Others are not read."""
LARGEST: Final = 8 << 20
"""Bytes of a session: a thousand files with long names, several digests and a notice each come to a tenth."""


def session_bytes(session: UploadSession) -> bytes:
    """The session, by the keys of its attributes."""
    said: dict[str, Json] = {
        "version": VERSION,
        "id": session.id,
        "token": session.token.reveal(),
        "index": session.index,
        "project": session.project,
        "release": session.version,
        "creator": session.creator,
        "created": _text(session.created),
        "expires": _text(session.expires),
        "state": session.state,
        "before": session.before,
        "ended": None if session.ended is None else _text(session.ended),
        "taken": session.taken,
        "notices": list(session.notices),
        "files": [_file_value(each) for each in session.files.values()],
    }
    return json.dumps(said, separators=(",", ":")).encode()


def session_of(data: bytes) -> UploadSession:
    """The session. Raises ValueError for whatever is none: a store is a place that others may have written to."""
    said = _checked(json_value(data), dict)
    if said.get("version") != VERSION:
        raise ValueError("it has another version")
    id_, token = _checked(said.get("id"), str), _checked(said.get("token"), str)
    project, version = _checked(said.get("project"), str), _checked(said.get("release"), str)
    parsed = version_of(version)
    if not (is_session_id(id_) and is_session_token(token) and is_name(project) and parsed and str(parsed) == version):
        raise ValueError("it is not a session")
    files = [_file(_checked(each, dict)) for each in _checked(said.get("files"), list)]
    ended = said.get("ended")
    return UploadSession(
        id=id_,
        token=Secret(token),
        index=_checked(said.get("index"), str),
        project=project,
        version=version,
        creator=_checked(said.get("creator"), str),
        created=_moment(said.get("created")),
        expires=_moment(said.get("expires")),
        state=_state(said.get("state")),
        before=_state(said.get("before")),
        ended=None if ended is None else _moment(ended),
        files={each.filename: each for each in files},
        taken=_checked(said.get("taken"), int),
        notices=_texts(said.get("notices")),
    )


def _file_value(file: SessionFile) -> Json:
    return {
        "number": file.number,
        "filename": file.filename,
        "size": file.size,
        "hashes": dict(file.hashes),
        "state": file.state,
        "sha256": file.sha256,
        "requires_python": file.requires_python,
        "notices": list(file.notices),
    }


def _file(said: Mapping[str, Any]) -> SessionFile:
    filename, sha256, state = _checked(said.get("filename"), str), said.get("sha256"), said.get("state")
    if not is_filename(filename) or (sha256 is not None and not is_sha256(_checked(sha256, str))):
        raise ValueError("it has a file that is none")
    if state not in get_args(FileState):
        raise ValueError("a file has no state")
    hashes, python = _checked(said.get("hashes"), dict), said.get("requires_python")
    return SessionFile(
        number=_checked(said.get("number"), int),
        filename=filename,
        size=_checked(said.get("size"), int),
        hashes={name: _checked(digest, str) for name, digest in hashes.items()},
        state=state,  # type: ignore[arg-type] # it is one of them
        sha256=sha256,
        requires_python=None if python is None else _checked(python, str),
        notices=_texts(said.get("notices")),
    )


def _state(said: object) -> SessionState:
    if said not in get_args(SessionState):
        raise ValueError("it has no state")
    return said  # type: ignore[return-value] # it is one of them


def _texts(said: object) -> tuple[str, ...]:
    return tuple(_checked(each, str) for each in _checked(said, list))


def _checked(said: object, kind: type[T]) -> T:
    if not isinstance(said, kind) or isinstance(said, bool):
        raise ValueError(f"a value of it is no {kind.__name__}")  # noqa: TRY004 - what is wrong is the text
    return said


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _moment(said: object) -> datetime:
    return datetime.strptime(_checked(said, str), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
