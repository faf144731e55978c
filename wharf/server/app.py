"""The server as one ASGI application: the front for pages and files, FastAPI for everything else."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.exceptions import HTTPException

from wharf.assets.folder_store import FolderStore
from wharf.errors import WharfError
from wharf.pages import html
from wharf.repository.opening import is_lost
from wharf.server.access.borrowed_tokens import Lending
from wharf.server.access.github_access import Members
from wharf.server.access.one_time_password import OneTime
from wharf.server.access.token_access import Access, TokenAccess, WhilePublic
from wharf.server.answer_cache import Shelf, Stored
from wharf.server.files.delivery import Fetching
from wharf.server.files.download_cache import Through
from wharf.server.files.signed_links import Linked, Links
from wharf.server.http import answer
from wharf.server.refresh.refresher import Refresher
from wharf.server.simple_api import Front
from wharf.server.web.routes import Carried, Routes
from wharf.server.web.upload_api import Uploads
from wharf.server.web.webhook import Webhook
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from wharf.clients.install_commands import Login
    from wharf.model import File
    from wharf.public_index_address import PublicIndex
    from wharf.repository.opening import Repository
    from wharf.secret import Secret
    from wharf.server.operator_log import Journal
    from wharf.server.web.quota_wait import Sleep

log = logging.getLogger("wharf")

_LIKE_A_PROJECT = re.compile(r".*/[A-Za-z0-9._-]+/")
"""What an installer asks for that was given another address than that of the index."""

CACHE_BUDGET = 4 << 30
"""Bytes on disk that files may take which pass through the server."""


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
    journal: Journal | None = None,
) -> Front:
    """The application. The index is read here: when this returns, the first request can be answered.

    `clock` is in seconds: by it verdicts and addresses of GitHub's run out. `sleep` is how an upload waits for GitHub's limits.
    `warn` is told if a command is shown an old index, `journal` of each login and upload that is refused.
    """
    github = repository.github
    lending = None if github is None else Lending(github, borrows=rules.by_github and github.source is None)
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

    spool = _spool(repository, rules)
    uploads = Uploads(repository, rules.upload_limit, strict=rules.strict_uploads, folder=spool)
    routes = Routes(access, refresher, uploads, sleep, rules.root_path.rstrip("/"), _home(rules), journal)
    app = FastAPI(lifespan=lifespan, redirect_slashes=False, openapi_url=None, docs_url=None, redoc_url=None)
    app.add_exception_handler(WharfError, _on_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_fault)
    app.add_api_route("/", routes.home, methods=["GET", "HEAD"])
    for path in ("/legacy/", "/legacy"):
        app.add_api_route(path, routes.upload, methods=["POST"])
    app.add_api_route("/healthz", routes.healthz, methods=["GET", "HEAD"])
    if rules.webhook is not None and github is not None:
        webhook = Webhook(rules.webhook, refresher, github.address, repository.branch.ref, journal)
        app.add_api_route("/-/webhook/github", webhook.take, methods=["POST"])
    return Front(
        shelf,
        access,
        app,
        root_path=rules.root_path,
        fetching=fetching,
        elsewhere=rules.public_index,
        tells=not hasty,
        journal=journal,
    )


def _spool(repository: Repository, rules: Rules) -> Path | None:
    """Where uploads lie until they are checked: on the disk that they go to, as the system's folder may be in memory."""
    if os.environ.get("TMPDIR"):
        return None
    return repository.folder / "staging" if repository.folder is not None else _cache(repository, rules)


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
    if isinstance(assets, FolderStore):
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
    if isinstance(repository.assets, FolderStore) or lending is None:
        return None
    links = None if rules.stream else Links(repository.assets, lending, public=public, clock=clock)
    through = Through(repository.assets, lending, _cache(repository, rules), rules.cache_budget, clock=clock)
    return Fetching(links, through)


async def _on_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, WharfError):
        raise error
    if error.http_status >= 500:
        log.error("%s %s: %s", request.method, request.url.path, error.message)
    return Carried(answer.failure(error))


async def _on_fault(_request: Request, _error: Exception) -> Response:
    """The answer; the error itself goes on to the front's last catch, which logs it."""
    return Carried(answer.FAULT)


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    headers = tuple((name, value) for name, value in (error.headers or {}).items())
    if error.status_code == 404 and _LIKE_A_PROJECT.fullmatch(request.url.path):
        return Carried(answer.OTHER_ADDRESS)
    return Carried(answer.text(error.status_code, f"{error.detail}. The index is at simple/.", headers))
