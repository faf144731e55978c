"""Web pages of other sites that may read the index (CORS), as notebooks in a browser do: those whose origins are named.

A page reads, and never uploads. A request that needs a token needs it here too: nothing is sent along by the browser itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.server.http import answer
from wharf.server.http.answer import Answer
from wharf.server.http.status_reason import send_answer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_EXPOSED = b"ETag, Content-Range, Accept-Ranges, Retry-After, WWW-Authenticate"
_ALLOWED = b"Accept, Authorization, Cache-Control, If-Match, If-None-Match, If-Range, Pragma, Range"
_ANOTHER_SITE = answer.text(
    403, "Web pages of that origin may not read this index. `wharf serve --cors-origin` names such origins."
)


class Cors:
    """The application, for pages of some origins too. `*` is every origin."""

    def __init__(self, app: ASGIApp, origins: Iterable[str]) -> None:
        self._app = app
        self._origins = {each.lower().encode() for each in origins}
        self._all = b"*" in self._origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what a browser asks beforehand; say of other answers who may read them."""
        headers: dict[bytes, bytes] = dict(scope["headers"]) if scope["type"] == "http" else {}
        origin = headers.get(b"origin")
        if origin is not None and scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            first = self._preflight(origin)
            await send_answer(first, receive, send)
            return
        added = self._allowing(origin)

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _with(message["headers"], added, vary=not self._all)}
            await send(message)

        await self._app(scope, receive, told if scope["type"] == "http" else send)

    def _allowing(self, origin: bytes | None) -> list[tuple[bytes, bytes]]:
        if self._all:
            named = b"*"
        elif origin is not None and origin.lower() in self._origins:
            named = origin
        else:
            return []
        return [(b"access-control-allow-origin", named), (b"access-control-expose-headers", _EXPOSED)]

    def _preflight(self, origin: bytes) -> Answer:
        allowing = self._allowing(origin)
        if not allowing:
            return Answer(403, (*_ANOTHER_SITE.headers, (b"vary", b"Origin")), _ANOTHER_SITE.body)
        more = (
            (b"access-control-allow-methods", b"GET, HEAD"),
            (b"access-control-allow-headers", _ALLOWED),
            (b"access-control-max-age", b"600"),
        )
        vary = () if self._all else ((b"vary", b"Origin"),)
        return Answer(204, (allowing[0], *more, *vary))


def _with(headers: Iterable[tuple[bytes, bytes]], added: list[tuple[bytes, bytes]], *, vary: bool) -> list[tuple[bytes, bytes]]:
    """Headers and those that are added; `Vary` names the origin where the answer depends on it, whoever asked."""
    found = list(headers)
    if vary:
        before = [value for name, value in found if name == b"vary"]
        found = [(name, value) for name, value in found if name != b"vary"]
        found.append((b"vary", b", ".join([*before, b"Origin"])))
    return found + added
