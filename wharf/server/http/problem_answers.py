"""Errors as problem details (RFC 9457): what the management API and upload sessions answer where something is wrong.

They tell what the answers in plain text tell, and no more: `error_answers.told` decides that for both.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from wharf.server.http.answer import Answer, uncached
from wharf.server.http.error_answers import told

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wharf.errors import WharfError
    from wharf.model import Json

MEDIA_TYPE: Final = "application/problem+json"
PAUSED: Final = 429
"""The status while GitHub's limits want a pause."""

_CODES = {
    400: "usage",
    401: "not-allowed",
    403: "not-allowed",
    404: "not-found",
    405: "no-method",
    406: "not-acceptable",
    409: "conflict",
    413: "too-large",
    415: "media-type",
    421: "misdirected",
    422: "invalid",
    429: "too-many",
    503: "storage",
}
_KEPT = frozenset({b"www-authenticate", b"retry-after", b"allow"})  # headers of a refusal in plain text that stay


def problem_of(
    error: WharfError, *, misses: bool = False, headers: Iterable[tuple[str, str]] = (), more: Mapping[str, Json] | None = None
) -> Answer:
    """An error as a problem; `more` are further keys. The hint of what is told stands by itself, too.

    `misses`: what is not there is what the request named, and that is 404. A pause for GitHub's limits is 429, with its length.
    """
    status, words, own = told(error, paused_as=PAUSED, misses=misses)
    if error.hint and words == error.sentences:
        more = {"hint": error.hint, **(more or {})}
    return problem(status, words, error.code, headers=(*own, *headers), more=more)


def problem(
    status: int,
    detail: str,
    code: str | None = None,
    *,
    headers: Iterable[tuple[str, str]] = (),
    more: Mapping[str, Json] | None = None,
) -> Answer:
    """A problem in a sentence or two. `code` is the word for machines, by default that of the status."""
    found: dict[str, Json] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code or _CODES.get(status, "error"),
        **(more or {}),
    }
    body = json.dumps(found, ensure_ascii=True).encode()
    return uncached(status, body, MEDIA_TYPE, headers, detail)


def problem_like(refusal: Answer, *, more: Mapping[str, Json] | None = None) -> Answer:
    """A refusal in plain text, as those of an access are, as a problem with the same status and words."""
    kept = [(name.decode(), value.decode()) for name, value in refusal.headers if name in _KEPT]
    return problem(refusal.status, refusal.body.decode().strip(), headers=kept, more=more)


FAULT: Final = problem(500, "The server met a fault in itself. Its log says more.", "fault")
"""What is answered where an error came that nobody raised on purpose."""
