"""Requests and answers as values, and GitHub's error bodies."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.simulator.hub import Hub
    from tests.simulator.state import Repo, Token

DOCS = "https://docs.github.com/rest"

SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. "
    "For more on scraping GitHub and how it may affect your rights, please review our Terms of Service "
    "(https://docs.github.com/en/site-policy/github-terms/github-terms-of-service)"
)

_MESSAGES = {
    400: "Problems parsing JSON",
    401: "Bad credentials",
    403: "Forbidden",
    404: "Not Found",
    409: "Git Repository is empty.",
    422: "Validation Failed",
    429: "API rate limit exceeded",
    500: "Server Error",
    502: "Server Error",
    503: "No server is currently available to service your request. Sorry about that.",
    504: "We couldn't respond to your request in time. Sorry about that.",
}


@dataclass(slots=True, kw_only=True)
class Request:
    """One request, its body read; `body` stands at its start."""

    kind: str
    method: str
    path: str
    raw_query: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: IO[bytes]
    size: int
    sha256: str
    faults: list[str] = field(default_factory=list)
    token: Token | None = None

    def json(self) -> dict[str, Any]:
        """The body as an object. Raises Refusal (400)."""
        data = self.body.read()
        try:
            value = json.loads(data) if data else {}
        except ValueError:
            raise Refusal(error(400)) from None
        if not isinstance(value, dict):
            raise Refusal(error(400, "Body should be a JSON object"))
        return value


@dataclass(slots=True)
class Answer:
    """`body`: the bytes; or a stretch (file, first byte, length) of a file; or pieces of unknown length (sent chunked)."""

    status: int
    body: bytes | tuple[Path, int, int] | Iterator[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):  # noqa: N818
    """Ends the handling of a request with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass(slots=True, kw_only=True)
class Context:
    """What the handler of one repository's path is given: `args` are the path's groups, decoded."""

    hub: Hub
    request: Request
    repo: Repo
    level: int
    args: tuple[str, ...]


def reply(status: int, data: object, headers: Mapping[str, str] | None = None) -> Answer:
    """A JSON answer."""
    body = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(status, body, {"content-type": "application/json; charset=utf-8", **(headers or {})})


def error(status: int, message: str | None = None, **more: object) -> Answer:
    """GitHub's error body."""
    return reply(
        status, {"message": message or _MESSAGES.get(status, "Error"), **more, "documentation_url": DOCS, "status": str(status)}
    )


def invalid(resource: str, field_: str | None, code: str, message: str | None = None) -> Answer:
    """422 with one entry in `errors`."""
    entry = {"resource": resource, "code": code}
    if field_ is not None:
        entry["field"] = field_
    if message is not None:
        entry["message"] = message
    return error(422, errors=[entry])


def secondary(seconds: int | str) -> Answer:
    """403 of a secondary limit that is over after so many seconds."""
    answer = error(403, SECONDARY)
    answer.headers["retry-after"] = str(seconds)
    return answer


def text(status: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """A plain text answer, as git's addresses give it."""
    return Answer(status, message.encode() + b"\n", {"content-type": "text/plain; charset=utf-8", **(headers or {})})


def forbidden(token: Token | None) -> Answer:
    """What a token hears that lacks the right to something it may know of."""
    if token is None:
        return error(401, "Requires authentication")
    return error(403, "Resource not accessible by " + ("integration" if token.integration else "personal access token"))
