"""The server as one ASGI application: the front for pages and files, FastAPI for everything else."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from wharf.errors import WharfError
from wharf.pages import html
from wharf.server import answer
from wharf.server.access import Access
from wharf.server.answer import Answer
from wharf.server.front import Front
from wharf.server.refresher import Refresher
from wharf.server.shelf import Shelf
from wharf.server.upload import Uploads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wharf.repository import Repository

log = logging.getLogger("wharf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a server answers. `hosts` are names beyond the local ones that open reading answers to; `upload_limit` in bytes."""

    open_reading: bool
    hosts: tuple[str, ...] = ()
    upload_limit: int
    root_path: str = ""


def make_app(repository: Repository, rules: Rules) -> Front:
    """The application. The index is read here: when this returns, the first request can be answered."""
    access = Access(repository.tokens, open_reading=rules.open_reading, hosts=rules.hosts)
    shelf = Shelf(repository.assets, private=not rules.open_reading)
    refresher = Refresher(repository, shelf, access)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(refresher.forever())
        yield
        task.cancel()

    routes = _Routes(access, refresher, Uploads(repository, rules.upload_limit), rules.root_path.rstrip("/"))
    app = FastAPI(lifespan=lifespan, redirect_slashes=False, openapi_url=None, docs_url=None, redoc_url=None)
    app.add_exception_handler(WharfError, _on_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_api_route("/", routes.home, methods=["GET", "HEAD"])
    app.add_api_route("/legacy/", routes.upload, methods=["POST"])
    app.add_api_route("/healthz", routes.healthz, methods=["GET", "HEAD"])
    return Front(shelf, access, app, root_path=rules.root_path)


@dataclass(frozen=True, slots=True)
class _Routes:
    """What FastAPI answers: whatever is not asked for thousands of times a second."""

    access: Access
    refresher: Refresher
    uploads: Uploads
    root_path: str

    async def upload(self, request: Request) -> Response:
        """Take an upload (the legacy upload API), for whoever has a token that may publish."""
        allowed = self.access.may_upload(
            _header(request, "authorization"),
            host=_header(request, "host") or b"",
            origin=_header(request, "origin"),
            fetch_site=_header(request, "sec-fetch-site"),
        )
        if isinstance(allowed, Answer):
            return _response(allowed)
        done = await self.uploads.take(request, allowed.name)
        await self.refresher.refresh()
        lines = [*done.warnings, *(f"{each.file.filename} is in the index already." for each in done.unchanged)]
        return _response(answer.text(200, "\n".join(lines) or "OK"))

    async def home(self, request: Request) -> Response:
        """Tell a person how to use this index."""
        host = _header(request, "host") or b""
        refused = self.access.refuse_reading(host, _header(request, "authorization"))
        if refused is not None:
            return _response(refused)
        body = html.render_home(f"{request.url.scheme}://{host.decode('latin-1')}{self.root_path}")
        return _response(answer.passing_page(body.encode()))

    async def healthz(self) -> Response:
        """Tell a monitor whether the index is at its tip. Names nothing: anyone may ask."""
        status = "ok" if self.refresher.problem is None and self.access.problem is None else "stale"
        return JSONResponse({"status": status}, headers={"cache-control": "no-store"})


def _header(request: Request, name: str) -> bytes | None:
    value = request.headers.get(name)
    return None if value is None else value.encode("latin-1")


async def _on_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, WharfError):
        raise error
    if error.http_status >= 500:
        log.error("%s %s: %s", request.method, request.url.path, error.message)
    return _response(answer.failure(error))


async def _on_http_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    headers = tuple((name, value) for name, value in (error.headers or {}).items())
    return _response(answer.text(error.status_code, f"{error.detail}. The index is at simple/.", headers))


def _response(value: Answer) -> Response:
    response = Response(status_code=value.status, content=value.body)
    response.raw_headers = list(value.headers)
    return response
