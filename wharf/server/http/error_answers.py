"""Errors as answers: which status and which words a client gets for what went wrong."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from wharf.errors import CrowdingError, NoIndexError, NotFoundError, QuotaError, StorageError
from wharf.server.http.answer import Answer, text

if TYPE_CHECKING:
    from wharf.errors import WharfError

Headers = tuple[tuple[str, str], ...]

FAULT = text(500, "The server met a fault in itself. Its log says more.")
"""What is answered where an error came that nobody raised on purpose."""


def failure(error: WharfError) -> Answer:
    """An error as an answer in plain text. A taken name begins as the uploaders expect it to."""
    status, words, headers = told(error, paused_as=error.http_status)
    begin = "File already exists. " if status == 409 else ""
    return text(status, f"{begin}{words}", headers)


def told(error: WharfError, *, paused_as: int, misses: bool = False) -> tuple[int, str, Headers]:
    """The status, the words and the headers for an error: the one place where it is decided what a client is told.

    - What went wrong in the store is for its operator, with paths and all: the client is told that it did.
    - So is what the server itself cannot find: 404 says that the index has no such thing, and an installer asks the next index.
      With `misses` the client asked for the very thing that is not there, and no installer asks.
    - A pause for GitHub's limits has the status `paused_as`.
    """
    if isinstance(error, QuotaError):
        seconds = max(1, math.ceil(error.retry_after))
        words = f"GitHub's limits are reached: {error.reason}. Try again in {seconds} seconds: what is done stays done."
        return paused_as, words, (("retry-after", str(seconds)),)
    missing = isinstance(error, NotFoundError) and (
        error.unseen or not (misses or isinstance(error, NoIndexError))  # that is for who uploads
    )
    if error.http_status >= 500 or missing:
        words = error.told if isinstance(error, StorageError) else StorageError.told
        return 503 if missing else error.http_status, words, (("retry-after", "5"),)
    return error.http_status, error.sentences, (("retry-after", "5"),) if isinstance(error, CrowdingError) else ()


def paused(error: QuotaError, status: int) -> Answer:
    """What is said while GitHub's limits want a pause: until when, and why. No machine needs to ask before that."""
    return text(*told(error, paused_as=status))
