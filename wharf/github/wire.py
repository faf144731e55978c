"""What goes to GitHub: requests that obey its limits, carry a token where it belongs, and are repeated where that is safe.

Importing it takes a tenth of a second, so `github` does that when it first has something to send: many commands need git alone.
"""

from __future__ import annotations

import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urljoin

from wharf import __version__
from wharf.errors import AWAY, StorageError, UncertainError
from wharf.github.quota_headers import wait_after
from wharf.github.replies import Reply, away, body_json
from wharf.transport import http_client
from wharf.transport.http_client import AS_IT_IS, InvalidAddressError, NoAnswerError, Request, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from wharf.github.renewing_token import TokenSource
    from wharf.github.request_turns import Turns
    from wharf.transport.http_client import Answer, Download

MAX_BODY = 32 << 20
"""Bytes of an answer beyond which it is not read."""
CHUNK = 256 << 10
"""Bytes of a file that are sent at a time."""
TRIES = 4
"""How often a request is sent that fails for other reasons than a limit."""

_HOPS = 5  # redirects of the storage
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_AGENT = {"user-agent": f"wharf/{__version__}", "accept-encoding": "gzip"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request. `points` and `creates` are what it costs of the limits; `repeat`: sending it twice does no harm."""

    method: str
    url: str
    tokens: TokenSource | None
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | Callable[[], Iterator[bytes]] | None = None
    points: int
    creates: bool = False
    repeat: bool


class Wire:
    """The connections to one host, and the limits of one token. Safe to use from several threads.

    - A request is sent when its turn has come. If a limit refuses it, it waits for another turn.
    - A request that may have reached GitHub is sent again only if it says `repeat`. Otherwise UncertainError is raised.
    - Failures, renewed tokens and redirects have a bound each. All waits together have the bound of the turns.
    - No token goes to a signed address, and no answer that is read as a whole repeats the token.
    """

    def __init__(self, turns: Turns, connections: Transport | None = None) -> None:
        self.calls = 0
        self.connections = connections or Transport(told=AWAY)
        self._turns = turns
        self._lock = threading.Lock()

    def with_turns(self, turns: Turns) -> Wire:
        """The same connections, for another token."""
        found = Wire(turns, self.connections)
        found.calls = self.calls
        return found

    def send(self, request: Outgoing) -> Reply:
        """The answer as a whole. Raises QuotaError, UncertainError (a write whose answer did not come) or StorageError."""
        tries, began = 0, time.monotonic()
        while True:
            try:
                with self.open(request) as answer:
                    return reply(answer)
            except NoAnswerError as error:
                tries += 1
                if not request.repeat:
                    raise UncertainError(error.message, "Run the same command again.") from None
                if tries == TRIES or time.monotonic() - began > http_client.PATIENCE:
                    raise StorageError(error.message, away(error.reason), told=AWAY) from None

    @contextmanager
    def open(self, request: Outgoing) -> Iterator[Answer]:
        """Send until it is answered by something else than a limit or a passing failure; the answer, not yet read."""
        waits = fails = unknown = 0
        while True:
            booked = self._turns.take(request.points, creates=request.creates)
            answer = self._try(request, last=fails + 1 >= TRIES)
            if answer is None or (answer.status >= 500 and request.repeat and fails + 1 < TRIES):
                if answer is not None:
                    answer.close()
                fails += 1
                self._turns.pause(0.25 * 2**fails)
                continue
            with closing(answer):
                self._turns.learn(answer.headers)
                token = answer.request.bearer
                if answer.status == 401 and request.tokens and token and unknown < TRIES:
                    reply(answer)  # read, so that its connection is free while the token is renewed
                    unknown += 1
                    if request.tokens.refused(token):
                        continue
                said = reply(answer).message if answer.status in {403, 429} else ""
                wait = wait_after(answer.status, answer.headers, said, tries=waits, now=time.time())
                if wait is None:
                    if answer.status >= 500 and not request.repeat:
                        raise UncertainError(f"GitHub answered {answer.status} to a change.", "Run the same command again.")
                    yield answer
                    return
            waits += 1
            self._turns.give_back(booked, request.points, creates=request.creates)
            self._turns.close(wait)

    @contextmanager
    def fetch(self, address: str, scheme: str) -> Iterator[Download]:
        """The bytes at a signed address, without any token. Raises StorageError, also for another scheme than that."""
        for _ in range(_HOPS):
            if not address.startswith(f"{scheme}://"):
                raise StorageError(f"GitHub's storage gave an address that is not {scheme}.", "Try again later.")
            with closing(self._stored(address)) as answer:
                if answer.status == 200:
                    yield answer.download()
                    return
                if answer.status not in _REDIRECTS:
                    raise StorageError(f"GitHub's storage answered {answer.status}.", "Try again later.", told=AWAY)
                address = _joined(address, answer.headers.get("location", ""))
        raise StorageError("GitHub's storage redirects without an end.", "Try again later.")

    def _stored(self, address: str) -> Answer:
        """What the storage answers, not yet read. One try more: a connection that was kept may just have been closed there."""
        request = Request(method="GET", url=address, headers={**_AGENT, **AS_IT_IS})
        for last in (False, True):
            try:
                return self.connections.send(request)
            except InvalidAddressError:
                break
            except NoAnswerError as error:
                if not error.sent or error.slow or last:
                    why = f"GitHub's storage does not answer: {error.reason}."
                    raise StorageError(why, "Try again later.", told=AWAY) from None
        raise StorageError("GitHub's storage gave something that is not an address.", "Try again later.", told=AWAY)

    def _try(self, request: Outgoing, *, last: bool) -> Answer | None:
        """One try; None if it failed in a way that allows another."""
        sent = Request(
            method=request.method,
            url=request.url,
            headers={**_AGENT, **request.headers},
            bearer=request.tokens.token() if request.tokens else None,
            content=request.content() if callable(request.content) else request.content,
        )
        with self._lock:
            self.calls += 1
        try:
            return self.connections.send(sent)
        except InvalidAddressError:
            raise StorageError(f"{sent.host} gave an address that is not valid.", "Try again later.") from None
        except NoAnswerError as error:
            safe = request.repeat or not error.sent
            if not last and safe:
                return None
            why = error.message.removesuffix(".")
            if safe:
                raise StorageError(f"{why}.", away(why), told=AWAY) from None
            raise UncertainError(f"{why} to a change.", "Run the same command again.") from None


def _joined(address: str, location: str) -> str:
    """Where a redirect of the storage leads; nothing, if that is nowhere."""
    try:
        return urljoin(address, location) if location else ""
    except ValueError:
        return ""


def reply(answer: Answer) -> Reply:
    """An answer as a whole. Raises AnswerTooLargeError, and NoAnswerError for a body that breaks off.

    A token that a server repeats is not in it: its words get into messages.
    """
    body, token = answer.read(MAX_BODY), answer.request.bearer
    if token is not None and token.reveal().encode() in body:
        body = token.hidden_in(body.decode(errors="replace")).encode()
    return Reply(status=answer.status, headers=answer.headers, data=body_json(answer.headers, body))


def pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    """A file from its beginning, as the content of a request. Raises StorageError if it does not have `size` bytes."""
    left = size
    file.seek(0)
    while chunk := file.read(min(CHUNK, left + 1)):
        left -= len(chunk)
        if left >= 0:
            yield chunk
    if left:
        raise StorageError("A file changed while it was sent.", "Run the same command again.")
