"""Requests and answers of HTTP, whoever is asked."""

from __future__ import annotations

import base64
import logging
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import urllib3
from urllib3 import exceptions as failures

from wharf.errors import AnswerTooLargeError, StorageError
from wharf.transport import connections
from wharf.transport.answer_deadline import QUIET, Patience
from wharf.transport.connections import SLOW, UnreachableError
from wharf.transport.environment import EnvironmentPools

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wharf.secret import Secret
    from wharf.transport.environment import Pools

PATIENCE = 120.0
"""Seconds in which an answer has to be there, once the request is sent: its headers, and its body if it is no download."""
AS_IT_IS: Final = {"accept-encoding": "identity"}
"""Headers for bytes that must not be packed on the way."""

_PIECE = 64 << 10  # bytes: TLS gives 16 KiB at a time, and a larger buffer for each of them costs more than the bytes
_SLOWEST = 1000  # bytes a second of a download, on the average of a minute: the same as git is told
_ADDRESS = re.compile("[!-~]{1,65536}", re.ASCII)
# Not ProxyError: urllib3 says so too of a connection through a proxy that breaks off after the request.
_NEVER_SENT = (failures.ConnectTimeoutError, failures.EmptyPoolError)
logging.getLogger("urllib3").setLevel(logging.ERROR)  # below that, addresses are logged


class InvalidAddressError(StorageError):
    """Something that cannot be asked for. The address is not repeated."""


class NoAnswerError(StorageError):
    """No answer, or one that did not come to its end.

    `sent`: whether the request may have arrived. `reason` is why, in words.
    """

    def __init__(self, message: str, reason: str, *, sent: bool = True, told: str | None = None) -> None:
        super().__init__(f"{message}: {reason}.", "Try again later.", told=told)
        self.reason = reason
        self.sent = sent

    @property
    def slow(self) -> bool:
        """Whether a deadline ended it."""
        return self.reason == SLOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked. `content` with a `content-length` among the headers has to give exactly that many bytes.

    `bearer` is a token; `basic` are a user and a password (RFC 7617). `patience`: seconds in which the answer has to be there;
    None: PATIENCE.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    bearer: Secret | None = None
    basic: tuple[str, Secret] | None = None
    content: bytes | Iterator[bytes] | None = None
    patience: float | None = None

    @property
    def host(self) -> str:
        """Host and port, for messages."""
        try:
            return urlsplit(self.url).netloc.rpartition("@")[2]
        except ValueError:
            return "A server"


@dataclass(frozen=True, slots=True)
class Download:
    """Bytes on their way: how many there will be, if that is known, and the bytes."""

    size: int | None
    chunks: Iterator[bytes]


class Transport:
    """Connections that are kept and used again. Safe to use from several threads.

    `told` is what a server's clients are told when no answer comes (StorageError). Raises UsageError for an environment whose
    proxies or certificates cannot be used.
    """

    def __init__(self, pools: Pools | None = None, *, told: str | None = None) -> None:
        self._pools = pools or EnvironmentPools()
        self._told = told

    def close(self) -> None:
        """Close the connections."""
        self._pools.clear()

    def send(self, request: Request) -> Answer:
        """An answer, not yet read: whoever asked closes it. Raises InvalidAddressError or NoAnswerError."""
        if not _ADDRESS.fullmatch(request.url):
            raise InvalidAddressError(f"{request.host} is asked for with something that is not an address.")
        headers = dict(request.headers)
        if request.bearer is not None:
            headers["authorization"] = _Unseen(f"Bearer {request.bearer.reveal()}")
        if request.basic is not None:
            pair = f"{request.basic[0]}:{request.basic[1].reveal()}".encode()
            headers["authorization"] = _Unseen(f"Basic {base64.b64encode(pair).decode()}")
        patience = Patience(PATIENCE if request.patience is None else request.patience)
        try:
            found = self._pools.urlopen(
                request.method,
                request.url,
                body=request.content,
                headers=headers,
                timeout=urllib3.Timeout(connect=connections.CONNECTING, read=patience),
                pool_timeout=QUIET,
                preload_content=False,
                redirect=False,
                retries=False,
            )
        except (failures.LocationValueError, UnicodeError):
            error: StorageError = InvalidAddressError(f"{request.host} is not an address.")
        except UnreachableError as unreachable:
            error = NoAnswerError(f"{request.host} does not answer", str(unreachable), sent=False, told=self._told)
        except failures.HTTPError as failure:
            sent = not isinstance(failure, _NEVER_SENT)
            error = NoAnswerError(f"{request.host} does not answer", _broken(failure), sent=sent, told=self._told)
        else:
            return Answer(request, found, patience, told=self._told)
        raise error  # here and not above, so that nothing hangs on it which names the whole address


