"""HTTP as this server speaks it: uvicorn's protocol, with bounds, strict about Host, with the reason in the status line.

What it promises: no head, queue or unread body is without a bound; a request that a router or a cache could read otherwise is
refused; a client that sends a body to its end gets the answer, however early that was given; nothing here fills a log.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from wharf.server.http.request_headers import head_without_offer, is_for_another, is_host, refuse_bad_host, refuse_no_host

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.types import Message
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


def _not_cut_off(record: logging.LogRecord) -> bool:
    """Whether it is about more than an answer that was cut off because the server ended: that end is told by itself."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


log = logging.getLogger("wharf.http")
log.addFilter(_not_cut_off)


class HttpProtocol(HttpToolsProtocol):
    """One connection.

    - A request names one host, or it is refused.
    - `_unfinished` is how many bytes came since a head, or a piece of a body, was whole: at most `HEAD_LIMIT`.
    - At most `PIPELINED` requests wait for the answers to earlier ones.
    - `_patience` runs while something unfinished is waited for, and never while an answer is made.
    - `_unwanted` counts the body of a request that is answered; it is read on, and the connection is kept until it ends.
    - No timer outlives the connection, and what a client sends is not logged.
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
            if not is_host(value):
                self._hosts += 1  # one that is none is refused as two are
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Begin the answer: the application's, or the refusal of a request whose host is not clear (RFC 9112, section 3.2)."""
        hosts, self._hosts = self._hosts, 0
        if self.parser.should_upgrade():
            return
        if hosts == 1 and self.url[:1] != b"/":
            hosts += is_for_another(self.url, dict(self.headers)[b"host"])
        if hosts == 1 or (not hosts and self.parser.get_http_version() == "1.0"):
            HttpToolsProtocol.on_headers_complete(self)  # called by its name: this is the way of every request
        else:
            app = self.app
            self.app = refuse_bad_host if hosts else refuse_no_host
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
            cycle = self.cycle
            if cycle.body or len(body) <= HIGH_WATER_LIMIT:
                super().on_body(body)
            else:  # as uvicorn does, without two copies of the bytes
                cycle.body = body  # type: ignore[assignment]
                self.flow.pause_reading()
                cycle.message_event.set()

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

    def _as_if_not_asked(self, data: bytes, upgrade: httptools.HttpParserUpgrade) -> None:
        """Read a request that offers another protocol (h2c, as Java's clients do, or websocket) as one that does not.

        The parser takes what follows for that protocol, so a new one reads the request again, without the offer.
        """
        method = self.parser.get_method()
        if method == b"CONNECT" or len(self.pipeline) > PIPELINED:
            self._malformed()
            return
        head = head_without_offer(method, self.url, self.parser.get_http_version(), self.headers)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(head + data[int(upgrade.args[0]) :])

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
        """Continue with the unwanted body if enough came of it since it was `before` bytes long."""
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
    """A request and its answer, after which the connection has to be closed."""

    lingers = False
    """It is closed when the body has come that the answer did not wait for."""

    def send(self, message: Message) -> Coroutine[Any, Any, None]:  # type: ignore[override]
        """As in ASGI."""
        if self.response_started and not self.keep_alive and self.more_body and not self.waiting_for_100_continue:
            self.keep_alive = self.lingers = True
        return RequestResponseCycle.send(self, message)  # type: ignore[arg-type]


class OneRequestProtocol(HttpProtocol):
    """A connection that is closed after its first answer."""

    def on_headers_complete(self) -> None:
        """Begin the answer."""
        super().on_headers_complete()
        if not self.parser.should_upgrade():
            self.cycle.keep_alive = False
            self.cycle.__class__ = _Closing
