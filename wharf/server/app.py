"""The server as one ASGI application, put together from its parts."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from wharf.pages import html
from wharf.repository.opening import is_lost
from wharf.server.access.borrowed_tokens import BorrowedTokens
from wharf.server.access_choice import access_of
from wharf.server.answer_cache import AnswerCache
from wharf.server.fall_through import FallThrough
from wharf.server.file_answers import delivery_of, file_answers, upload_folder
from wharf.server.refresh.refresher import Refresher
from wharf.server.simple_api import SimpleApi
from wharf.server.web.fastapi_router import router
from wharf.server.web.routes import Routes
from wharf.server.web.upload_api import UploadApi
from wharf.server.web.webhook import Webhook
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from starlette.types import ASGIApp

    from wharf.pages.install_commands import Login
    from wharf.repository.opening import Repository
    from wharf.server.logs.operator_log import RefusalLog
    from wharf.server.rules import Rules
    from wharf.server.web.quota_wait import Sleep

log = logging.getLogger("wharf")


def make_app(
    repository: Repository,
    rules: Rules,
    *,
    clock: Callable[[], float] = elapsed,
    sleep: Sleep = asyncio.sleep,
    warn: Callable[[str], None] = log.warning,
    refusals: RefusalLog | None = None,
) -> SimpleApi:
    """The application. The index is read here: when this returns, the first request can be answered.

    `clock` is in seconds: by it verdicts and addresses from GitHub run out. `sleep` is how an upload waits for GitHub's limits.
    `warn` is told if a command is shown an old index, `refusals` of each login and upload that is refused.
    """
    github = repository.github
    borrowed = None if github is None else BorrowedTokens(github, borrows=rules.by_github and github.source is None)
    cache = AnswerCache(
        file_answers(repository, rules), private=rules.while_public or not rules.open_reading, copied=github is not None
    )
    hasty = rules.password is not None
    refresher = Refresher(
        repository,
        cache,
        borrowed,
        hasty=hasty,
        public=rules.while_public,
        may_be_empty=rules.public_index is None and not is_lost(repository),
        clock=clock,
    )
    delivery = delivery_of(repository, rules, borrowed, public=lambda: refresher.public, clock=clock)
    access = refresher.access = access_of(repository, rules, refresher, clock=clock, warn=warn)

    @asynccontextmanager
    async def lifespan(_app: ASGIApp) -> AsyncIterator[None]:
        task = asyncio.create_task(refresher.forever())
        yield
        task.cancel()

    index = repository.branch.index
    folder = upload_folder(repository, rules)
    uploads = UploadApi(repository, rules.upload_limit, strict=rules.strict_uploads, folder=folder, clock=clock)
    routes = Routes(access, index, cache, refresher, uploads, sleep, rules.root_path.rstrip("/"), _home(rules), refusals)
    return SimpleApi(
        cache,
        access,
        router(routes, _webhook(repository, rules, refresher, refusals), lifespan),
        root_path=rules.root_path,
        delivery=delivery,
        index=index,
        fall_through=FallThrough(cache, rules.public_index, tells=not hasty),
        refusals=refusals,
    )


def _webhook(repository: Repository, rules: Rules, refresher: Refresher, refusals: RefusalLog | None) -> Webhook | None:
    """Where GitHub says that something changed, if the operator wants that."""
    if rules.webhook is None or repository.github is None:
        return None
    return Webhook(rules.webhook, refresher, repository.github.address.slug, refusals)


def _home(rules: Rules) -> Callable[[str, Mapping[str, str]], str]:
    """The page for people, given the address under which they see an index, and those of the others."""
    login: Login = "github" if rules.by_github else "none" if rules.open_reading else "token"
    return partial(html.render_home, falls_through=rules.public_index is not None, login=login)
