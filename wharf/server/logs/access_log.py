"""The access log: a line for each request (`--access-log`)."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wharf.server.logs.operator_log import client_of, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    Who = Callable[[bytes], str | None]
    """The name of the token that an Authorization header has; never the token."""


class AccessLog:
    """The application, and a line to `write` for each of its answers: as JSON, or as words."""

    def __init__(self, app: ASGIApp, who: Who, write: Callable[[str], None], *, as_json: bool) -> None:
        self._app = app
        self._who = who
        self._write = write
        self._as_json = as_json

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and write the line when the answer is sent, or the client is gone."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, size, begun = 0, 0, time.perf_counter()

        async def counted(message: Message) -> None:
            nonlocal status, size
            await send(message)
            if message["type"] == "http.response.start":
                status = message["status"]
            elif scope["method"] != "HEAD":
                size += len(message.get("body", b""))

        try:
            await self._app(scope, receive, counted)
        finally:
            self._write(self._line(scope, status, size, time.perf_counter() - begun))

    def _line(self, scope: Scope, status: int, size: int, seconds: float) -> str:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        authorization = headers.get(b"authorization")
        who = None if authorization is None else self._who(authorization)
        agent = shown(headers.get(b"user-agent", b"").decode("latin-1"))
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        method, path, client = scope["method"], shown(scope["path"]), client_of(scope)
        if self._as_json:
            line = {"time": now, "client": client, "token": who, "method": method, "path": path, "status": status}
            return json.dumps({**line, "bytes": size, "seconds": round(seconds, 6), "agent": agent})
        path, agent = path.replace(" ", "%20"), agent.replace('"', "'")  # which are ours between words
        return f'{now} {client} {who or "-"} {method} {path} {status} {size} {seconds * 1000:.1f}ms "{agent}"'
