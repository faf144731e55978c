"""A wharf server over HTTP: requests with the person's token, and answers as documents.

- The token goes to the origin that the person named, and nowhere else: no redirect is followed, and a link of the server that
  leads to another host is refused.
- An answer is bounded in bytes and in time. What is no document of wharf is an error that names status and address.
- Each document has a form (`server_answers`, `server_session_forms`), and nothing else of it is taken. So whoever reads one
  finds the keys and types that the form says, whatever a server sends.
- A server that asks for a wait gets it, as long as all waits together are as short as allowed. A 429 by wharf without
  Retry-After is a limit that no wait ends, and an error at once.
- A request that may have arrived is sent again only if that does no harm.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode, urlsplit

from pydantic import ValidationError

from wharf import __version__
from wharf.errors import StorageError, UncertainError
from wharf.repository.server_problems import error_of, foreign_hint, is_problem, unreachable_hint
from wharf.text_formats.toml_and_json import json_value
from wharf.transport.http_client import NoAnswerError, Request, Transport
from wharf.transport.lost_connection import is_lasting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pydantic import BaseModel

    from wharf.repository.server_address import ServerAddress
    from wharf.repository.server_credentials import ServerCredential
    from wharf.transport.http_client import Answer

MOST_BYTES: Final = 64 << 20
"""Bytes of an answer beyond which it is not read."""
MOST_OF_PROBLEM: Final = 1 << 20
"""The same of an answer that says what is wrong."""
TRIES: Final = 4
"""How often a request is sent that fails for other reasons than a limit."""
JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"

_PAUSE = 5.0  # seconds before the next try where the server names none
_LONGEST_PAUSE = 60.0  # seconds that a 503 may ask for
_LONGEST_PLACE = 200  # characters of what is wrong with a document, and of where
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class NoRoutesError(StorageError):
    """An answer that is no document of wharf."""

    code = "no-wharf-server"


class OddAnswerError(NoRoutesError):
    """A document in another form than wharf gives it."""

    code = "odd-answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAnswer:
    """What a server answered to a request that it carried out: of its document, what the form has that was asked for."""

    status: int
    headers: Mapping[str, str]
    document: dict[str, Any] = field(default_factory=dict)


class ServerClient:
    """The connections to one server. Safe to use from several threads.

    `wait` is told of each wait, with its reason and its seconds; all together are `max_wait` seconds at most.
    """

    def __init__(
        self,
        address: ServerAddress,
        credential: ServerCredential | None,
        *,
        max_wait: float,
        wait: Callable[[str, float], None],
        sleep: Callable[[float], None] = time.sleep,
        patience: float | None = None,
    ) -> None:
        self.address = address
        self._credential = credential
        self._bearer = False
        self._left = max_wait
        self._lock = threading.Lock()
        self._wait = wait
        self._sleep = sleep
        self._patience = patience
        self._transport = Transport()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def pause(self, reason: str, seconds: float, *, tell: bool) -> None:
        """Wait for the server, out of the time that all waits together have; `tell` the person. Raises StorageError."""
        with self._lock:
            if seconds > self._left:
                raise StorageError(
                    f"{self.address.host} is not done within the time that this command may wait.",
                    "The same command continues there. --max-wait SECONDS lets it wait for longer.",
                )
            self._left -= seconds
        if tell:
            self._wait(f"{self.address.host}: {reason}", seconds)
        self._sleep(seconds)

    def at(self, address: ServerAddress) -> ServerClient:
        """The same connections and token, for another path of the same origin."""
        self.address = address
        return self

    def get(self, form: type[BaseModel], path: str, query: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The document at a path below the server's address. Raises WharfError."""
        return self.call("GET", self.url(path, query), form=form).document

    def url(self, path: str, query: Mapping[str, object] | None = None) -> str:
        """The address of a path, with a query of those values that are not None."""
        given = {name: str(value) for name, value in (query or {}).items() if value is not None}
        return self.address.url(path) + (f"?{urlencode(given)}" if given else "")

    def call(
        self,
        method: str,
        url: str,
        document: Mapping[str, object] | None = None,
        *,
        form: type[BaseModel] | None,
        media_type: str = JSON,
        repeat: bool = True,
        takes: tuple[int, ...] = (),
    ) -> ServerAnswer:
        """Send a document, or nothing, and give the answer: a success, or one of the statuses that `takes` names.

        The document of a success has that `form` (None: it is not read), that of another status is a problem. Not `repeat`:
        carrying it out twice would do harm. Raises the error that the server tells of, or StorageError.
        """
        content = None if document is None else json.dumps(document).encode()
        headers = {"content-type": media_type} if content is not None else {}
        headers["accept"] = f"{media_type}, {PROBLEM}"
        return self._patiently(method, url, headers, lambda: content, form=form, repeat=repeat, takes=takes)

    def send(
        self, url: str, size: int, pieces: Callable[[], Iterator[bytes]], media_type: str = "application/octet-stream"
    ) -> ServerAnswer:
        """POST bytes. To send them again does no harm. Raises UncertainError if it does not come to an end."""
        headers = {"content-type": media_type, "content-length": str(size)}
        return self._patiently("POST", url, headers, pieces, form=None, repeat=True, takes=())

    def _patiently(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: Callable[[], bytes | Iterator[bytes] | None],
        *,
        form: type[BaseModel] | None,
        repeat: bool,
        takes: tuple[int, ...],
    ) -> ServerAnswer:
        """Send until it is answered by something else than a wish to wait, or a passing failure."""
        for tries in range(1, TRIES + 1):
            try:
                answer = self._once(method, url, headers, content)
            except NoAnswerError as error:
                if (error.sent and not repeat) or error.slow or tries == TRIES or is_lasting(error.reason):
                    raise self._unanswered(error, method) from None
                self._sleep(0.25 * 2**tries)
                continue
            with closing(answer):
                pause = self._pause_of(answer, tries, repeat=repeat)
                if pause is None:
                    try:
                        return self._read(answer, form, takes)
                    except NoAnswerError as error:
                        raise self._unanswered(error, method) from None
            self._sleep(pause)
        raise StorageError(f"{self.address.host} has no time for this.", "Try again later.")

    def _unanswered(self, error: NoAnswerError, method: str) -> StorageError:
        if method == "GET" or not error.sent:
            return StorageError(error.message, unreachable_hint(error.reason))
        why = f"{error.message.removesuffix('.')}, so nobody knows whether it was done."
        return UncertainError(why, "Run the same command again: what is done stays done.")

    def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: Callable[[], bytes | Iterator[bytes] | None],
    ) -> Answer:
        """One answer, to the token in the clothes that the server takes."""
        while True:
            found = self._credential
            answer = self._transport.send(
                Request(
                    method=method,
                    url=url,
                    headers={"user-agent": f"wharf/{__version__}", "accept-encoding": "gzip", **headers},
                    bearer=found.token if found and self._bearer else None,
                    basic=(found.user, found.token) if found and not self._bearer else None,
                    content=content(),
                    patience=self._patience,
                )
            )
            challenge = answer.headers.get("www-authenticate", "").lower()
            if answer.status != 401 or found is None or self._bearer or "bearer" not in challenge or "basic" in challenge:
                return answer
            answer.close()
            self._bearer = True

    def _pause_of(self, answer: Answer, tries: int, *, repeat: bool) -> float | None:
        """Seconds to wait before the next try; None: this is the answer."""
        if answer.status not in {429, 503} or tries == TRIES or (answer.status == 503 and not repeat):
            return None
        text = answer.headers.get("retry-after", "")
        if answer.status == 429 and not text and _kind(answer) == PROBLEM:
            return None  # wharf says so where no wait helps, and the problem tells what does
        pause = float(text) if text.isascii() and text.isdecimal() and len(text) < 7 else _PAUSE
        with self._lock:
            if pause > self._left or (answer.status == 503 and pause > _LONGEST_PAUSE):
                return None
            self._left -= pause
        reason = "the server lets nobody ask so often" if answer.status == 429 else "the server is busy"
        self._wait(f"{self.address.host}: {reason}", pause)
        return pause

    def _read(self, answer: Answer, form: type[BaseModel] | None, takes: tuple[int, ...]) -> ServerAnswer:
        if answer.status in _REDIRECTS:
            raise self._moved(answer)
        done = 200 <= answer.status < 300
        body = self._hidden(answer.read(MOST_BYTES if done else MOST_OF_PROBLEM)) if _is_json(answer) else b""
        if done:
            document = {} if form is None else self._in_form(answer, body, form)
            return ServerAnswer(status=answer.status, headers=answer.headers, document=document)
        problem = _object(body)
        if problem is None or not is_problem(problem):
            raise self._foreign(answer)  # a proxy, of which a 404 says nothing of what the server has
        if answer.status in takes:
            return ServerAnswer(status=answer.status, headers=answer.headers, document=problem)
        raise error_of(answer.status, problem, self.address.host)

    def _in_form(self, answer: Answer, body: bytes, form: type[BaseModel]) -> dict[str, Any]:
        """What a document has of its form. Raises NoRoutesError for what is no object, and OddAnswerError for another one."""
        try:
            found = form.model_validate_json(body, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            if not first["loc"]:
                raise self._foreign(answer) from None
            wrong = f"{'.'.join(map(str, first['loc']))[:_LONGEST_PLACE]}: {first['msg'][:_LONGEST_PLACE]}"
            what = f"{_place(answer)} answers {answer.status} in a form that this wharf does not know ({wrong})."
            hint = "Is it the address of `wharf serve`, and of a version like this one?"
            done = " The change may be made all the same: `wharf log` shows that." if answer.request.method != "GET" else ""
            raise OddAnswerError(what, f"{hint}{done}") from None
        return found.model_dump(by_alias=True, exclude_unset=True)

    def _hidden(self, body: bytes) -> bytes:
        """A body without the token, which a server may repeat: its words get into messages."""
        found = self._credential
        if found is None or found.token.reveal().encode() not in body:
            return body
        return found.token.hidden_in(body.decode(errors="replace")).encode()

    def _foreign(self, answer: Answer) -> NoRoutesError:
        what = f"{_place(answer)} answers {answer.status}, without a document of wharf."
        return NoRoutesError(what, foreign_hint(answer.status))

    def _moved(self, answer: Answer) -> StorageError:
        try:
            parts = urlsplit(answer.headers.get("location", ""))
            where = f"{parts.scheme}://{parts.hostname}" if parts.scheme and parts.hostname else "another path"
        except ValueError:
            where = "another place"
        return NoRoutesError(
            f"{answer.request.host} redirects to {where}, and no token follows a redirect.",
            "If that is your server, name its address: --server https://HOST/. If it is a page to log in at: a proxy before "
            "the server has to let requests with a token through, at least those below /-/.",
        )


def part(text: str) -> str:
    """A part of a path."""
    return quote(text, safe="")


def _place(answer: Answer) -> str:
    """The address of an answer, without a query."""
    parts = urlsplit(answer.request.url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _is_json(answer: Answer) -> bool:
    kind = _kind(answer)
    return kind == JSON or kind.endswith("+json")


def _kind(answer: Answer) -> str:
    """The media type of an answer, in lower case."""
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def _object(body: bytes) -> dict[str, Any] | None:
    """The JSON object of a body; None if it is something else."""
    try:
        found = json_value(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
