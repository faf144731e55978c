"""Changes of one session that come at the same time, and are written once."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from wharf.errors import StorageError, WharfError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wharf.assets.upload_session import UploadSession


class AskedChange:
    """A change that somebody asked for, and what came of it. `waits`: that is not known yet."""

    def __init__(self, change: Callable[[UploadSession], UploadSession]) -> None:
        self.waits = True
        self._change = change
        self._found: UploadSession | None = None
        self._error: Exception | None = None

    def carry_out(self, session: UploadSession) -> UploadSession:
        """The session after the change; as it is, if the change is refused."""
        try:
            self._found = self._change(session)
        except WharfError as error:
            self._error = error
            return session
        return self._found

    def end(self, error: Exception | None = None) -> None:
        """The group was written, or failed. A change that was refused stays so."""
        self._error = self._error or error
        self.waits = False

    def result(self) -> UploadSession:
        """The session after the change. Raises what the change raised, or the error of its group."""
        if self._error is not None or self._found is None:
            raise self._error or StorageError("The upload session was not written.", "Try again.")
        return self._found


@contextlib.contextmanager
def answered(group: Sequence[AskedChange]) -> Iterator[None]:
    """Tell all changes of a group what comes of it, also where the one who writes it breaks off."""
    error: Exception | None = StorageError("The upload session was not written.", "Try again.")
    try:
        yield
        error = None
    except (WharfError, OSError) as failure:
        error = failure
    finally:
        for each in group:
            each.end(error)
