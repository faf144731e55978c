"""The GitHub API: requests that obey its limits, tell their waits, and are read within bounds. httpx is used here only.

Why no whole client library: several threads upload at once through one connection pool, a redirect must never carry the token
to another host, every body is bounded, and a person has to see what a command waits for.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote, urlsplit

import httpx

from wharf import __version__
from wharf.errors import GraphQLError, NotAllowedError, StorageError, UncertainError
from wharf.quota import FIRST_WAIT, READ, WRITE, Turns, Wait, Waiting, wait_after
from wharf.replies import Reply, body_json, limited, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from typing import Self

    from wharf.address import Address
    from wharf.model import Json
    from wharf.quota import Rate
    from wharf.secret import Secret

    Headers = dict[str, str]
    Sink = Callable[[bytes], None]

MAX_BODY = 32 << 20
"""Bytes of an answer beyond which it is not read."""
TRIES = 4
"""How often a request is sent that fails for other reasons than a limit."""
CONNECTIONS = 20
CHUNK = 256 << 10

_HOPS = 5  # redirects
_AS_IT_IS = {"accept-encoding": "identity"}  # the bytes of a file are never packed on the way
_TOKEN = re.compile(r"[!-~]{1,1000}", re.ASCII)
_MOVED = re.compile(r"/repositories/\d+")
_TIMEOUT = httpx.Timeout(60, connect=10)
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# Signed addresses are as good as a token while they live: no log names them.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)


class _BrokenOffError(StorageError):
    """An answer that began and did not end."""


@dataclass(frozen=True, slots=True)
class Download:
    """Bytes on their way: how many there will be, if that is known, and the bytes."""

    size: int | None
    chunks: Iterator[bytes]


class GitHub:
    """One repository's API, with one token or none. Safe to use from several threads."""

    def __init__(
        self,
        address: Address,
        token: Secret | None,
        *,
        waiting: Waiting | None = None,
        warn: Callable[[str], None] = lambda _text: None,
        client: httpx.Client | None = None,
    ) -> None:
        if token is not None and not _TOKEN.fullmatch(token.reveal()):
            raise NotAllowedError("What was given as a token cannot be one of GitHub's.", "Set the token again.")
        self.address = address
        self.token = token
        self._turns = Turns(waiting or Waiting())
        self._lock = threading.Lock()
        self.calls = 0
        self._warn = warn
        self._client = client or httpx.Client(
            timeout=_TIMEOUT,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # one client's answers say nothing about another's
            follow_redirects=False,
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=15),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, also those of what `with_token` gave."""
        self._client.close()

    @property
    def rates(self) -> Mapping[str, Rate]:
        """The primary limits as last told, by resource."""
        return self._turns.rates

    def now(self) -> datetime:
        """The time at GitHub, by its last answer."""
        return datetime.now(UTC) + timedelta(seconds=self._turns.skew)

    def with_token(self, token: Secret | None) -> GitHub:
        """The same repository and connections, with another token and its own limits."""
        return GitHub(self.address, token, waiting=self._turns.waiting, warn=self._warn, client=self._client)

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Json = None,
        query: Mapping[str, str] | None = None,
        allow: Collection[int] = (),
        etag: str | None = None,
    ) -> Reply:
        """One call of the REST API. `{repo}` at the beginning of `path` stands for this repository.

        Gives answers of status 2xx and 304 and those allowed. Raises NotAllowedError, NotFoundError, RejectedError (409, 422),
        QuotaError, UncertainError (a write whose answer did not come), or StorageError.
        """
        headers = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}
        if etag:
            headers["if-none-match"] = etag
        content = None if body is None else json.dumps(body).encode()
        for _ in range(_HOPS):
            url = self.address.api + self._path(path)
            url += "?" + "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items()) if query else ""
            reply = self._send(method, url, headers, content, points=READ if method in {"GET", "HEAD"} else WRITE)
            if reply.status not in {301, 302, 307, 308}:
                break
            moved = self._moved(path, reply.headers.get("location", ""))
            path, query = moved, query if moved == path else None
        if reply.status < 300 or reply.status == 304 or reply.status in allow:
            return reply
        what = f"{method} {path.replace('{repo}', '').split('?')[0] or '/'} of {self.address}"
        raise refusal(method, what, reply, token=self.token is not None)

    def pages(self, path: str, *, query: Mapping[str, str] | None = None, at_most: int | None = None) -> Iterator[Json]:
        """The items of a list, page by page, 100 a page; `at_most` bounds the pages ("Using pagination in the REST API")."""
        page = 1
        while at_most is None or page <= at_most:
            reply = self.call("GET", path, query={**(query or {}), "per_page": "100", "page": str(page)})
            items = reply.data if isinstance(reply.data, list) else []
            yield from items
            if 'rel="next"' not in reply.headers.get("link", "") or not items:
                return
            page += 1

    def graphql(self, query: str, variables: Mapping[str, Json]) -> dict[str, Json]:
        """The data that a GraphQL query or mutation gives. Raises GraphQLError besides what `call` raises."""
        writes = query.lstrip().startswith("mutation")
        content = json.dumps({"query": query, "variables": dict(variables)}).encode()
        points = WRITE if writes else READ
        for _ in range(TRIES):
            reply = self._send("POST", self.address.graphql, {}, content, points=points, creates=writes, repeat=not writes)
            if not limited(reply):
                break
            left = self.rates.get("graphql")
            self._turns.close(Wait(left.reset_in + 1 if left else FIRST_WAIT, "the GraphQL points of this hour are used up"))
        if reply.status != 200 or not isinstance(reply.data, dict):
            raise refusal("POST", f"GraphQL of {self.address}", reply, token=self.token is not None)
        errors = reply.data.get("errors")
        if isinstance(errors, list) and errors:
            found = [each for each in errors if isinstance(each, dict)]
            said = "; ".join(str(each.get("message", "")) for each in found)[:500]
            types = tuple(str(each.get("type", "")) for each in found)
            raise GraphQLError(f"GitHub refused a change of {self.address}: {said}.", types)
        data = reply.data.get("data")
        return data if isinstance(data, dict) else {}

    def upload(self, upload_url: str, name: str, file: BinaryIO, size: int, *, sink: Callable[[], Sink]) -> Reply:
        """Upload an asset of `size` bytes ("Upload a release asset"). Each try gives every piece to a `sink` of its own.

        Raises what `call` raises; UncertainError also where GitHub answered 5xx: an empty asset may be left.
        """
        url = upload_url.partition("{")[0]
        if not self.address.may_upload_to(url):
            raise StorageError(
                f"{self.address.host} wants uploads to be sent to {urlsplit(url).netloc!r}, which is not its own host.",
                "The token is not sent there. Is the address of the repository right?",
            )
        headers = {"content-type": "application/octet-stream", "content-length": str(size)}

        def pieces() -> Iterator[bytes]:
            sent = sink()
            file.seek(0)  # each try begins at the beginning
            while chunk := file.read(CHUNK):
                yield chunk
                sent(chunk)

        reply = self._send("POST", f"{url}?name={quote(name, safe='')}", headers, pieces, points=WRITE, creates=True)
        if reply.status != 201:
            raise refusal("POST", f"the upload of {name} to {self.address}", reply, token=self.token is not None)
        return reply

    @contextmanager
    def asset(self, asset_id: int, *, slug: str | None = None) -> Iterator[str | Download]:
        """Where the bytes of an asset are: an address that is valid for minutes and needs no token, or the bytes themselves."""
        path = f"/repos/{slug}" if slug else "{repo}"
        path += f"/releases/assets/{asset_id}"
        for _ in range(_HOPS):
            url = self.address.api + self._path(path)
            headers = {"accept": "application/octet-stream", **_AS_IT_IS}
            with self._open("GET", url, headers, None, READ, creates=False, repeat=True) as answer:
                if answer.status_code == 200:
                    yield _download(answer)
                    return
                location = answer.headers.get("location", "")
                if answer.status_code in {302, 307} and not _MOVED.search(urlsplit(location).path):
                    yield location
                    return
                reply = _reply(answer)
            if reply.status not in {301, 302, 307, 308}:
                break
            path = self._moved(path, location)
        raise refusal("GET", f"asset {asset_id} of {slug or self.address}", reply, token=self.token is not None)

    @contextmanager
    def open(self, signed: str) -> Iterator[Download]:
        """Fetch a signed address. No token goes there. Raises StorageError."""
        for _ in range(_HOPS):
            if not signed.startswith(f"{self.address.scheme}://"):
                raise StorageError("GitHub's storage gave an address that is not https.", "Try again later.")
            try:
                with self._client.stream("GET", signed, headers={**_agent(), **_AS_IT_IS}) as answer:
                    if answer.status_code == 200:
                        yield _download(answer)
                        return
                    if not answer.is_redirect:
                        raise StorageError(f"GitHub's storage answered {answer.status_code}.", "Try again later.")
                    signed = str(answer.next_request.url if answer.next_request else "")
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise StorageError(f"GitHub's storage failed: {type(error).__name__}.", "Try again later.") from None
        raise StorageError("GitHub's storage redirects without an end.", "Try again later.")

    def _path(self, path: str) -> str:
        return path.replace("{repo}", f"/repos/{self.address.slug}", 1)

    def _moved(self, path: str, location: str) -> str:
        """Learn the repository's new name from a redirect on the API's own host; the path to ask for now."""
        api = urlsplit(self.address.api)
        target = urlsplit(location)
        if (target.scheme, target.netloc) not in {(api.scheme, api.netloc), ("", "")}:
            raise StorageError(
                f"{self.address.host} redirects to another host, where the token is not sent.", "Try again later."
            )
        found = _MOVED.search(target.path)
        if found is None or not path.startswith("{repo}"):
            return target.path.removeprefix(api.path) + (f"?{target.query}" if target.query else "")
        reply = self._send("GET", self.address.api + found[0], {}, None, points=READ)
        name = reply.data.get("full_name") if isinstance(reply.data, dict) else None
        if not isinstance(name, str):
            raise refusal("GET", f"the new name of {self.address}", reply, token=self.token is not None)
        with self._lock:
            old, self.address = self.address, self.address.moved(name)
        if old != self.address:
            self._warn(f"{old} is called {self.address} now: change the address where you configured it.")
        return path

    def _send(
        self,
        method: str,
        url: str,
        headers: Headers,
        content: bytes | Callable[[], Iterator[bytes]] | None,
        *,
        points: int,
        creates: bool = False,
        repeat: bool | None = None,
    ) -> Reply:
        creating = creates or (method == "POST" and not url.endswith("/graphql"))
        again = method not in {"POST", "PATCH"} if repeat is None else repeat
        for tries in range(TRIES):
            try:
                with self._open(method, url, headers, content, points, creates=creating, repeat=again) as answer:
                    return _reply(answer)
            except _BrokenOffError as error:
                if not again:
                    raise UncertainError(error.message, error.hint) from None
                if tries + 1 == TRIES:
                    raise
        raise AssertionError("unreachable")

    @contextmanager
    def _open(
        self,
        method: str,
        url: str,
        extra: Headers,
        content: bytes | Callable[[], Iterator[bytes]] | None,
        points: int,
        *,
        creates: bool,
        repeat: bool,
    ) -> Iterator[httpx.Response]:
        """Send a request until it is answered by something else than a limit or a passing failure; the answer, not yet read."""
        waits = fails = 0
        while True:
            self._turns.take(points, creates=creates)
            answer = self._try(method, url, extra, content, repeat=repeat, last=fails + 1 >= TRIES)
            if answer is None or (answer.status_code >= 500 and repeat and fails + 1 < TRIES):
                if answer is not None:
                    answer.close()
                fails += 1
                self._turns.waiting.sleep(0.25 * 2**fails)
                continue
            try:
                headers = dict(answer.headers)
                self._turns.learn(headers)
                said = _reply(answer).message if answer.status_code in {403, 429} else ""
                wait = wait_after(answer.status_code, headers, said, tries=waits, now=time.time())
                if wait is None:
                    if answer.status_code >= 500 and not repeat:
                        raise UncertainError(
                            f"GitHub answered {answer.status_code} to a change of {self.address}.", "Try again."
                        )
                    yield answer
                    return
            finally:
                answer.close()
            waits += 1
            self._turns.close(wait)

    def _try(
        self,
        method: str,
        url: str,
        headers: Headers,
        content: bytes | Callable[[], Iterator[bytes]] | None,
        *,
        repeat: bool,
        last: bool,
    ) -> httpx.Response | None:
        """One try; None if it failed in a way that allows another."""
        sent = {**_agent(), **headers}
        if self.token is not None:
            sent["authorization"] = f"Bearer {self.token.reveal()}"
        body = content() if callable(content) else content
        with self._lock:
            self.calls += 1
        try:
            return self._client.send(self._client.build_request(method, url, headers=sent, content=body), stream=True)
        except httpx.LocalProtocolError:
            raise StorageError("A file changed while it was sent.", "Run the same command again.") from None
        except httpx.HTTPError as error:
            if not last and (repeat or isinstance(error, _NEVER_SENT)):
                return None
            why = f"{urlsplit(url).netloc} does not answer ({type(error).__name__})"
            if repeat or isinstance(error, _NEVER_SENT):
                raise StorageError(f"{why}.", "Is the network there? Is GitHub up?") from None
            raise UncertainError(f"{why} to a change of {self.address}.", "Run the same command again.") from None


def _agent() -> Headers:
    return {"user-agent": f"wharf/{__version__}"}


def _reply(answer: httpx.Response) -> Reply:
    """An answer as a whole, read once and within bounds. Raises StorageError for a body that is too large or breaks off."""
    if "wharf" not in answer.extensions:
        body = bytearray()
        try:
            for chunk in answer.iter_bytes(CHUNK):
                body += chunk
                if len(body) > MAX_BODY:
                    raise StorageError(f"GitHub's answer is larger than {MAX_BODY >> 20} MiB.", "It is not read any further.")
        except httpx.HTTPError as error:
            raise _BrokenOffError(
                f"GitHub's answer broke off ({type(error).__name__}).", "Run the same command again."
            ) from None
        headers = {key.lower(): value for key, value in answer.headers.items()}
        answer.extensions["wharf"] = Reply(status=answer.status_code, headers=headers, data=body_json(headers, bytes(body)))
    reply: Reply = answer.extensions["wharf"]
    return reply


def _download(answer: httpx.Response) -> Download:
    def chunks() -> Iterator[bytes]:
        try:
            yield from answer.iter_raw(CHUNK)
        except httpx.HTTPError as error:
            raise StorageError(f"A download broke off ({type(error).__name__}).", "Try again.") from None

    length = answer.headers.get("content-length", "")
    return Download(int(length) if length.isdecimal() else None, chunks())
