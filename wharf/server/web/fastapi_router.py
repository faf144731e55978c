"""FastAPI: the router of what is neither a page nor a file, and the answers to what goes wrong there."""

from __future__ import annotations

import logging
import re
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Mount

from wharf.errors import WharfError
from wharf.server.http import answer, error_answers
from wharf.server.web.answer_response import AnswerResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from wharf.server.web.routes import Routes
    from wharf.server.web.webhook import Webhook

log = logging.getLogger("wharf")

Answering: TypeAlias = "Callable[[Request], Awaitable[Response]]"
"""What answers all requests at an address."""

METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

_UPLOADS = re.compile(r"(?:/([^/]+))?/legacy/?")
_POST_ONLY = answer.text(405, "Uploads come here by POST, as a form. The index is at simple/.", (("allow", "POST"),))
_LIKE_A_PROJECT = re.compile(r".*/[A-Za-z0-9._-]+/")
"""What an installer asks for that was given another address than that of the index."""


def router(
    routes: Routes,
    webhook: Webhook | None,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    more: Mapping[str, Answering],
    apis: Mapping[str, ASGIApp],
) -> ASGIApp:
    """The router. `lifespan` is what runs for as long as the server does; without a `webhook` GitHub is not listened to.

    `more` answers every method at further addresses, which are patterns of Starlette. `apis` answer all that is below a path.
    """
    app = FastAPI(lifespan=lifespan, redirect_slashes=False, openapi_url=None, docs_url=None, redoc_url=None)
    app.add_exception_handler(WharfError, _on_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_fault)
    app.add_api_route("/", routes.home, methods=["GET", "HEAD"])
    app.add_api_route("/{index}/", routes.home_of_index, methods=["GET", "HEAD"])
    for path in ("/legacy/", "/legacy", "/{index}/legacy/", "/{index}/legacy"):
        app.add_route(path, routes.upload, methods=["POST"])  # any other method is refused
    app.add_api_route("/healthz", routes.healthz, methods=["GET", "HEAD"])
    for path, answering in more.items():
        app.add_route(path, answering, methods=METHODS)
    for path, api in apis.items():
        mount = Mount(path, api)
        mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)  # a line feed is part of a path as any other letter
        app.router.routes.append(mount)
    if webhook is not None:
        app.add_api_route("/-/webhook/github", webhook.take, methods=["POST"])
    return partial(_uploads_first, routes, app)


async def _uploads_first(routes: Routes, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer an upload; all else is for the application, whose ways to one of many addresses take longer than a form."""
    found = _UPLOADS.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
    if found is None:
        await app(scope, receive, send)
        return
    request = Request({**scope, "path_params": {} if found[1] is None else {"index": found[1]}}, receive, send)
    try:
        response = await routes.upload(request)
    except WharfError as error:
        response = await _on_error(request, error)
    await response(request.scope, receive, send)


async def _on_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, WharfError):
        raise error
    if error.http_status >= 500:
        log.error("%s %s: %s", request.method, request.url.path, error.message)
    return AnswerResponse(error_answers.failure(error))


async def _on_fault(_request: Request, _error: Exception) -> Response:
    """The answer; the error itself reaches the last catch of `SimpleApi`, which logs it."""
    return AnswerResponse(error_answers.FAULT)


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 405 and _UPLOADS.fullmatch(request.url.path):
        return AnswerResponse(_POST_ONLY)
    headers = tuple((name, value) for name, value in (error.headers or {}).items())
    if error.status_code == 404 and _LIKE_A_PROJECT.fullmatch(request.url.path):
        return AnswerResponse(answer.OTHER_ADDRESS)
    return AnswerResponse(answer.text(error.status_code, f"{error.detail}. The index is at simple/.", headers))
