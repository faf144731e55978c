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
from wharf.errors import AWAY, AnswerTooLargeError, StorageError, UncertainError, UsageError
from wharf.github.quota import wait_after
from wharf.github.replies import Reply, away, body_json
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from wharf.github.quota import Turns

Client = httpx.Client

MAX_BODY = 32 << 20
"""Bytes of an answer beyond which it is not read."""
TRIES = 4
"""How often a request is sent that fails for other reasons than a limit."""
CONNECTIONS = 20
CHUNK = 256 << 10
PATIENCE = 120.0
"""Seconds in which an answer has to be there, once the request is sent: its headers, and its body if it is no download."""
AS_IT_IS = {"accept-encoding": "identity"}
"""Headers for bytes that must not be packed on the way."""

_HOPS = 5  # redirects of the storage
_QUIET = 60.0  # seconds without a byte after which nobody is there any more
_SLOWEST = 1000  # bytes a second of a download, on the average of a minute: the same as git is told
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_AGENT = {"user-agent": f"wharf/{__version__}", "accept-encoding": "gzip"}
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


class _Patience:
    """A read timeout that gets shorter: what httpx sets anew before each read would let an answer come byte by byte for ever.

    A socket takes whatever is an index for its timeout, and asks for it at each read; the first one starts the time.
    """

    def __init__(self) -> None:
        self._end: float | None = None

    def __index__(self) -> int:
        now = time.monotonic()
        self._end = now + PATIENCE if self._end is None else self._end
        if now >= self._end:
            raise TimeoutError
        return max(1, int(min(self._end - now, _QUIET)))

    def without_end(self) -> None:
        """From now on only silence is a reason to give up."""
        self._end = float("inf")


class Wire:
    """The connections to one host, and the limits of one token. Safe to use from several threads."""

    def __init__(self, turns: Turns, client: httpx.Client | None = None) -> None:
        self.calls = 0
        self.client = client or _client()
        self._turns = turns
        self._lock = threading.Lock()

    def with_turns(self, turns: Turns) -> Wire:
        """The same connections, for another token."""
        found = Wire(turns, self.client)
        found.calls = self.calls
        return found

    def send(self, request: Outgoing) -> Reply:
        """The answer as a whole. Raises QuotaError, UncertainError (a write whose answer did not come) or StorageError."""
        tries, began = 0, time.monotonic()
        while True:
            try:
                with self.open(request) as answer:
                    return reply(answer)
            except _BrokenOffError as error:
                tries += 1
                if not request.repeat:
                    raise UncertainError(error.message, error.hint) from None
                if tries == TRIES or time.monotonic() - began > PATIENCE:
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
            with self._stored(address) as answer:
                if answer.status_code == 200:
                    yield download(answer)
                    return
                if not answer.is_redirect:
                    raise StorageError(f"GitHub's storage answered {answer.status_code}.", "Try again later.", told=AWAY)
                address = str(answer.next_request.url if answer.next_request else "")
        raise StorageError("GitHub's storage redirects without an end.", "Try again later.")

    @contextmanager
    def _stored(self, address: str) -> Iterator[httpx.Response]:
        """What the storage answers, not yet read. One try more: a connection that was kept may just have been closed there."""
        for last in (False, True):
            try:
                request = self.client.build_request("GET", address, headers={**_AGENT, **AS_IT_IS}, extensions=_timeouts())
                answer = self.client.send(request, stream=True)
                break
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                if isinstance(error, (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)) and not last:
                    continue
                why = _reason(error) if isinstance(error, httpx.HTTPError) else "it gave something that is not an address"
                raise StorageError(f"GitHub's storage does not answer: {why}.", "Try again later.", told=AWAY) from None
        try:
            yield answer
        finally:
            answer.close()

    def _try(self, request: Outgoing, *, last: bool) -> httpx.Response | None:
        """One try; None if it failed in a way that allows another."""
        headers = {**_AGENT, **request.headers}
        body = request.content() if callable(request.content) else request.content
        with self._lock:
            self.calls += 1
        try:
            built = self.client.build_request(
                request.method, request.url, headers=headers, content=body, extensions=_timeouts()
            )
            if request.token is not None:  # httpx's headers do not show it, as a dictionary of ours would
                built.headers["authorization"] = f"Bearer {request.token.reveal()}"
            return self.client.send(built, stream=True)
        except (httpx.InvalidURL, UnicodeError):
            raise StorageError(
                f"{urlsplit(request.url).netloc} gave an address that is not valid.", "Try again later."
            ) from None
        except httpx.LocalProtocolError:
            raise StorageError("A file changed while it was sent.", "Run the same command again.") from None
        except httpx.HTTPError as error:
            safe = request.repeat or isinstance(error, _NEVER_SENT)
            if not last and safe:
                return None
            why = f"{urlsplit(request.url).netloc} does not answer: {_reason(error)}"
            if safe:
                raise StorageError(f"{why}.", away(why), told=AWAY) from None
            raise UncertainError(f"{why} to a change.", "Run the same command again.") from None


