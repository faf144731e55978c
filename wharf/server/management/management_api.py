"""The management API as one ASGI application: what is done with each request before its route sees it.

In this order: is there such an address, and does it know the method; how many requests came before; who asks, and whether that
may be; what is asked for, and in which form; the body, within its bounds.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from starlette.requests import Request

from wharf.errors import WharfError
from wharf.server.http.answer import Answer, redirect
from wharf.server.http.problem_answers import problem, problem_like, problem_of
from wharf.server.http.status_reason import send_answer
from wharf.server.management.api_hints import in_words_of
from wharf.server.management.callers import Asking, Callers
from wharf.server.management.request_rates import RequestRates

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from wharf.repository.opening import Repository
    from wharf.server.access.access_protocol import Access
    from wharf.server.answer_cache import AnswerCache
    from wharf.server.logs.operator_log import RefusalLog
    from wharf.server.past.history_copy import HistoryCopy
    from wharf.server.web.quota_wait import Sleep
    from wharf.server.web.shared_refresh import SharedRefresh

log = logging.getLogger("wharf")

HOME: Final = "/-/api/v1/"
OPENAPI: Final = "/-/api/v1/openapi.json"

_WRITING = frozenset({"POST", "PUT", "DELETE"})
_NOWHERE = problem(404, "The management API has no such address. /-/api/v1/ shows all.", "no-address")
_TO_HOME = redirect("v1/")


@dataclass(frozen=True, slots=True)
class _Route:
    """One route: the paths that it is for, its method, the names in its query, and whether it takes a body."""

    path: re.Pattern[str]
    method: str
    query: frozenset[str]
    takes_body: bool


@dataclass(frozen=True, slots=True)
class _Made:
    """The routes, made when somebody asks for the first of them."""

    app: ASGIApp
    routes: tuple[_Route, ...]
    pages: Mapping[str, Answer] = field(default_factory=dict)

    def of(self, path: str) -> dict[str, _Route]:
        """The routes of a path, by method."""
        return {each.method: each for each in self.routes if each.path.fullmatch(path)}


class ManagementApi:
    """For the event loop's thread. Nothing of it is imported or made before the first request: most servers get none.

    `index` is the one at the root, `root` the path that a proxy shows the server below.
    """

    def __init__(
        self,
        repository: Repository,
        access: Access,
        cache: AnswerCache,
        refresh: SharedRefresh,
        history: HistoryCopy,
        *,
        root: str,
        sleep: Sleep,
        clock: Callable[[], float],
        refusals: RefusalLog | None,
    ) -> None:
        self._repository = repository
        self._access = access
        self._cache = cache
        self._refresh = refresh
        self._history = history
        self._root = root
        self._sleep = sleep
        self._clock = clock
        self._refusals = refusals
        self._callers = Callers(access, cache, repository.branch.index)
        self._rates = RequestRates(clock)
        self._made: _Made | None = None
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            found = await self._answer(request, receive, send)
        except WharfError as error:
            if error.http_status >= 500:
                log.error("%s %s: %s", request.method, ascii(request.scope["path"]), error.message)  # noqa: TRY400
            found = problem_of(in_words_of(request, error), misses=True)
        if found is not None:
            await send_answer(found, receive, send)

    async def _answer(self, request: Request, receive: Receive, send: Send) -> Answer | None:
        """The answer; None: a route has answered. Raises WharfError."""
        made = self._made or await self._make()
        path, method = request.scope["path"], "GET" if request.method == "HEAD" else request.method
        if path == HOME.removesuffix("/"):
            return _TO_HOME
        there = made.of(path)
        methods = there.keys() | ({"GET"} if path in made.pages else set())
        if not methods:
            return _NOWHERE
        if method not in methods:
            allow = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
            return problem(405, f"Here are {allow}, and no other methods.", headers=(("allow", allow),))
        refused = self._refuse_rate(request, writes=method in _WRITING)
        if refused is not None:
            return refused
        from wharf.server.management.request_terms import refuse_answer

        if path in made.pages:
            page = made.pages[path]
            return refuse_answer(request.headers.get("accept"), _media_type(page)) or page
        return await self._let_in(request, made.app, there[method], receive, send)

    async def _let_in(self, request: Request, app: ASGIApp, route: _Route, receive: Receive, send: Send) -> Answer | None:
        from wharf.server.management.management_routes import CALLER
        from wharf.server.management.request_terms import read_body, refuse_answer, refuse_query

        asking = _asking(request)
        caller = await self._callers.enter(request.scope["path"], asking)  # as the routes see it: a URL drops some letters
        if isinstance(caller, Answer):
            self._tell(request, caller)
            return problem_like(caller)
        refused = refuse_answer(request.headers.get("accept"), "application/json") or refuse_query(
            request.url.query, route.query
        )
        if refused is not None:
            return refused
        body = await read_body(request, wanted=route.takes_body)
        if isinstance(body, Answer):
            return body
        scope = {**request.scope, "root_path": "", "method": route.method, CALLER: caller}
        await app(scope, _replayed(body, receive), send)
        return None

    def _refuse_rate(self, request: Request, *, writes: bool) -> Answer | None:
        authorization = request.headers.get("authorization")
        token = None if authorization is None else authorization.encode("latin-1")
        known = token is not None and self._access.name_of(token) is not None
        digest = hashlib.sha256(token).hexdigest() if token is not None and known else None
        address = request.client.host if request.client else ""
        wait = self._rates.take(address, digest, writes=writes)
        if not wait:
            return None
        return problem(
            429, f"Too many requests within a minute. Try again in {wait} seconds.", headers=(("retry-after", str(wait)),)
        )

    def _tell(self, request: Request, refused: Answer) -> None:
        """Tell the operator of a token that was refused."""
        authorization = request.headers.get("authorization")
        if self._refusals is not None and authorization is not None and refused.status < 500:
            who = self._access.name_of(authorization.encode("latin-1"))
            self._refusals.refused(request.scope, refused.status, refused.reason.decode(), who)

    async def _make(self) -> _Made:
        async with self._turn:
            if self._made is None:
                self._made = await asyncio.to_thread(self._make_routes)
        return self._made

    def _make_routes(self) -> _Made:
        from wharf.server.management.index_reading import IndexReading
        from wharf.server.management.index_writing import IndexWriting
        from wharf.server.management.management_routes import ManagementRoutes
        from wharf.server.management.openapi_page import openapi_answers
        from wharf.server.management.own_tokens import OwnTokens

        repository = self._repository
        routes = ManagementRoutes(
            IndexReading(self._cache, self._history, repository.branch.index),
            IndexWriting(repository, self._refresh, self._sleep, self._clock),
            OwnTokens(repository.tokens, self._refresh),
            self._callers,
            self._root,
        )
        return _Made(
            routes.app,
            tuple(_Route(*each) for each in routes.table()),
            openapi_answers(routes.app.openapi(), home=HOME, path=OPENAPI),
        )


def _asking(request: Request) -> Asking:
    def header(name: str) -> bytes | None:
        value = request.headers.get(name)
        return None if value is None else value.encode("latin-1")

    return Asking(
        host=header("host") or b"",
        authorization=header("authorization"),
        origin=header("origin"),
        fetch_site=header("sec-fetch-site"),
        writes=request.method in _WRITING,
    )


def _media_type(page: Answer) -> str:
    return dict(page.headers)[b"content-type"].decode().partition(";")[0]


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What gives a body that was read before, and then what comes after it."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
