"""Changes of upload sessions that wait for the write of the text of their draft, so that one write has all that gathered."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wharf.errors import WharfError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.assets.upload_session import UploadSession


@dataclass(slots=True)
class SessionChange:
    """One change that waits for its write, and what came of it."""

    session_id: str
    change: Callable[[UploadSession], UploadSession]
    done: bool = False
    result: UploadSession | None = None
    error: WharfError | None = None

    def apply(self, session: UploadSession) -> UploadSession:
        """The session with this change; as it was, if the change refuses it."""
        try:
            self.result, self.error = self.change(session), None
        except WharfError as error:
            self.result, self.error = None, error
            return session
        return self.result


@dataclass(slots=True)
class SessionQueue:
    """The changes that wait, by the token that writes them and the session. Shared by all clients of a process."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: dict[tuple[str, str], list[SessionChange]] = field(default_factory=lambda: defaultdict(list))

    def add(self, token: str, change: SessionChange) -> None:
        """Let a change wait."""
        with self.lock:
            self.waiting[token, change.session_id].append(change)

    def take(self, token: str, session_id: str) -> list[SessionChange]:
        """All that wait by now."""
        with self.lock:
            return self.waiting.pop((token, session_id), [])
