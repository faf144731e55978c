"""What is not asked for thousands of times a second: uploads, the page for people, and whether all is well."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request  # noqa: TC002 - FastAPI reads it
from starlette.responses import JSONResponse, Response

from wharf.distribution.file_names import plain
from wharf.errors import NoIndexError, QuotaError, WharfError
from wharf.index.index_name import has_address
from wharf.server.access.access_protocol import ASK
from wharf.server.http import answer, error_answers
from wharf.server.http.answer import Answer
from wharf.server.web.answer_response import AnswerResponse
from wharf.server.web.quota_wait import QuotaWait

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.server.access.access_protocol import Access
    from wharf.server.answer_cache import AnswerCache
    from wharf.server.fall_through import FallThrough
    from wharf.server.logs.operator_log import RefusalLog
    from wharf.server.past.past_api import PastApi
    from wharf.server.refresh.refresher import Refresher
    from wharf.server.web.quota_wait import Sleep
    from wharf.server.web.shared_refresh import SharedRefresh
    from wharf.server.web.upload_api import UploadApi

log = logging.getLogger("wharf")

_LOST = answer.text(
    503, "The index that uploads go to is gone. The server takes no upload until it is there again.", (("retry-after", "5"),)
)


class RenderHome(Protocol):
    """Makes the page for people."""

    def __call__(self, address: str, others: Mapping[str, str], *, past: str, falls_through: bool) -> str:
        """HTML."""
        ...


@dataclass(frozen=True, slots=True)
class Routes:
    """`index` is the one at the root. `render_home` makes the page for people, given the address under which they see an index,
    that of its past, and the addresses of the others that they may see, by name.
    """

    access: Access
    index: str
    cache: AnswerCache
    refresher: Refresher
    refresh: SharedRefresh
    uploads: UploadApi
    sleep: Sleep
    root_path: str
    render_home: RenderHome
    fall_through: FallThrough
    past: PastApi
    refusals: RefusalLog | None

    async def upload(self, request: Request) -> Response:
        """Take an upload (the legacy upload API), for whoever has a token that may publish."""
        index = request.path_params.get("index", self.index)
        allow = partial(
            self.access.uploader,
            _header(request, "authorization"),
            index=index,
            host=_header(request, "host") or b"",
            origin=_header(request, "origin"),
            fetch_site=_header(request, "sec-fetch-site"),
        )
        patience = QuotaWait(self.sleep)
        try:
            allowed = await patience.ask(allow)
            if isinstance(allowed, Answer):
                self._tell(request, allowed.status, allowed.reason.decode())
                return AnswerResponse(allowed)
            await self.refresh()
            if index != self.index and not self._is_addressed(index):
                raise _no_index(index)
            if self.refresher.lost(index):  # or a new index would begin, with this file and nothing else
                return AnswerResponse(_LOST)
            taken = await self.uploads.take(request, index, allowed, patience)
        except QuotaError as error:
            # Not 503: twine sends the file five times for that, one time after the other, and is no quicker told why.
            log.warning("%s: %s", request.url.path, error.message)
            return AnswerResponse(error_answers.paused(error, 429))
        except WharfError as error:
            self._tell(request, error.http_status, error.sentences)
            raise
        if taken.published.commit is not None:
            self.refresher.brought(taken.seconds)
            self.access.wrote(_header(request, "authorization"), taken.seconds)
        await self.refresh()
        return AnswerResponse(answer.text(200, "\n".join(taken.lines) or "OK"))

    def _tell(self, request: Request, status: int, sentence: str) -> None:
        """Tell the operator of an upload that is refused. What is wrong with the server itself is told as that."""
        if self.refusals is not None and status < 500:
            authorization = _header(request, "authorization")
            who = None if authorization is None else self.access.name_of(authorization)
            self.refusals.refused(request.scope, status, sentence, who)

    async def home(self, request: Request) -> Response:
        """Tell a person how to use the index at the root, and which others there are."""
        return await self._home(request, self.index, "")

    async def home_of_index(self, request: Request) -> Response:
        """The same for an index at its own name."""
        index = request.path_params["index"]
        if index == "legacy":
            raise HTTPException(405, headers={"allow": "POST"})
        if not has_address(index):
            raise HTTPException(404)
        return await self._home(request, index, f"/{index}")

    async def _home(self, request: Request, index: str, below: str) -> Response:
        host, authorization = _header(request, "host") or b"", _header(request, "authorization")
        refused = await self._refusal(host, authorization, index)
        if refused is not None:
            return AnswerResponse(refused)
        if below and not self._is_addressed(index):
            raise HTTPException(404)
        base = f"{request.url.scheme}://{host.decode('latin-1')}{self.root_path}"
        others = {name: f"{base}/{name}" for name in sorted(self.cache.sources) if name != index and has_address(name)}
        seen = {name: at for name, at in others.items() if await self._refusal(host, authorization, name) is None}
        past, falls_through = f"{base}{below or '/'}@", self.fall_through.mode(index) is not None
        page = self.render_home(f"{base}{below}", seen, past=past, falls_through=falls_through)
        return AnswerResponse(answer.uncached_page(page.encode()))

    async def _refusal(self, host: bytes, authorization: bytes | None, index: str) -> Answer | None:
        refused = self.access.refuse_reading(host, authorization, index)
        return await self.access.ask(authorization, index) if refused is ASK else refused

    def _is_addressed(self, index: str) -> bool:
        return has_address(index) and (index in self.cache.sources or index in self.cache.blind)

    async def healthz(self) -> Response:
        """Tell a monitor whether all indexes are at their tips, and how upstreams and the past are, where they were asked for.

        503 if the index at the root was never seen.

        Names nothing: anyone may ask.
        """
        status = "ok" if self.refresher.current and self.access.problem is None else "stale"
        age = self.refresher.age
        found: dict[str, str | int] = {"status": status}
        if age is not None:
            found["seconds_since_github"] = int(age)
        if self.fall_through.asks_upstreams:
            found["upstreams"] = "stale" if self.fall_through.problems else "ok"
        if self.past.state is not None:
            found["past"] = self.past.state
        seen = self.refresher.waits or not self.refresher.blind
        return JSONResponse(found, 200 if seen else 503, headers={"cache-control": "no-store"})


def _no_index(index: str) -> NoIndexError:
    return NoIndexError(f"There is no index {plain(index, 80)!r} here.", "`wharf index list` shows all.")


def _header(request: Request, name: str) -> bytes | None:
    value = request.headers.get(name)
    return None if value is None else value.encode("latin-1")
