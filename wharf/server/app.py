"""The server as one ASGI application: the front for pages and files, FastAPI for everything else."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from wharf.clock import elapsed
from wharf.errors import QuotaError, WharfError
from wharf.folder import Folder
from wharf.pages import html
from wharf.repository import is_lost
from wharf.server import answer
from wharf.server.access import ASK, Access, TokenAccess, WhilePublic
from wharf.server.answer import Answer
from wharf.server.fetching import Fetching
from wharf.server.front import Front
from wharf.server.lending import Lending
from wharf.server.links import Linked, Links
from wharf.server.members import Members
from wharf.server.one_time import OneTime
from wharf.server.patience import Patience
from wharf.server.refresher import Refresher
from wharf.server.shelf import Shelf, Stored
from wharf.server.through import Through
from wharf.server.upload import Uploads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from wharf.install_commands import Login
    from wharf.model import File
    from wharf.repository import Repository
    from wharf.secret import Secret
    from wharf.server.patience import Sleep
    from wharf.upstream import PublicIndex

log = logging.getLogger("wharf")

CACHE_BUDGET = 4 << 30
"""Bytes on disk that files may take which pass through the server."""
WEBHOOK_LIMIT = 26 << 20
"""Bytes of a webhook message: GitHub's have at most 25 MB ("Webhook events and payloads")."""
WEBHOOK_PATIENCE = 30.0
"""Seconds in which a webhook message has to come: GitHub itself waits for 10."""
_UNSIGNED = answer.text(403, "The signature is not that of the configured secret.")
_LOST = answer.text(
    503, "The index that uploads go to is gone. Nothing is uploaded until it is there again.", (("retry-after", "5"),)
)
_TOO_SLOW = answer.text(408, "The message takes too long to come.")
_TOO_LONG = answer.text(413, "That is longer than any message of GitHub's.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a server answers. `hosts` are names beyond the local ones that open reading answers to; sizes are in bytes.

    `by_github`: GitHub decides who may read and upload. `stream`: files of GitHub's go through the server, and a cache in the
    folder `cache`, which a repository on GitHub always needs. `webhook` is the secret that GitHub signs its messages with
    (None: there are none). `public_index` is where clients are sent for names that the index does not own (None: nowhere).
    `while_public`: reading is open for as long as GitHub says that the repository is public, and then by GitHub.
    `strict_uploads`: a file that is worth a warning is refused.
    With a `password` it is a server beside a command: only who has it may read, and nobody uploads.
    """

    open_reading: bool
    hosts: tuple[str, ...] = ()
    upload_limit: int
    strict_uploads: bool = False
    root_path: str = ""
    by_github: bool = False
    stream: bool = False
    cache: Path | None = None
    cache_budget: int = CACHE_BUDGET
    webhook: Secret | None = None
    public_index: PublicIndex | None = None
    password: Secret | None = None
    while_public: bool = False


def make_app(
    repository: Repository,
    rules: Rules,
    *,
    clock: Callable[[], float] = elapsed,
    sleep: Sleep = asyncio.sleep,
    warn: Callable[[str], None] = log.warning,
) -> Front:
    """The application. The index is read here: when this returns, the first request can be answered.

    `clock` is in seconds: by it verdicts and addresses of GitHub's run out. `sleep` is how an upload waits for GitHub's limits.
    `warn` is told if a command is shown an old index.
    """
    github = repository.github
    lending = None if github is None else Lending(github, borrows=rules.by_github and github.token is None)
    shelf = Shelf(
        file_answers(repository, rules), private=rules.while_public or not rules.open_reading, copied=github is not None
    )
    hasty = rules.password is not None
    refresher = Refresher(
        repository,
        shelf,
        lending,
        hasty=hasty,
        public=rules.while_public,
        may_be_empty=rules.public_index is None and not is_lost(repository),
        clock=clock,
    )
    fetching = _fetching(repository, rules, lending, public=lambda: refresher.public, clock=clock)
    access = refresher.access = _access(repository, rules, refresher, clock=clock, warn=warn)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(refresher.forever())
        yield
        task.cancel()

    root_path = rules.root_path.rstrip("/")
    uploads = Uploads(repository, rules.upload_limit, strict=rules.strict_uploads)
    routes = _Routes(access, refresher, uploads, sleep, root_path, rules.webhook, _home(rules))
    app = FastAPI(lifespan=lifespan, redirect_slashes=False, openapi_url=None, docs_url=None, redoc_url=None)
    app.add_exception_handler(WharfError, _on_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_fault)
    app.add_api_route("/", routes.home, methods=["GET", "HEAD"])
    app.add_api_route("/legacy/", routes.upload, methods=["POST"])
    app.add_api_route("/healthz", routes.healthz, methods=["GET", "HEAD"])
    if rules.webhook is not None:
        app.add_api_route("/-/webhook/github", routes.webhook, methods=["POST"])
    return Front(
        shelf, access, app, root_path=rules.root_path, fetching=fetching, elsewhere=rules.public_index, tells=not hasty
    )


def _access(
    repository: Repository, rules: Rules, refresher: Refresher, *, clock: Callable[[], float], warn: Callable[[str], None]
) -> Access:
    if rules.password is not None:
        return OneTime(rules.password, refresher, warn)
    if rules.by_github and repository.github is not None:
        return Members(repository.github, repository.branch.ref, refresher.lend, clock=clock)
    own = TokenAccess(repository.tokens, open_reading=rules.open_reading, hosts=rules.hosts)
    if rules.while_public and repository.github is not None:
        members = Members(repository.github, repository.branch.ref, refresher.lend, clock=clock)
        return WhilePublic(own, members, public=lambda: refresher.public)
    return own


def _home(rules: Rules) -> Callable[[str], str]:
    """The page for people, given the address under which they see this server."""
    login: Login = "github" if rules.by_github else "none" if rules.open_reading else "token"
    return partial(html.render_home, falls_through=rules.public_index is not None, login=login)


def file_answers(repository: Repository, rules: Rules) -> Stored:
    """How a file of the index is answered."""
    assets = repository.assets
    if isinstance(assets, Folder):
        return lambda file, cache_control: answer.stored_file(
            assets.path(file.sha256, file.filename), size=file.size, sha256=file.sha256, cache_control=cache_control
        )
    cache = _cache(repository, rules)

    def linked(file: File, cache_control: str) -> Linked:
        held = answer.stored_file(cache / file.sha256, size=file.size, sha256=file.sha256, cache_control=cache_control)
        return Linked(assets.place(file), held)

    return linked


def _cache(repository: Repository, rules: Rules) -> Path:
    """A folder of each repository's own: whoever writes records in one must not get at files of another by their digest."""
    if rules.cache is None or repository.github is None:
        raise TypeError("files at GitHub need a folder that they can pass through")
    address = repository.github.address
    return rules.cache / address.host / address.owner.lower() / address.name.lower()


def _fetching(
    repository: Repository,
    rules: Rules,
    lending: Lending | None,
    *,
    public: Callable[[], bool],
    clock: Callable[[], float],
) -> Fetching | None:
    if isinstance(repository.assets, Folder) or lending is None:
        return None
    links = None if rules.stream else Links(repository.assets, lending, public=public, clock=clock)
    through = Through(repository.assets, lending, _cache(repository, rules), rules.cache_budget, clock=clock)
    return Fetching(links, through)


@dataclass(frozen=True, slots=True)
class _Routes:
    """What FastAPI answers: whatever is not asked for thousands of times a second."""

    access: Access
    refresher: Refresher
    uploads: Uploads
    sleep: Sleep
    root_path: str
    secret: Secret | None
    render_home: Callable[[str], str]

    async def upload(self, request: Request) -> Response:
        """Take an upload (the legacy upload API), for whoever has a token that may publish."""
        allow = partial(
            self.access.uploader,
            _header(request, "authorization"),
            host=_header(request, "host") or b"",
            origin=_header(request, "origin"),
            fetch_site=_header(request, "sec-fetch-site"),
        )
        patience = Patience(self.sleep)
        try:
            allowed = await patience.through(allow)
            if isinstance(allowed, Answer):
                return _response(allowed)
            await self.refresher.refresh()
            if self.refresher.lost:  # or an index would begin anew, with this file and nothing else
                return _response(_LOST)
            done = await self.uploads.take(request, allowed, patience)
        except QuotaError as error:
            # Not 503: twine sends the file five times for that, one time after the other, and is no quicker told why.
            log.warning("%s: %s", request.url.path, error.message)
            return _response(answer.paused(error, 429))
        await self.refresher.refresh()
        lines = [*done.warnings, *(f"{each.file.filename} is in the index already." for each in done.unchanged)]
        return _response(answer.text(200, "\n".join(lines) or "OK"))

    async def home(self, request: Request) -> Response:
        """Tell a person how to use this index."""
        host = _header(request, "host") or b""
        authorization = _header(request, "authorization")
        refused = self.access.refuse_reading(host, authorization)
        if refused is ASK:
            refused = await self.access.ask(authorization)
        if refused is not None:
            return _response(refused)
        body = self.render_home(f"{request.url.scheme}://{host.decode('latin-1')}{self.root_path}")
        return _response(answer.passing_page(body.encode()))

    async def healthz(self) -> Response:
        """Tell a monitor whether the index is at its tip: 503 if none was seen. Names nothing: anyone may ask."""
        status = "ok" if self.refresher.current and self.access.problem is None else "stale"
        age = self.refresher.age
        found = {"status": status} if age is None else {"status": status, "seconds_since_github": int(age)}
        seen = self.refresher.waits or not self.refresher.blind
        return JSONResponse(found, 200 if seen else 503, headers={"cache-control": "no-store"})

    async def webhook(self, request: Request) -> Response:
        """Ask GitHub at once when it says that something was pushed ("Validating webhook deliveries")."""
        key = os.fsencode(self.secret.reveal()) if self.secret else b""
        signature, size = hmac.new(key, digestmod=hashlib.sha256), 0
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > WEBHOOK_LIMIT:
            return _response(_TOO_LONG)
        given = _header(request, "x-hub-signature-256")
        if given is None:
            return _response(_UNSIGNED)  # nobody's body is read that is not even said to be GitHub's
        try:
            async with asyncio.timeout(WEBHOOK_PATIENCE):
                async for chunk in request.stream():
                    signature.update(chunk)
                    size += len(chunk)
                    if size > WEBHOOK_LIMIT:
                        return _response(_TOO_LONG)
        except TimeoutError:
            return _response(_TOO_SLOW)
        expected = f"sha256={signature.hexdigest()}"
        if not key or not hmac.compare_digest(expected.encode(), given):
            return _response(_UNSIGNED)
        if request.headers.get("x-github-event") == "push":
            self.refresher.wake()
        return Response(status_code=202)


def _header(request: Request, name: str) -> bytes | None:
    value = request.headers.get(name)
    return None if value is None else value.encode("latin-1")


async def _on_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, WharfError):
        raise error
    if error.http_status >= 500:
        log.error("%s %s: %s", request.method, request.url.path, error.message)
    return _response(answer.failure(error))


async def _on_fault(_request: Request, _error: Exception) -> Response:
    """The answer; the error itself goes on to the front's last catch, which logs it."""
    return _response(answer.FAULT)


async def _on_http_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    headers = tuple((name, value) for name, value in (error.headers or {}).items())
    return _response(answer.text(error.status_code, f"{error.detail}. The index is at simple/.", headers))


def _response(value: Answer) -> Response:
    response = Response(status_code=value.status, content=value.body)
    response.raw_headers = list(value.headers)
    return response
