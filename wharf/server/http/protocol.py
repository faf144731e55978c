"""HTTP as this server speaks it: uvicorn's protocol, with bounds, strict about Host, with the reason in the status line.

What it promises: no head, queue or unread body is without a bound; a request that a router or a cache could read otherwise is
refused; a client that sends a body to its end gets the answer, however early that was given; nothing here fills a log.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from wharf.server.http import answer
from wharf.server.http.status_reason import send_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.types import Message, Receive, Scope, Send
    from uvicorn import Config
    from uvicorn.server import ServerState


HEAD_LIMIT = 64 << 10
"""Bytes of a request's line and headers, beyond which the connection is closed."""
PATIENCE = 30.0
"""Seconds in which the next part of a request has to come."""
PIPELINED = 32
"""Requests that may be sent before the answers to earlier ones are read."""
UNWANTED = 4 << 30
"""Bytes of a body that are read although the answer is given: a client reads the answer when it has sent all."""
SLOWEST = 64 << 10
"""How many of these have to come within `PATIENCE`."""

_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::\d*)?")
_HOSTS_KEPT = 1024
_good_hosts: set[bytes] = set()  # values of Host that are one: looked at once, however often they come
_LASTING = frozenset({b"close", b"keep-alive"})
_UPGRADING = frozenset({b"upgrade", b"http2-settings", b"connection"})


