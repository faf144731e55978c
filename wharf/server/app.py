"""The server as one ASGI application, put together from its parts."""

from __future__ import annotations

import asyncio
import logging
import math
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from wharf.operations.open_upstream import FILES
from wharf.pages import html
from wharf.repository.opening import is_lost
from wharf.server.access.borrowed_tokens import BorrowedTokens
from wharf.server.access_choice import access_of
from wharf.server.answer_cache import AnswerCache
from wharf.server.fall_through import FallThrough
from wharf.server.file_answers import delivery_of, file_answers, upload_folder, upstream_folder, upstream_opener
from wharf.server.files.download_cache import DownloadCache
from wharf.server.management.management_api import ManagementApi
from wharf.server.past.history_copy import HistoryCopy
from wharf.server.past.past_api import PastApi
from wharf.server.refresh.refresher import Refresher
from wharf.server.sessions.session_api import SessionApi
from wharf.server.sessions.session_work import SessionWork
from wharf.server.sessions.stage import Stage
from wharf.server.simple_api import SimpleApi
from wharf.server.upstream.judged_projects import PAST_BUDGET, JudgedProjects
from wharf.server.upstream.open_upstreams import OpenUpstreams
from wharf.server.web.fastapi_router import router
from wharf.server.web.routes import Routes
from wharf.server.web.shared_refresh import SharedRefresh
from wharf.server.web.upload_api import UploadApi
from wharf.server.web.webhook import Webhook
from wharf.system.clock import elapsed, utc_now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
    from datetime import datetime

    from starlette.types import ASGIApp

    from wharf.pages.install_commands import Login
    from wharf.repository.opening import Repository
    from wharf.server.logs.operator_log import RefusalLog
    from wharf.server.rules import Rules
    from wharf.server.web.fastapi_router import Answering
    from wharf.server.web.quota_wait import Sleep
    from wharf.server.web.reserved_names import ReservedNames
    from wharf.server.web.routes import RenderHome

log = logging.getLogger("wharf")


def make_app(
    repository: Repository,
    rules: Rules,
    *,
    clock: Callable[[], float] = elapsed,
    now: Callable[[], datetime] = utc_now,
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
    cache = AnswerCache(file_answers(repository, rules), private=_is_private(rules), copied=github is not None)
    refresher = Refresher(
        repository,
        cache,
        borrowed,
        hasty=rules.password is not None,
        public=rules.while_public,
        may_be_empty=rules.public_index is None and not is_lost(repository),
        clock=clock,
        now=now,
    )
    fall_through = _fall_through(repository, rules, cache, clock, now)
    delivery = delivery_of(repository, rules, borrowed, public=lambda: refresher.public, clock=clock)
    access = refresher.access = access_of(repository, rules, refresher, clock=clock, warn=warn)
    age = partial(_age, refresher, copied=github is not None)
    history = HistoryCopy(repository.branch, borrowed, clock=clock)
    past = PastApi(cache, fall_through, history, delivery, copied=github is not None, clock=clock, now=now, age=age)
    refresh = SharedRefresh(refresher.refresh, refresher.is_unmoved)
    work = SessionWork(repository, access, cache, refresher, refresh, clock=clock, now=now, sleep=sleep)
    begin = [refresher.forever, *([fall_through.prepare, work.sweep] if rules.password is None else [])]
    lifespan, more = partial(_lifespan, begin, past.close), _sessions(work, repository, rules, refusals)
    index, root = repository.branch.index, rules.root_path.rstrip("/")
    uploads = _uploads(repository, rules, work.reserved, clock)
    routes = Routes(access, index, cache, refresher, refresh, uploads, sleep, root, _home(rules), fall_through, past, refusals)
    api = ManagementApi(repository, access, cache, refresh, history, root=root, sleep=sleep, clock=clock, refusals=refusals)
    apis: dict[str, ASGIApp] = {"/-/api": api} if rules.password is None else {}
    return SimpleApi(
        cache,
        access,
        router(routes, _webhook(repository, rules, refresher, refusals), lifespan, more, apis),
        root_path=rules.root_path,
        delivery=delivery,
        index=index,
        fall_through=fall_through,
        past=past,
        refusals=refusals,
    )


@asynccontextmanager
async def _lifespan(
    begin: Sequence[Callable[[], Coroutine[None, None, None]]], end: Callable[[], None], _app: ASGIApp
) -> AsyncIterator[None]:
    """What runs for as long as the server does, and what is done at its end."""
    tasks = [asyncio.create_task(each()) for each in begin]
    yield
    for task in tasks:
        task.cancel()
    end()


def _age(refresher: Refresher, *, copied: bool) -> float:
    """Seconds since what is shown was known to be the index as it is."""
    age = refresher.age
    return 0.0 if not copied else math.inf if age is None else age


def _is_private(rules: Rules) -> bool:
    """Whether no cache on the way may keep a page for others."""
    return rules.while_public or not rules.open_reading


def _fall_through(
    repository: Repository, rules: Rules, cache: AnswerCache, clock: Callable[[], float], now: Callable[[], datetime]
) -> FallThrough:
    """What gets names that an index does not have from upstreams."""
    folder = upstream_folder(repository, rules)
    scope = "private" if _is_private(rules) else "public"
    return FallThrough(
        cache,
        OpenUpstreams(upstream_opener(repository, rules, clock=clock, now=now), rules.public_index),
        JudgedProjects(scope, now=now, forget=partial(cache.expire, math.inf)),
        JudgedProjects(scope, now=now, budget=PAST_BUDGET, at_once=2),
        DownloadCache(folder / FILES, rules.cache_budget, giver="The upstream", at_once=20, waiting=400, clock=clock),
        passes_on=rules.public_index is not None,
        tells=rules.password is None,
        now=now,
        clock=clock,
    )


def _uploads(repository: Repository, rules: Rules, reserved: ReservedNames, clock: Callable[[], float]) -> UploadApi:
    folder = upload_folder(repository, rules)
    strict = rules.strict_uploads
    return UploadApi(repository, rules.upload_limit, strict=strict, folder=folder, reserved=reserved, clock=clock)


def _sessions(work: SessionWork, repository: Repository, rules: Rules, refusals: RefusalLog | None) -> Mapping[str, Answering]:
    """Upload sessions and their stages, at the root for the index that is there, and for each index below its name."""
    root, limit, strict = rules.root_path.rstrip("/"), rules.upload_limit, rules.strict_uploads
    api = SessionApi(work, repository.branch.index, root, refusals, limit=limit, strict=strict)
    stage = Stage(lambda: repository.sessions, work.now)
    return {
        f"{below}/-/{path}/{{rest:path}}": answering
        for below in ("", "/{index}")
        for path, answering in (("upload/2.0", api.answer), ("stage", stage.answer))
    } | {f"{below}/-/upload/2.0": api.answer for below in ("", "/{index}")}


def _webhook(repository: Repository, rules: Rules, refresher: Refresher, refusals: RefusalLog | None) -> Webhook | None:
    """Where GitHub says that something changed, if the operator wants that."""
    if rules.webhook is None or repository.github is None:
        return None
    return Webhook(rules.webhook, refresher, repository.github.address.slug, refusals)


def _home(rules: Rules) -> RenderHome:
    """What makes the page for people."""
    login: Login = "github" if rules.by_github else "none" if rules.open_reading else "token"
    return partial(html.render_home, login=login)
