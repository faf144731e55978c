"""The life of an upload session and of each of its files (PEP 694): states and events as one table. Pure.

docs/sessions.md shows this table, and a test has a row for each state and event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from wharf.errors import ConflictError

SessionState: TypeAlias = Literal["open", "processing", "published", "error", "canceled"]
"""The states of a session, as the API says them."""
FileState: TypeAlias = Literal["pending", "processing", "completed", "error", "canceled"]
"""The states of a file of a session."""
SessionEvent: TypeAlias = Literal["change", "extend", "publish", "succeed", "refuse", "fail", "cancel"]
"""What happens to a session. `refuse`: the publish failed, and its client was told; `fail`: the client did not wait for it."""
FileEvent: TypeAlias = Literal["receive", "complete", "reject", "delete"]
"""What happens to a file. `reject`: it was to be completed, and is not what was announced."""

OPEN: Final = "open"
PROCESSING: Final = "processing"
PUBLISHED: Final = "published"
ERROR: Final = "error"
CANCELED: Final = "canceled"
PENDING: Final = "pending"
COMPLETED: Final = "completed"

SESSION_STATES: Final[tuple[SessionState, ...]] = (OPEN, PROCESSING, ERROR, PUBLISHED, CANCELED)
FILE_STATES: Final[tuple[FileState, ...]] = (PENDING, COMPLETED, ERROR, PROCESSING, CANCELED)
DONE: Final = (PUBLISHED, CANCELED)
"""A session in these never changes again, and another one of the release may begin."""


@dataclass(frozen=True, slots=True)
class Row:
    """What an event in a state leads to: the state `next`, or (where that is empty) to 409 with the sentence `refusal`.

    `next` may be `before`: the state that was there before the publish.
    """

    state: str
    event: str
    next: str = ""
    refusal: str = ""


_BUSY = "The session is being published"
_PUBLISHED = "The session is published already"
_CANCELED = "The session was canceled"
_NOT_ASKED = "Nobody publishes the session"
_WITHOUT_END = "The file is being checked"
_COMPLETED = "The file is complete already"
_BROKEN = "The upload of the file failed, and cannot continue"
_GONE = "The file was deleted"

# fmt: off
SESSION_TABLE: Final = (
    Row(OPEN, "change", OPEN),
    Row(OPEN, "extend", OPEN),
    Row(OPEN, "publish", PROCESSING),
    Row(OPEN, "succeed", refusal=_NOT_ASKED),
    Row(OPEN, "refuse", refusal=_NOT_ASKED),
    Row(OPEN, "fail", refusal=_NOT_ASKED),
    Row(OPEN, "cancel", CANCELED),
    Row(PROCESSING, "change", refusal=_BUSY),
    Row(PROCESSING, "extend", PROCESSING),
    Row(PROCESSING, "publish", PROCESSING),  # by the next one who publishes, if the first one died
    Row(PROCESSING, "succeed", PUBLISHED),
    Row(PROCESSING, "refuse", "before"),
    Row(PROCESSING, "fail", ERROR),
    Row(PROCESSING, "cancel", refusal=_BUSY),
    Row(ERROR, "change", ERROR),
    Row(ERROR, "extend", ERROR),
    Row(ERROR, "publish", PROCESSING),
    Row(ERROR, "succeed", refusal=_NOT_ASKED),
    Row(ERROR, "refuse", refusal=_NOT_ASKED),
    Row(ERROR, "fail", refusal=_NOT_ASKED),
    Row(ERROR, "cancel", CANCELED),
    Row(PUBLISHED, "change", refusal=_PUBLISHED),
    Row(PUBLISHED, "extend", refusal=_PUBLISHED),
    Row(PUBLISHED, "publish", PUBLISHED),  # a client that did not get the answer asks again
    Row(PUBLISHED, "succeed", PUBLISHED),
    Row(PUBLISHED, "refuse", refusal=_PUBLISHED),
    Row(PUBLISHED, "fail", refusal=_PUBLISHED),
    Row(PUBLISHED, "cancel", refusal=_PUBLISHED),
    Row(CANCELED, "change", refusal=_CANCELED),
    Row(CANCELED, "extend", refusal=_CANCELED),
    Row(CANCELED, "publish", refusal=_CANCELED),
    Row(CANCELED, "succeed", refusal=_CANCELED),
    Row(CANCELED, "refuse", refusal=_CANCELED),
    Row(CANCELED, "fail", refusal=_CANCELED),
    Row(CANCELED, "cancel", CANCELED),
)
FILE_TABLE: Final = (
    Row(PENDING, "receive", PENDING),
    Row(PENDING, "complete", COMPLETED),
    Row(PENDING, "reject", ERROR),
    Row(PENDING, "delete", CANCELED),
    Row(COMPLETED, "receive", refusal=_COMPLETED),
    Row(COMPLETED, "complete", COMPLETED),  # a client that did not get the answer asks again
    Row(COMPLETED, "reject", refusal=_COMPLETED),
    Row(COMPLETED, "delete", CANCELED),
    Row(ERROR, "receive", refusal=_BROKEN),
    Row(ERROR, "complete", refusal=_BROKEN),
    Row(ERROR, "reject", refusal=_BROKEN),
    Row(ERROR, "delete", CANCELED),
    Row(PROCESSING, "receive", refusal=_WITHOUT_END),
    Row(PROCESSING, "complete", COMPLETED),
    Row(PROCESSING, "reject", ERROR),
    Row(PROCESSING, "delete", refusal=_WITHOUT_END),
    Row(CANCELED, "receive", refusal=_GONE),
    Row(CANCELED, "complete", refusal=_GONE),
    Row(CANCELED, "reject", refusal=_GONE),
    Row(CANCELED, "delete", CANCELED),
)
# fmt: on
_HINTS = {
    _BUSY: "Ask for its status until it is published, or failed.",
    _PUBLISHED: "Begin another session for more files of the release.",
    _CANCELED: "Begin another session for the release.",
    _NOT_ASKED: "This is a fault in wharf.",
    _WITHOUT_END: "Ask for its status until it is complete, or failed.",
    _COMPLETED: "Delete it first, and begin its upload again.",
    _BROKEN: "Delete it, and begin its upload again.",
    _GONE: "Begin its upload again.",
}
_SESSION_ROWS = {(row.state, row.event): row for row in SESSION_TABLE}
_FILE_ROWS = {(row.state, row.event): row for row in FILE_TABLE}


def after_session_event(state: SessionState, event: SessionEvent, before: SessionState = OPEN) -> SessionState:
    """The state that an event leads to. `before`: the state before the publish. Raises ConflictError if it may not happen."""
    row = _SESSION_ROWS[state, event]
    if row.refusal:
        raise ConflictError(f"{row.refusal}.", _HINTS[row.refusal])
    return before if row.next == "before" else row.next  # type: ignore[return-value] # the table has the states only


def after_file_event(state: FileState, event: FileEvent) -> FileState:
    """The state that an event leads to. Raises ConflictError if it may not happen."""
    row = _FILE_ROWS[state, event]
    if row.refusal:
        raise ConflictError(f"{row.refusal}.", _HINTS[row.refusal])
    return row.next  # type: ignore[return-value] # the table has the states only
