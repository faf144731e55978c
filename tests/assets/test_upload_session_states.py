"""Every event in every state of an upload session and of its files: what the table says, written down a second time."""

from datetime import UTC, datetime
from typing import get_args

import pytest

from wharf.assets.session_json import session_bytes, session_of
from wharf.assets.upload_session import SessionFile, UploadSession, new_session
from wharf.assets.upload_session_states import (
    FILE_STATES,
    FILE_TABLE,
    SESSION_STATES,
    SESSION_TABLE,
    FileEvent,
    FileState,
    SessionEvent,
    SessionState,
    after_file_event,
    after_session_event,
)
from wharf.errors import ConflictError

NO = ""
SESSION: dict[SessionState, dict[SessionEvent, str]] = {
    "open": {
        "change": "open",
        "extend": "open",
        "publish": "processing",
        "succeed": NO,
        "refuse": NO,
        "fail": NO,
        "cancel": "canceled",
    },
    "processing": {
        "change": NO,
        "extend": "processing",
        "publish": "processing",
        "succeed": "published",
        "refuse": "open",
        "fail": "error",
        "cancel": NO,
    },
    "error": {
        "change": "error",
        "extend": "error",
        "publish": "processing",
        "succeed": NO,
        "refuse": NO,
        "fail": NO,
        "cancel": "canceled",
    },
    "published": {
        "change": NO,
        "extend": NO,
        "publish": "published",
        "succeed": "published",
        "refuse": NO,
        "fail": NO,
        "cancel": NO,
    },
    "canceled": {"change": NO, "extend": NO, "publish": NO, "succeed": NO, "refuse": NO, "fail": NO, "cancel": "canceled"},
}
FILES: dict[FileState, dict[FileEvent, str]] = {
    "pending": {"receive": "pending", "complete": "completed", "reject": "error", "delete": "canceled"},
    "processing": {"receive": NO, "complete": "completed", "reject": "error", "delete": NO},
    "completed": {"receive": NO, "complete": "completed", "reject": NO, "delete": "canceled"},
    "error": {"receive": NO, "complete": NO, "reject": NO, "delete": "canceled"},
    "canceled": {"receive": NO, "complete": NO, "reject": NO, "delete": "canceled"},
}


@pytest.mark.parametrize(("state", "event"), [(state, event) for state, events in SESSION.items() for event in events])
def test_an_event_of_a_session(state: SessionState, event: SessionEvent) -> None:
    wanted = SESSION[state][event]
    if wanted:
        assert after_session_event(state, event) == wanted
    else:
        with pytest.raises(ConflictError) as caught:
            after_session_event(state, event)
        assert caught.value.hint


@pytest.mark.parametrize(("state", "event"), [(state, event) for state, events in FILES.items() for event in events])
def test_an_event_of_a_file(state: FileState, event: FileEvent) -> None:
    wanted = FILES[state][event]
    if wanted:
        assert after_file_event(state, event) == wanted
    else:
        with pytest.raises(ConflictError) as caught:
            after_file_event(state, event)
        assert caught.value.hint


def test_the_tables_have_each_state_and_event_once() -> None:
    sessions = [(row.state, row.event) for row in SESSION_TABLE]
    assert sorted(sessions) == sorted((state, event) for state in get_args(SessionState) for event in get_args(SessionEvent))
    files = [(row.state, row.event) for row in FILE_TABLE]
    assert sorted(files) == sorted((state, event) for state in get_args(FileState) for event in get_args(FileEvent))
    assert set(SESSION_STATES) == set(get_args(SessionState))
    assert set(FILE_STATES) == set(get_args(FileState))


def test_a_refused_publish_leads_back_to_where_it_began() -> None:
    assert after_session_event("processing", "refuse", "error") == "error"
    assert after_session_event("processing", "refuse", "open") == "open"


def _session() -> UploadSession:
    made = new_session(index="default", project="demo", version="1.0", creator="ci", now=datetime.now(UTC))
    file = SessionFile(number=0, filename="demo-1.0.tar.gz", size=3, hashes={"sha256": "0" * 64}, notices=("Odd: ü",))
    return made.with_file(file)


def test_a_session_survives_its_bytes() -> None:
    session = _session()
    assert session_of(session_bytes(session)) == session


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"version":1', b'"version":2'),
        (b'"state":"open"', b'"state":"closed"'),
        (b'"project":"demo"', b'"project":"../demo"'),
        (b'"release":"1.0"', b'"release":"1.00"'),
        (b"demo-1.0.tar.gz", b"../demo.tar.gz"),
        (b'"taken":1', b'"taken":true'),
        (b'"notices":[]', b'"notices":[1]'),
        (b'"files":[', b'"files":[[],'),
    ],
)
def test_bytes_that_are_no_session_are_refused(old: bytes, new: bytes) -> None:
    data = session_bytes(_session())
    assert old in data
    with pytest.raises(ValueError, match=r"\w"):
        session_of(data.replace(old, new, 1))


def test_the_key_of_a_file_names_it_and_cannot_be_guessed() -> None:
    session, other = _session(), _session()
    key = session.key(0)
    assert session.number_of(key) == 0
    for odd in (other.key(0), session.key(1), key[:-1], f"{key}0", f"00{key}", "", "0-", f"\u0660{key[1:]}"):
        assert session.number_of(odd) is None
