"""What goes over the wire to GitHub: requests that obey its limits and are repeated where that is safe. httpx is used here.

Importing it takes a fifth of a second, so `github` does that when it first has something to send: many commands need git alone.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from wharf import __version__
from wharf.errors import StorageError, UncertainError
from wharf.quota import wait_after
from wharf.replies import Reply, body_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from wharf.quota import Turns
    from wharf.secret import Secret

Client = httpx.Client

MAX_BODY = 32 << 20
"""Bytes of an answer beyond which it is not read."""
TRIES = 4
"""How often a request is sent that fails for other reasons than a limit."""
CONNECTIONS = 20
CHUNK = 256 << 10
AS_IT_IS = {"accept-encoding": "identity"}
"""Headers for bytes that must not be packed on the way."""

_HOPS = 5  # redirects of the storage
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_AGENT = {"user-agent": f"wharf/{__version__}"}
# Signed addresses are as good as a token while they live: no log names them.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request. `points` and `creates` are what it costs of the limits; `repeat`: sending it twice does no harm."""

    method: str
    url: str
    token: Secret | None
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | Callable[[], Iterator[bytes]] | None = None
    points: int
    creates: bool = False
    repeat: bool


@dataclass(frozen=True, slots=True)
class Download:
    """Bytes on their way: how many there will be, if that is known, and the bytes."""

    size: int | None
    chunks: Iterator[bytes]


class _BrokenOffError(StorageError):
    """An answer that began and did not end."""


class Wire:
    """The connections to one host, and the limits of one token. Safe to use from several threads."""

    def __init__(self, turns: Turns, client: httpx.Client | None = None) -> None:
        self.calls = 0
        self.client = client or httpx.Client(
            timeout=httpx.Timeout(60, connect=10),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # one client's answers say nothing about another's
            follow_redirects=False,
            mounts={"http://": None},  # such an address is on this machine: no proxy comes between, and none sees the token
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=15),
        )
        self._turns = turns
        self._lock = threading.Lock()

    def send(self, request: Outgoing) -> Reply:
        """The answer as a whole. Raises QuotaError, UncertainError (a write whose answer did not come) or StorageError."""
        tries = 0
        while True:
            try:
                with self.open(request) as answer:
                    return reply(answer)
            except _BrokenOffError as error:
                tries += 1
                if not request.repeat:
                    raise UncertainError(error.message, error.hint) from None
                if tries == TRIES:
                    raise

    @contextmanager
    def open(self, request: Outgoing) -> Iterator[httpx.Response]:
        """Send until it is answered by something else than a limit or a passing failure; the answer, not yet read."""
        waits = fails = 0
        while True:
            booked = self._turns.take(request.points, creates=request.creates)
            answer = self._try(request, last=fails + 1 >= TRIES)
            if answer is None or (answer.status_code >= 500 and request.repeat and fails + 1 < TRIES):
                if answer is not None:
                    answer.close()
                fails += 1
                self._turns.pause(0.25 * 2**fails)
                continue
            try:
                headers = dict(answer.headers)
                self._turns.learn(headers)
                said = reply(answer).message if answer.status_code in {403, 429} else ""
                wait = wait_after(answer.status_code, headers, said, tries=waits, now=time.time())
                if wait is None:
                    if answer.status_code >= 500 and not request.repeat:
                        raise UncertainError(
                            f"GitHub answered {answer.status_code} to a change.", "Run the same command again."
                        )
                    yield answer
                    return
            finally:
                answer.close()
            waits += 1
            self._turns.give_back(booked, request.points, creates=request.creates)
            self._turns.close(wait)

    @contextmanager
    def fetch(self, address: str, scheme: str) -> Iterator[Download]:
        """The bytes at a signed address, without any token. Raises StorageError, also for another scheme than that."""
        for _ in range(_HOPS):
            if not address.startswith(f"{scheme}://"):
                raise StorageError(f"GitHub's storage gave an address that is not {scheme}.", "Try again later.")
            try:
                with self.client.stream("GET", address, headers={**_AGENT, **AS_IT_IS}) as answer:
                    if answer.status_code == 200:
                        yield download(answer)
                        return
                    if not answer.is_redirect:
                        raise StorageError(f"GitHub's storage answered {answer.status_code}.", "Try again later.")
                    address = str(answer.next_request.url if answer.next_request else "")
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise StorageError(f"GitHub's storage failed: {type(error).__name__}.", "Try again later.") from None
        raise StorageError("GitHub's storage redirects without an end.", "Try again later.")

    def _try(self, request: Outgoing, *, last: bool) -> httpx.Response | None:
        """One try; None if it failed in a way that allows another."""
        headers = {**_AGENT, **request.headers}
        if request.token is not None:
            headers["authorization"] = f"Bearer {request.token.reveal()}"
        body = request.content() if callable(request.content) else request.content
        with self._lock:
            self.calls += 1
        try:
            built = self.client.build_request(request.method, request.url, headers=headers, content=body)
            return self.client.send(built, stream=True)
        except httpx.LocalProtocolError:
            raise StorageError("A file changed while it was sent.", "Run the same command again.") from None
        except httpx.HTTPError as error:
            safe = request.repeat or isinstance(error, _NEVER_SENT)
            if not last and safe:
                return None
            why = f"{urlsplit(request.url).netloc} does not answer: {_reason(error)}"
            if safe:
                raise StorageError(f"{why}.", "Is the network there? Is GitHub up?") from None
            raise UncertainError(f"{why} to a change.", "Run the same command again.") from None


def _reason(error: httpx.HTTPError) -> str:
    """What went wrong with a connection, in words."""
    if isinstance(error, httpx.TimeoutException):
        return "it took too long"
    if isinstance(error, httpx.ConnectError):
        return f"there is no connection ({error})" if str(error).isprintable() and len(str(error)) < 200 else "no connection"
    return "the connection broke off"


def download(answer: httpx.Response) -> Download:
    """The body of an answer, piece by piece."""

    def chunks() -> Iterator[bytes]:
        try:
            yield from answer.iter_raw()
        except httpx.HTTPError as error:
            raise StorageError(f"A download broke off ({type(error).__name__}).", "Try again.") from None

    length = answer.headers.get("content-length", "")
    return Download(int(length) if length.isdecimal() else None, chunks())


def reply(answer: httpx.Response) -> Reply:
    """An answer as a whole, read once. Raises StorageError for a body that is too large or breaks off."""
    if "wharf" not in answer.extensions:
        body = bytearray()
        try:
            for chunk in answer.iter_bytes(CHUNK):
                body += chunk
                if len(body) > MAX_BODY:
                    raise StorageError(f"GitHub's answer is larger than {MAX_BODY >> 20} MiB.", "It is not read any further.")
        except httpx.HTTPError as error:
            raise _BrokenOffError(f"GitHub's answer broke off ({type(error).__name__}).", "Run it again.") from None
        headers = {key.lower(): value for key, value in answer.headers.items()}
        answer.extensions["wharf"] = Reply(status=answer.status_code, headers=headers, data=body_json(headers, bytes(body)))
    found: Reply = answer.extensions["wharf"]
    return found
