"""urllib3's connections, made to keep deadlines, to read heads strictly, and to tell what was sent from what was not."""

from __future__ import annotations

import http.client
import ssl
import time
from typing import TYPE_CHECKING, Any, Final

import urllib3
from urllib3 import exceptions as failures
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.response import assert_header_parsing

from wharf.transport.answer_deadline import Patience, patient

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from io import BufferedReader

    Dial = Callable[[str, int], socket.socket]
    """Connects to a host at a port. Raises UnreachableError or OSError."""

CONNECTING = 10.0
"""Seconds for a connection, for the proxy's word on it, and for TLS."""
SLOW: Final = "it took too long"

_LINE = 64 << 10  # bytes of a line that are read at a time
_TRAILERS = 100  # lines behind a body in chunks: as many as http.client takes for headers
_KEPT = 15.0  # seconds that a connection is kept: what stands between may forget a quiet one without a word


class UnreachableError(Exception):
    """There was no connection over which anything could have been sent."""


class _Lines:
    """A file of which the head of an answer is read, and whether it ended in the middle of it."""

    def __init__(self, file: BufferedReader) -> None:
        self.file = file
        self.close = file.close
        self.ended = False

    def readline(self, size: int) -> bytes:
        """The next line."""
        line = self.file.readline(size)
        self.ended = self.ended or not line.endswith(b"\n")
        return line


class _Answered(http.client.HTTPResponse):
    """The head of an answer, read as strictly as it was sent.

    http.client takes an interim answer for the answer, unless it is 100 (RFC 9110, 15.2); a head that breaks off for a whole
    one; and a body whose length it cannot read for one that ends with the connection. It reads lines behind a body without end.
    """

    def begin(self) -> None:
        """Read the head. Raises HTTPException or HeaderParsingError."""
        lines = _Lines(self.fp)
        self.fp = lines  # type: ignore[assignment]
        try:
            super().begin()
        finally:
            if self.fp is not None:
                self.fp = lines.file
        untold = self.length is None and not self.chunked
        if lines.ended or (untold and {"content-length", "transfer-encoding"} & {name.lower() for name in self.headers}):
            raise http.client.BadStatusLine("")
        assert_header_parsing(self.headers)

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            found: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if not 100 <= found[1] < 200 or found[1] == 101:
                return found
            http.client.parse_headers(self.fp)

    def _read_and_discard_trailer(self) -> None:
        for _ in range(_TRAILERS):
            line = self.fp.readline(_LINE)
            if line in {b"\r\n", b"\n", b""}:
                return
        raise http.client.HTTPException


class _Plain(HTTPConnection):
    """A connection that keeps deadlines, and tells a failure to connect from one that comes later."""

    response_class = _Answered
    dial: Dial | None = None
    _used = 0.0

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn() if self.dial is None else self.dial(self._dns_host, self.port)
        return patient(made, Patience(CONNECTING))

    def connect(self) -> None:
        """Connect: to the proxy, through it, and with TLS."""
        try:
            super().connect()
        except (OSError, ValueError, http.client.HTTPException, failures.HTTPError) as error:
            raise UnreachableError(_unreachable(error.__cause__ or error, proxy=self.proxy is not None)) from None
        self._used = time.monotonic()

    @property
    def is_connected(self) -> bool:
        """Whether it can be used again."""
        return super().is_connected and time.monotonic() - self._used < _KEPT

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        """The answer."""
        found = super().getresponse()
        self._used = time.monotonic()
        return found


class _Tls(_Plain, HTTPSConnection):
    """The same with TLS."""


class PlainPool(urllib3.HTTPConnectionPool):
    """The connections to one host."""

    ConnectionCls = _Plain
    dial: Dial | None = None

    def _new_conn(self) -> _Plain:
        made = super()._new_conn()
        made.dial = self.dial  # type: ignore[attr-defined]
        return made  # type: ignore[return-value]


class TlsPool(PlainPool, urllib3.HTTPSConnectionPool):  # type: ignore[misc]
    """The same with TLS."""

    ConnectionCls = _Tls


def pools_by_scheme(dial: Dial | None = None) -> dict[str, Any]:
    """What makes the pools of a PoolManager; `dial` is how their connections come about, if not as usual."""
    return {
        "http": type("DialledPool", (PlainPool,), {"dial": dial and staticmethod(dial)}),
        "https": type("DialledTlsPool", (TlsPool,), {"dial": dial and staticmethod(dial)}),
    }


def _unreachable(error: BaseException, *, proxy: bool) -> str:
    """Why there is no connection, in words."""
    said = str(error)
    if isinstance(error, TimeoutError):
        said = SLOW
    elif not isinstance(error, OSError) or not said.isprintable() or len(said) > 200:
        said = ""
    if proxy and not isinstance(error, ssl.SSLError):
        return f"the proxy lets nothing through ({said})" if said else "the proxy lets nothing through"
    return f"there is no connection ({said})" if said else "there is no connection"
