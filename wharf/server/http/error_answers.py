"""Errors as answers: which status and which words a client gets for what went wrong."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from wharf.errors import NoIndexError, NotFoundError, QuotaError, StorageError

if TYPE_CHECKING:
    from wharf.errors import WharfError
from wharf.server.http.answer import Answer, text

FAULT = text(500, "The server met a fault in itself. Its log says more.")
"""What is answered where an error came that nobody raised on purpose."""


def failure(error: WharfError) -> Answer:
    """An error as an answer: the one place where that is decided. A taken name begins as the uploaders expect it to.

    What went wrong in the store is for its operator, with paths and all: the client is told that it did. So is what the server
    itself cannot find: 404 says that the index has no such thing, and an installer asks the next index.
    """
    if isinstance(error, QuotaError):
        return paused(error, error.http_status)
    missing = isinstance(error, NotFoundError) and not isinstance(error, NoIndexError)  # that is for who uploads
    if error.http_status >= 500 or missing:
        told = error.told if isinstance(error, StorageError) else StorageError.told
        return text(503 if missing else error.http_status, told, (("retry-after", "5"),))
    begin = "File already exists. " if error.http_status == 409 else ""
    return text(error.http_status, f"{begin}{error.sentences}")


def paused(error: QuotaError, status: int) -> Answer:
    """What is said while GitHub's limits want a pause: until when, and why. No machine needs to ask before that."""
    seconds = max(1, math.ceil(error.retry_after))
    words = f"GitHub's limits are reached: {error.reason}. Try again in {seconds} seconds: what is done stays done."
    return text(status, words, (("retry-after", str(seconds)),))