def _client() -> httpx.Client:
    """Raises UsageError for an environment whose proxies or certificates cannot be used."""
    try:
        return httpx.Client(
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # one client's answers say nothing about another's
            follow_redirects=False,
            mounts={"http://": None},  # such an address is on this machine: no proxy comes between, and none sees the token
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=15),
        )
    except (ImportError, ValueError, httpx.InvalidURL):
        # What is wrong with it may be the password in it: it is not shown.
        raise UsageError(
            "The environment names a proxy that cannot be used.",
            "Look at HTTPS_PROXY, ALL_PROXY and NO_PROXY: a proxy is http://HOST:PORT, not socks, and no address has brackets.",
        ) from None
    except OSError as error:
        raise UsageError(
            f"The certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read: {error.strerror or error}.",
            "Correct or unset it.",
        ) from error


def _timeouts() -> dict[str, dict[str, float | _Patience]]:
    """For a request's `extensions`."""
    return {"timeout": {"connect": 10.0, "read": _Patience(), "write": _QUIET, "pool": _QUIET}}


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
        waited, count, began = 0.0, 0, time.monotonic()
        try:
            for chunk in answer.iter_raw():
                waited, count = waited + time.monotonic() - began, count + len(chunk)
                if waited > _QUIET:
                    if count < waited * _SLOWEST:
                        raise StorageError("A download is too slow.", "Try again.", told=AWAY)
                    waited, count = 0.0, 0
                yield chunk
                began = time.monotonic()  # what is done with the bytes takes its own time
        except httpx.HTTPError as error:
            raise StorageError(f"A download broke off ({type(error).__name__}).", "Try again.", told=AWAY) from None

    patience = answer.request.extensions.get("timeout", {}).get("read")
    if isinstance(patience, _Patience):
        patience.without_end()

    length = answer.headers.get("content-length", "")
    return Download(int(length) if length.isdecimal() else None, chunks())


def reply(answer: httpx.Response) -> Reply:
    """An answer as a whole, read once. Raises AnswerTooLargeError, and StorageError for a body that breaks off.

    A token that a server repeats is not in it: its words get into messages.
    """
    if "wharf" not in answer.extensions:
        body = bytearray()
        if answer.headers.get("content-encoding", "gzip").lower() not in {"gzip", "identity"}:
            # Packed twice, a few bytes become more than any memory before they can be counted.
            raise StorageError("GitHub's answer is packed in a way that was not asked for.", "Is there a proxy in between?")
        try:
            for chunk in answer.iter_bytes(CHUNK):
                body += chunk
                if len(body) > MAX_BODY:
                    what = f"GitHub's answer is larger than {MAX_BODY >> 20} MiB."
                    raise AnswerTooLargeError(what, "It is not read any further.")
        except httpx.HTTPError as error:
            raise _BrokenOffError(f"GitHub's answer broke off ({type(error).__name__}).", "Run it again.") from None
        headers = {key.lower(): value for key, value in answer.headers.items()}
        token = answer.request.headers.get("authorization", "").removeprefix("Bearer ")
        if token and token.encode() in body:
            body = bytearray(Secret(token).hidden_in(body.decode(errors="replace")).encode())
        answer.extensions["wharf"] = Reply(status=answer.status_code, headers=headers, data=body_json(headers, bytes(body)))
    found: Reply = answer.extensions["wharf"]
    return found