class Answer:
    """Status, headers with their names in lower case, and a body that is read once, as a whole or as a download."""

    def __init__(
        self, request: Request, found: urllib3.BaseHTTPResponse, patience: Patience, *, told: str | None = None
    ) -> None:
        self.request = request
        self.status = found.status
        self.headers = {name.lower(): value for name, value in found.headers.items()}
        self._found = found
        self._patience = patience
        self._told = told
        self._body: bytes | None = None

    def close(self) -> None:
        """Let go of the connection, which is kept only if the answer was read to its end."""
        self._found.close()
        self._found.release_conn()

    def read(self, at_most: int) -> bytes:
        """The body, unpacked; asked again, the same. Raises AnswerTooLargeError, NoAnswerError or StorageError."""
        if self._body is None:
            if self.headers.get("content-encoding", "gzip").lower() not in {"gzip", "identity"}:
                # Packed twice, a few bytes become more than any memory before they can be counted.
                what = f"The answer from {self.request.host} is packed in a way that was not asked for."
                raise StorageError(what, "Is there a proxy in between?")
            body = bytearray()
            for chunk in self._chunks(unpacked=True):
                body += chunk
                if len(body) > at_most:
                    what = f"The answer from {self.request.host} is larger than {at_most >> 20} MiB."
                    raise AnswerTooLargeError(what, "It is not read any further.")
            self._body = bytes(body)
        return self._body

    def download(self) -> Download:
        """The body, piece by piece, as it comes. Reading it raises NoAnswerError."""
        self._patience.without_end()
        length = self.headers.get("content-length", "")
        return Download(int(length) if length.isascii() and length.isdecimal() else None, self._watched())

    def _watched(self) -> Iterator[bytes]:
        waited, count, began = 0.0, 0, time.monotonic()
        for chunk in self._chunks(unpacked=False):
            waited, count = waited + time.monotonic() - began, count + len(chunk)
            if waited > QUIET:
                if count < waited * _SLOWEST:
                    what = f"A download from {self.request.host} was given up"
                    raise NoAnswerError(what, "it is too slow", told=self._told)
                waited, count = 0.0, 0
            yield chunk
            began = time.monotonic()  # what is done with the bytes takes its own time

    def _chunks(self, *, unpacked: bool) -> Iterator[bytes]:
        """At most _PIECE bytes at a time, unpacked ones too: no more of them are made."""
        while True:
            try:
                chunk = self._found.read1(_PIECE, decode_content=unpacked)
            except failures.HTTPError as failure:
                reason = _broken(failure)
            else:
                if not chunk:
                    return
                yield chunk
                continue
            raise NoAnswerError(f"An answer from {self.request.host} did not come to its end", reason, told=self._told)


class _Unseen(str):
    """The value of a header that no traceback shows."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'"


def _broken(failure: failures.HTTPError) -> str:
    """Why an answer did not come, in words."""
    if isinstance(failure, failures.DecodeError):
        return "it cannot be unpacked"
    late = isinstance(failure, failures.TimeoutError) or any(isinstance(each, TimeoutError) for each in failure.args)
    return SLOW if late else "the connection broke off"
