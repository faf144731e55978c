"""Small files on their way into an upload session of a server: many of them in one request, where the server takes that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wharf.errors import ConflictError, NotFoundError, UncertainError
from wharf.repository.server_client import NoRoutesError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from wharf.operations.file_to_server import FileSending
    from wharf.repository.server_sessions import ServerSession, ServerSessions

SMALL: Final = 2 << 20
"""Bytes of a file that does not go by itself."""
MOST_BYTES: Final = 8 << 20
"""Bytes of all files of a request."""
MOST_FILES: Final = 50
"""Files of a request: several requests are on their way side by side."""


class BatchSending:
    """New files of one session on their way in one request. If it does not take them, each goes by itself, and tells why."""

    def __init__(self, sessions: ServerSessions, session: ServerSession, files: Sequence[FileSending]) -> None:
        self._sessions = sessions
        self._session = session
        self._files = files

    def run(self) -> None:
        """Send the files. Raises WharfError."""
        self._files[0].check_stop()
        try:
            self._once()
        except (ConflictError, NotFoundError, UncertainError, NoRoutesError):
            # Another publisher may be at the same files, the answer may be lost, or a proxy may take no request of that size.
            now = self._sessions.read(self._session.url)
            for each in self._files:
                each.again(now)

    def _once(self) -> None:
        self._sessions.send_batch(self._session, [each.file for each in self._files], self._pieces)

    def _pieces(self) -> Iterator[bytes]:
        for each in self._files:
            each.tell(0)
        for each in self._files:
            yield from each.pieces()


def sendings(sessions: ServerSessions, session: ServerSession, files: Iterable[FileSending]) -> list[Callable[[], None]]:
    """What sends the files of a session, side by side: small ones that are new there together, if the server takes that."""
    alone: list[FileSending] = []
    batches: list[list[FileSending]] = []
    left = 0
    for each in files:
        if session.batch is None or each.file.size > SMALL or each.file.filename in session.files:
            alone.append(each)
            continue
        if not batches or each.file.size > left or len(batches[-1]) == MOST_FILES:
            batches.append([])
            left = MOST_BYTES
        batches[-1].append(each)
        left -= each.file.size
    together = [BatchSending(sessions, session, batch).run for batch in batches]
    return [*(each.run for each in alone), *together]
