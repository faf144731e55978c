"""What a server tells its operator: a line for each refusal, within bounds, and with --access-log a line for each request."""

from __future__ import annotations

import json
import logging
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wharf.secret import for_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    Who = Callable[[bytes], str | None]
    """The name of the token that an Authorization header has; never the token."""

REFUSALS = 30
"""Refusals a minute that get a line each; of more only the number is told."""
_WORDS = 300  # characters of an address, or of a client's name for itself
_ESCAPED = re.compile(r"[^ -~]")


class Journal:
    """`say` is given each line. What clients send is shown in one line of ASCII, without what looks like a token."""

    def __init__(self, say: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._begun = clock()
        self._told = 0
        self._more = 0

    def refused(self, scope: Scope, status: int, sentence: str, who: str | None) -> None:
        """Tell of a login or an upload that was refused."""
        self.end_of_minute()
        if self._told >= REFUSALS:
            self._more += 1
            return
        self._told += 1
        by = f" by {who}" if who else ""
        self._say(f"refused: {scope['method']} {shown(scope['path'])} from {_client(scope)}{by}: {status} {shown(sentence)}")

    def end_of_minute(self, *, ends: bool = False) -> None:
        """Tell how many were not told, if the minute is over or the server `ends`."""
        now = self._clock()
        if now < self._begun + 60 and not ends:
            return
        if self._more:
            self._say(f"refused: {self._more} more within a minute")
        self._begun, self._told, self._more = now, 0, 0


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
        method, path, client = scope["method"], shown(scope["path"]), _client(scope)
        if self._as_json:
            line = {"time": now, "client": client, "token": who, "method": method, "path": path, "status": status}
            return json.dumps({**line, "bytes": size, "seconds": round(seconds, 6), "agent": agent})
        path, agent = path.replace(" ", "%20"), agent.replace('"', "'")  # which are ours between words
        return f'{now} {client} {who or "-"} {method} {path} {status} {size} {seconds * 1000:.1f}ms "{agent}"'


class Told(logging.Handler):
    """What is logged, as lines for the operator's terminal. A terminal that is gone is no reason to stop."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Tell it. What follows in further lines is set in, so that nobody's words can be taken for a message of their own."""
        for number, line in enumerate(record.getMessage().splitlines()):
            self._say(f"{'  ' if number else ''}{shown(line, 2000)}")
        if record.exc_info:
            self._say(logging.Formatter().formatException(record.exc_info))


def quietly(say: Callable[[str], None]) -> Callable[[str], None]:
    """The same, for who goes on when nobody can be told any more: the terminal was closed, or the disk of the log is full."""

    def say_if_possible(text: str) -> None:
        try:
            say(text)
        except OSError:
            return

    return say_if_possible


def shown(text: str, most: int = _WORDS) -> str:
    """Somebody else's words in one line of ASCII."""
    text = for_log(text[: 4 * most])
    text = _ESCAPED.sub(lambda found: ascii(found.group())[1:-1], text)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _client(scope: Scope) -> str:
    client = scope.get("client")
    return shown(str(client[0])) if client else "-"
