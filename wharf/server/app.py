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

from wharf.errors import StorageError, WharfError
from wharf.pages import html
from wharf.server import answer
from wharf.server.access import Access
from wharf.server.answer import Answer
from wharf.server.front import Front
from wharf.server.shelf import Shelf
from wharf.server.upload import Uploads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wharf.repository import Repository

log = logging.getLogger("wharf")

EVERY = 0.25
"""Seconds between two looks at the branch and at the tokens: two or three system calls each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a server answers. `hosts` are names beyond the local ones that open reading answers to; `upload_limit` in bytes."""

    open_reading: bool
    hosts: tuple[str, ...] = ()
    upload_limit: int
    root_path: str = ""


class Refresher:
    """Keeps the shelf at the tip of the branch, and the access at the tokens."""

    def __init__(self, repository: Repository, shelf: Shelf, access: Access) -> None:
        self.problem: str | None = None
        self._branch = repository.branch
        self._shelf = shelf
        self._access = access
        self._snapshot = self._branch.snapshot()
        self._stamp: object = None
        self._turn = asyncio.Lock()
        shelf.swap(self._snapshot, self._snapshot.tree_ids())

    async def refresh(self) -> None:
        """Show the tip. What cannot be read leaves the last whole index in its place, and is told by /healthz."""
        async with self._turn:
            try:
                self._access.refresh()
                stamp = self._branch.stamp()
                if stamp == self._stamp:
                    return
                snapshot = await asyncio.to_thread(self._branch.snapshot, self._snapshot)
                trees = await asyncio.to_thread(snapshot.tree_ids)
            except (StorageError, OSError) as error:
                if str(error) != self.problem:
                    log.error("the index stays as it was: %s", error)  # noqa: TRY400 - the cause is in the message
                self.problem = str(error)
                return
            self._shelf.swap(snapshot, trees)
            self._snapshot, self._stamp, self.problem = snapshot, stamp, None

    async def forever(self) -> None:
        """Refresh until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(EVERY)


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

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    app.add_exception_handler(WharfError, _on_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    taking = Uploads(repository, rules.upload_limit)

    @app.post("/legacy/")
    async def upload(request: Request) -> Response:
        headers = {name: value.encode("latin-1") for name, value in request.headers.items()}
        allowed = access.may_upload(
            headers.get("authorization"),
            host=headers.get("host", b""),
            origin=headers.get("origin"),
            fetch_site=headers.get("sec-fetch-site"),
        )
        if isinstance(allowed, Answer):
            return _response(allowed)
        done = await taking.take(request, allowed.name)
        await refresher.refresh()
        lines = [*done.warnings, *(f"{each.file.filename} is in the index already." for each in done.unchanged)]
        return _response(answer.text(200, "\n".join(lines) or "OK"))

    @app.api_route("/", methods=["GET", "HEAD"])
    async def home(request: Request) -> Response:
        host, authorization = request.headers.get("host", ""), request.headers.get("authorization")
        credentials = None if authorization is None else authorization.encode("latin-1")
        refused = access.refuse_reading(host.encode("latin-1"), credentials)
        if refused is not None:
            return _response(refused)
        body = html.render_home(f"{request.url.scheme}://{host}{rules.root_path.rstrip('/')}")
        return _response(answer.passing_page(body.encode()))

    @app.api_route("/healthz", methods=["GET", "HEAD"])
    async def healthz() -> Response:
        status = "ok" if refresher.problem is None else "stale"
        return JSONResponse({"status": status}, headers={"cache-control": "no-store"})

    return Front(shelf, access, app, root_path=rules.root_path)


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
