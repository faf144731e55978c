"""What is not asked for thousands of times a second: uploads, the page for people, and whether all is well."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from starlette.requests import Request  # noqa: TC002 - FastAPI reads it
from starlette.responses import JSONResponse, Response

from wharf.errors import QuotaError, WharfError
from wharf.server.access.access_protocol import ASK
from wharf.server.http import answer, error_answers
from wharf.server.http.answer import Answer
from wharf.server.web.answer_response import AnswerResponse
from wharf.server.web.quota_wait import QuotaWait

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.server.access.access_protocol import Access
    from wharf.server.logs.operator_log import RefusalLog
    from wharf.server.refresh.refresher import Refresher
    from wharf.server.web.quota_wait import Sleep
    from wharf.server.web.upload_api import UploadApi

log = logging.getLogger("wharf")

_LOST = answer.text(
    503, "The index that uploads go to is gone. The server takes no upload until it is there again.", (("retry-after", "5"),)
)


@dataclass(frozen=True, slots=True)
class Routes:
    """Uploads go to `index`. `render_home` makes the page for people, given the address under which they see this server."""

    access: Access
    index: str
    refresher: Refresher
    uploads: UploadApi
    sleep: Sleep
    root_path: str
    render_home: Callable[[str], str]
    refusals: RefusalLog | None

    async def upload(self, request: Request) -> Response:
        """Take an upload (the legacy upload API), for whoever has a token that may publish."""
        allow = partial(
            self.access.uploader,
            _header(request, "authorization"),
            index=self.index,
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
            await self.refresher.refresh()
            if self.refresher.lost:  # or a new index would begin, with this file and nothing else
                return AnswerResponse(_LOST)
            taken = await self.uploads.take(request, allowed, patience)
        except QuotaError as error:
            # Not 503: twine sends the file five times for that, one time after the other, and is no quicker told why.
            log.warning("%s: %s", request.url.path, error.message)
            return AnswerResponse(error_answers.paused(error, 429))
        except WharfError as error:
            self._tell(request, error.http_status, error.sentences)
            raise
        await self.refresher.refresh()
        return AnswerResponse(answer.text(200, "\n".join(taken.lines) or "OK"))

    def _tell(self, request: Request, status: int, sentence: str) -> None:
        """Tell the operator of an upload that is refused. What is wrong with the server itself is told as that."""
        if self.refusals is not None and status < 500:
            authorization = _header(request, "authorization")
            who = None if authorization is None else self.access.name_of(authorization)
            self.refusals.refused(request.scope, status, sentence, who)

    async def home(self, request: Request) -> Response:
        """Tell a person how to use this index."""
        host = _header(request, "host") or b""
        authorization = _header(request, "authorization")
        refused = self.access.refuse_reading(host, authorization, self.index)
        if refused is ASK:
            refused = await self.access.ask(authorization, self.index)
        if refused is not None:
            return AnswerResponse(refused)
        body = self.render_home(f"{request.url.scheme}://{host.decode('latin-1')}{self.root_path}")
        return AnswerResponse(answer.uncached_page(body.encode()))

    async def healthz(self) -> Response:
        """Tell a monitor whether the index is at its tip: 503 if none was seen. Names nothing: anyone may ask."""
        status = "ok" if self.refresher.current and self.access.problem is None else "stale"
        age = self.refresher.age
        found = {"status": status} if age is None else {"status": status, "seconds_since_github": int(age)}
        seen = self.refresher.waits or not self.refresher.blind
        return JSONResponse(found, 200 if seen else 503, headers={"cache-control": "no-store"})


def _header(request: Request, name: str) -> bytes | None:
    value = request.headers.get(name)
    return None if value is None else value.encode("latin-1")
