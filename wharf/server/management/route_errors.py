"""What a route answers where something is wrong, and what each status means: all of it are problems (RFC 9457)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from wharf.distribution.file_names import plain
from wharf.errors import WharfError
from wharf.server.http.problem_answers import FAULT, problem, problem_of
from wharf.server.management.api_hints import in_words_of
from wharf.server.web.answer_response import AnswerResponse

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    from wharf.model import Json

log = logging.getLogger("wharf")

_ERRORS: Final = 20  # of a request that are told

MEANINGS: Final = {
    400: "A name, a version or a moment that is none, or a request that cannot be read.",
    401: "No token, or one that the server does not know.",
    403: "The token may not do that, or the state of the project does not permit it.",
    404: "There is no such index, project, release, file or token.",
    406: "The request takes no JSON.",
    408: "The body of the request takes too long.",
    409: "A name is taken, or has other bytes.",
    413: "The body of the request is too large.",
    415: "The body of the request is not JSON.",
    421: "The server does not answer to that name.",
    422: "The request is not what the address takes.",
    429: "Too many requests, or a pause for GitHub's limits: `Retry-After` says how long.",
    500: "A fault in the server.",
    503: "The store or GitHub cannot be reached just now.",
}
"""When an answer has which status."""


def answer_errors(app: FastAPI) -> None:
    """Have an application answer errors as problems."""
    app.add_exception_handler(WharfError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_fault)


async def _on_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, WharfError):
        raise error
    found = problem_of(in_words_of(request, error), misses=True)
    if found.status >= 500:  # who asked is only told that the log says more
        log.error("%s %s: %s", request.method, ascii(request.scope["path"]), error.message)
    return AnswerResponse(found)


async def _on_invalid(_request: Request, error: Exception) -> Response:
    """What is wrong with each part. What was sent is not told again: it may be a token."""
    if not isinstance(error, RequestValidationError):
        raise error
    found: list[Json] = [
        {"at": [plain(str(part), 60) for part in each["loc"]], "message": str(each["msg"]), "type": str(each["type"])}
        for each in error.errors()[:_ERRORS]
    ]
    return AnswerResponse(problem(422, "The request is not what this address takes.", more={"errors": found}))


async def _on_http_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return AnswerResponse(problem(error.status_code, f"{error.detail}.", headers=tuple((error.headers or {}).items())))


async def _on_fault(_request: Request, _error: Exception) -> Response:
    """The answer; the error itself reaches the last catch of `SimpleApi`, which logs it."""
    return AnswerResponse(FAULT)