def _not_cut_off(record: logging.LogRecord) -> bool:
    """Whether it is about more than an answer that was cut off because the server ended: that end is told by itself."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


log = logging.getLogger("wharf.http")
log.addFilter(_not_cut_off)


class Protocol(HttpToolsProtocol):
    """One connection.

    - `_unfinished` is how many bytes came since a head, or a piece of a body, was whole: at most `HEAD_LIMIT`.
    - `_patience` runs while something unfinished is waited for, and never while an answer is made.
    - `_unwanted` counts the body of a request that is answered; it is read on, and the connection is kept until it ends.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = log
        self._patience: asyncio.TimerHandle | None = None
        self._unfinished = self._unwanted = self._hosts = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nobody is waited for without an end; before the first request as long as between two."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._patience = self.loop.call_later(max(PATIENCE, self.timeout_keep_alive), self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """No timer outlives its connection."""
        self._progress()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand the bytes to the parser, and close the connection if there are too many without an end."""
        self._unset_keepalive_if_required()
        self._unfinished += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._as_if_not_asked(data, upgrade)
        except httptools.HttpParserError:
            self._malformed()
        if self._unfinished or self.pipeline:
            self._check()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, and count what there may be one of."""
        name = name.lower()
        if name == b"host":
            self._hosts += 1
            if value not in _good_hosts:
                self._look_at(value)
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Begin the answer: the application's, or the refusal of a request whose host is not clear (RFC 9112, section 3.2)."""
        hosts, self._hosts = self._hosts, 0
        if self.parser.should_upgrade():
            return
        if hosts == 1 and self.url[:1] != b"/":
            hosts += self._is_for_another()
        if hosts == 1 or (not hosts and self.parser.get_http_version() == "1.0"):
            HttpToolsProtocol.on_headers_complete(self)  # called by its name: this is the way of every request
        else:
            app = self.app
            self.app = _bad_host if hosts else _no_host
            try:
                super().on_headers_complete()
            finally:
                self.app = app
        if not self.cycle.keep_alive:
            self.cycle.__class__ = _Closing  # before its task begins; uvicorn has no setting for another class

    def on_body(self, body: bytes) -> None:
        """A piece of the body: the head was whole."""
        if self.cycle.response_complete:
            self._throw_away(len(body))
        else:
            self._progress()
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole; its answer may take as long as it takes."""
        if self.parser.should_upgrade():
            return
        self._unfinished = 0
        if self._patience is not None:
            self._progress()
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()
        elif isinstance(cycle, _Closing) and cycle.lingers:
            self.transport.close()

    def _is_for_another(self) -> bool:
        """Whether the target is a whole address, as proxies get it, of another host than Host names."""
        _, whole, rest = self.url.partition(b"://")
        return bool(whole) and rest.partition(b"/")[0].lower() != dict(self.headers)[b"host"].lower()

    def _look_at(self, host: bytes) -> None:
        """Count a host twice that is none: it is refused as two are."""
        if not _HOST.fullmatch(host):
            self._hosts += 2
        elif len(_good_hosts) < _HOSTS_KEPT and len(host) <= 255:
            _good_hosts.add(host)

    def _as_if_not_asked(self, data: bytes, upgrade: httptools.HttpParserUpgrade) -> None:
        """Read a request that offers another protocol (h2c, as Java's clients do, or websocket) as one that does not.

        The parser takes what follows for that protocol, so a new one reads the request again, without the offer.
        """
        method = self.parser.get_method()
        if method == b"CONNECT" or len(self.pipeline) > PIPELINED:
            self._malformed()
            return
        kept = [(name, value) for name, value in self.headers if name not in _UPGRADING]
        wishes = b",".join(value for name, value in self.headers if name == b"connection").lower()
        kept += [(b"connection", wish) for wish in map(bytes.strip, wishes.split(b",")) if wish in _LASTING]
        head = [method, b" ", self.url, b" HTTP/%s\r\n" % self.parser.get_http_version().encode()]
        for name, value in kept:
            head += [name, b": ", value, b"\r\n"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"".join([*head, b"\r\n", data[int(upgrade.args[0]) :]]))

    def _malformed(self) -> None:
        """Answer what is no HTTP, and have done with it. It is not logged: anybody can send any number of these."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr]
            self.send_400_response("This is not an HTTP/1.1 request.")
        elif self.cycle.more_body and not self.cycle.response_started and not self.pipeline:
            self.cycle.disconnected = True  # its body is what is malformed: nobody waits for another answer
            self.cycle.message_event.set()
            self.send_400_response("The body of the request is not HTTP/1.1.")
        else:
            self.transport.abort()  # in the midst of an earlier answer

    def _check(self) -> None:
        """Have an end of what is not whole, or waits."""
        if self._unfinished and self._patience is None:
            self._patience = self.loop.call_later(PATIENCE, self.transport.close)
        if self.transport.is_closing():
            return
        if len(self.pipeline) > PIPELINED:
            self.transport.abort()
        elif self._unfinished > HEAD_LIMIT:
            if self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr]
                self.send_400_response(f"The request begins with more than {HEAD_LIMIT >> 10} KiB of headers.")
            else:
                self.transport.abort()

    def _throw_away(self, size: int) -> None:
        """A piece of a body whose request is answered."""
        self._unfinished = 0
        if self._unwanted == 0 or self._patience is None:
            self._progress()
            self._unwanted = 0
            self._patience = self.loop.call_later(PATIENCE, self._hurry, 0)
        self._unwanted += size
        if self._unwanted > UNWANTED:
            self.transport.close()

    def _hurry(self, before: int) -> None:
        """Go on with the unwanted body if enough came of it since it was `before` bytes long."""
        if self._unwanted - before < SLOWEST:
            self.transport.close()
        else:
            self._patience = self.loop.call_later(PATIENCE, self._hurry, self._unwanted)

    def _progress(self) -> None:
        self._unfinished = 0
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class _Closing(RequestResponseCycle):
    """A request and its answer, behind which the connection is to be closed."""

    lingers = False
    """It is closed when the body has come that the answer did not wait for."""

    def send(self, message: Message) -> Coroutine[Any, Any, None]:  # type: ignore[override]
        """As in ASGI."""
        if self.response_started and not self.keep_alive and self.more_body and not self.waiting_for_100_continue:
            self.keep_alive = self.lingers = True
        return RequestResponseCycle.send(self, message)  # type: ignore[arg-type]


class OneRequestProtocol(Protocol):
    """A connection that is closed after its first answer."""

    def on_headers_complete(self) -> None:
        """Begin the answer."""
        super().on_headers_complete()
        if not self.parser.should_upgrade():
            self.cycle.keep_alive = False
            self.cycle.__class__ = _Closing


def _refusing(message: str) -> Callable[..., Any]:
    refused = answer.text(400, message, (("connection", "close"),))

    async def refuse(_scope: Scope, receive: Receive, send: Send) -> None:
        await send_answer(refused, receive, send)

    return refuse


_no_host = _refusing("The request names no host, and HTTP/1.1 needs one.")
_bad_host = _refusing("The request has to name one host, as in the address that it is for.")
