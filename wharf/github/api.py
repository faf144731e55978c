"""The GitHub API, of one repository: REST, GraphQL, uploads and downloads.

What PyGithub has a name for is under `GitHub.rest`. This file has what all calls share, and what PyGithub cannot do: several
threads upload at once through one pool of connections, a redirect never carries the token to another host, bodies are bounded.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote

from wharf.errors import NotAllowedError, StorageError
from wharf.github import account, answer_address
from wharf.github.app_installation import InstallationTokens, requests_of
from wharf.github.app_jwt import App
from wharf.github.quota import READ, WRITE
from wharf.github.quota_by_token import Tallies, Tally
from wharf.github.quota_headers import graphql_wait
from wharf.github.quota_reservation import reserve
from wharf.github.renewing_token import FixedToken, RenewingToken
from wharf.github.replies import graphql_data, limited, refusal
from wharf.github.request_turns import Turns, Waiting
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from contextlib import AbstractContextManager
    from typing import Self

    from wharf.github.account import Account
    from wharf.github.quota_headers import Rate
    from wharf.github.quota_reservation import Reservation
    from wharf.github.renewing_token import TokenSource
    from wharf.github.replies import Reply
    from wharf.github.rest_calls import Rest
    from wharf.github.wire import Wire
    from wharf.model import Json
    from wharf.repository_address import Address
    from wharf.transport.http_client import Download, Transport

_TRIES = 4  # of a query that a limit refuses
_HOPS = 5  # redirects of the API
_JSON = {"content-type": "application/json"}
_REDIRECTS = frozenset({301, 302, 307, 308})


class GitHub:
    """One repository's API, with one token, the tokens of an app's installation, or none. Safe to use from several threads.

    - Each request takes its token from `source` when it is sent. `app` is what GitHub says of an app's installation.
    - The token goes to the API's host and to the host for uploads. It follows no redirect to another host.
    - `address` follows the repository to a new name, and the person is warned once.
    """

    def __init__(
        self,
        address: Address,
        token: Secret | App | TokenSource | None,
        *,
        waiting: Waiting | None = None,
        warn: Callable[[str], None] = lambda _text: None,
        connections: Transport | None = None,
        tallies: Tallies | None = None,
    ) -> None:
        self.address = address
        self._warn = warn
        self._given = connections
        self._made: Wire | None = None
        self._tallies = tallies or Tallies()
        # What is counted against an app's installation, whichever of its tokens is sent, is kept with this client.
        tally = self._tallies.of(token) if token is None or isinstance(token, Secret) else Tally()
        self._turns = Turns(waiting or Waiting(), tally)
        self._lock = threading.Lock()
        self._account: Account | None = None
        self._unasked = token is not None  # whose token it is
        self.app: InstallationTokens | None = None
        self.source = self._source_of(token)

    def _source_of(self, token: Secret | App | TokenSource | None) -> TokenSource | None:
        if isinstance(token, Secret):
            return FixedToken.checked(token)
        if not isinstance(token, App):
            return token
        ask = requests_of(token, lambda: self.address, lambda: self._line[0], self._turns)
        self.app = InstallationTokens(token, lambda: self.address, ask, self._warn)
        clock = self._turns.waiting.clock
        return RenewingToken(self.app.issue, pause=self._turns.pause, clock=clock, warn=self._warn)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, also those of what `with_token` gave."""
        if self._made is not None:
            self._made.connections.close()

    @property
    def token(self) -> Secret | None:
        """The token for what is done now; None without one. Of an app it is asked for, which raises what that raises."""
        source = self.source
        return None if source is None else source.token()

    @property
    def _line(self) -> tuple[Wire, TokenSource | None]:
        """The connections with a token's limits, and the source of that very token, whichever `use` brings meanwhile."""
        with self._lock:
            if self._made is None:
                from wharf.github.wire import Wire

                self._made = Wire(self._turns, self._given)
            return self._made, self.source

    @property
    def calls(self) -> int:
        """How many requests were sent."""
        return 0 if self._made is None else self._made.calls

    @property
    def rates(self) -> Mapping[str, Rate]:
        """The primary limits as last told, by resource."""
        return self._turns.rates

    def now(self) -> datetime:
        """The time at GitHub, by its last answer."""
        return datetime.fromtimestamp(time.time() + (self._turns.skew or 0.0), UTC)

    @property
    def is_dated(self) -> bool:
        """Whether an answer told the time at GitHub."""
        return self._turns.skew is not None

    def interrupted(self) -> AbstractContextManager[None]:
        """While it lasts, nobody waits for GitHub's limits: who does gets a StorageError."""
        return self._turns.interrupted()

    def with_token(self, token: Secret | None) -> GitHub:
        """The same repository and connections, with another token and its own limits, as they are remembered."""
        kept, waiting = self._line[0].connections, self._turns.waiting
        found = GitHub(self.address, token, waiting=waiting, warn=self._warn, connections=kept, tallies=self._tallies)
        found._turns.skew = self._turns.skew
        return found

    def reserve(self, patience: float) -> Reservation:
        """Reserve room in the limits for a whole publish. Raises QuotaError if there is none within so many seconds."""
        return reserve(self._turns, patience)

    def use(self, token: Secret | None) -> None:
        """Send another token from now on, which has its own limits."""
        wire, before = self._line
        source = None if token is None else FixedToken(token)
        if source != before:
            with self._lock:
                self.source = source
                self._turns = self._turns.of_another(self._tallies.of(token))
                self._made = wire.with_turns(self._turns)
                self._account, self._unasked = None, token is not None

    def account(self) -> Account | None:
        """Whose token this is; None without one, or if GitHub does not tell. It is asked once, where no answer told it before.

        A name is not worth a failure: what GitHub does not tell here is warned of.
        """
        with self._lock:
            known, unasked = self._account, self._unasked
            self._unasked = False
        if known is not None or not unasked:
            return known
        try:
            self.know(self.graphql(account.QUERY, {}).get("viewer"))
        except (StorageError, NotAllowedError) as error:
            self._warn(f"The history will not name the token's account, which GitHub does not tell: {error.message}")
        return self._account

    def know(self, data: Json) -> None:
        """Take from an answer whose token this is: GitHub names in it who made what this token just made."""
        source = self.source  # an app's is not asked: a renewal that fails now must not hide what was just done
        app = isinstance(source, RenewingToken) or (source is not None and source.token().reveal().startswith("ghs_"))
        known = account.parse(data, app=app)
        if known is not None:
            self._account = known
            if not app:  # of an app GitHub counts each installation
                self._share_limits(known.login)

    def _share_limits(self, user: str) -> None:
        """GitHub counts what any of a user's tokens sends."""
        wire, source = self._line
        tally = None if source is None else self._tallies.belongs(source.token(), user)
        with self._lock:
            if tally is not None and tally is not self._turns.tally and source is self.source:
                self._turns = self._turns.of_another(tally)
                self._made = wire.with_turns(self._turns)

    @cached_property
    def rest(self) -> Rest:
        """The REST API by the names of its calls. PyGithub is imported at the first: it takes a quarter of a second."""
        from wharf.github.rest_calls import Rest

        return Rest(self)

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
        if etag and etag.isascii() and etag.isprintable():
            headers["if-none-match"] = etag
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers |= _JSON
        rest = path.replace("{repo}", "").split("?")[0]
        for _ in range(_HOPS):
            url = self.address.api + self._path(path)
            url += "?" + "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items()) if query else ""
            reply = self._send(method, url, headers, content, points=READ if method in {"GET", "HEAD"} else WRITE)
            if reply.status not in _REDIRECTS:
                break
            moved = self._moved(path, reply.headers.get("location", ""))
            path, query = moved, query if moved == path else None
        if reply.status < 300 or reply.status == 304 or reply.status in allow:
            return reply
        what = f"{method} {rest} of {self.address}" if rest else f"the repository {self.address}"
        raise refusal(method, what, reply, token=self.source is not None)

    def graphql(self, query: str, variables: Mapping[str, Json]) -> dict[str, Json]:
        """The data that a GraphQL query or mutation gives. Raises GraphQLError besides what `call` raises."""
        writes = query.lstrip().startswith("mutation")
        content, points = json.dumps({"query": query, "variables": dict(variables)}).encode(), WRITE if writes else READ
        for tries in range(_TRIES):
            reply = self._send("POST", self.address.graphql, _JSON, content, points=points, creates=writes, repeat=not writes)
            said = limited(reply)
            if not said or tries + 1 == _TRIES:
                break
            self._turns.close(graphql_wait(said, reply.headers, self.rates.get("graphql"), tries=tries, now=time.time()))
        if reply.status != 200 or not isinstance(reply.data, dict):
            raise refusal("POST", f"GraphQL of {self.address}", reply, token=self.source is not None)
        return graphql_data(reply.data, str(self.address))

    def upload(self, upload_url: str, name: str, file: BinaryIO, size: int) -> Reply:
        """Upload an asset of `size` bytes ("Upload a release asset"). Each try reads the file from its beginning.

        Raises what `call` raises; UncertainError also where GitHub answered 5xx: an empty asset may be left.
        """
        from wharf.github.wire import pieces

        url = f"{answer_address.for_upload(self.address, upload_url)}?name={quote(name, safe='')}"
        headers = {"content-type": "application/octet-stream", "content-length": str(size)}
        reply = self._send("POST", url, headers, partial(pieces, file, size), points=WRITE, creates=True)
        if reply.status != 201:
            raise refusal("POST", f"the upload of {name} to {self.address}", reply, token=self.source is not None)
        return reply

    @contextmanager
    def asset(self, asset_id: int, *, slug: str | None = None) -> Iterator[str | Download]:
        """Where the bytes of an asset are: an address that is valid for minutes and needs no token, or the bytes themselves."""
        from wharf.github import wire
        from wharf.transport import http_client

        path = (f"/repos/{slug}" if slug else "{repo}") + f"/releases/assets/{asset_id}"
        headers = {"accept": "application/octet-stream", **http_client.AS_IT_IS}
        for _ in range(_HOPS):
            url = self.address.api + self._path(path)
            line, source = self._line
            asked = wire.Outgoing(method="GET", url=url, tokens=source, headers=headers, points=READ, repeat=True)
            with line.open(asked) as answer:
                if answer.status == 200:
                    yield answer.download()
                    return
                location = answer.headers.get("location", "")
                if answer.status in {302, 307} and answer_address.by_number(location.partition("?")[0]) is None:
                    yield answer_address.signed(self.address, location)
                    return
                reply = wire.reply(answer)
            if reply.status not in _REDIRECTS:
                break
            path = self._moved(path, location)
        raise refusal("GET", f"asset {asset_id} of {slug or self.address}", reply, token=self.source is not None)

    def open(self, signed: str) -> AbstractContextManager[Download]:
        """Fetch a signed address. No token goes there. Raises StorageError."""
        return self._line[0].fetch(signed, self.address.scheme)

    def _path(self, path: str) -> str:
        answer_address.check_path(self.address, path)
        return path.replace("{repo}", f"/repos/{self.address.slug}", 1)

    def below(self, location: str) -> str:
        """The path below the API of an address that GitHub gave. Raises StorageError for an address elsewhere."""
        return answer_address.below_api(self.address, answer_address.on_api_host(self.address, location))

    def _moved(self, path: str, location: str) -> str:
        """Learn the repository's new name from a redirect on the API's own host; the path to ask for now."""
        target = answer_address.on_api_host(self.address, location, self.address.api + self._path(path))
        number = answer_address.by_number(target.path)
        if number is None or not path.startswith("{repo}"):
            return answer_address.below_api(self.address, target)
        reply = self._send("GET", self.address.api + number, {}, None, points=READ)
        name = reply.data.get("full_name") if isinstance(reply.data, dict) else None
        if not isinstance(name, str):
            raise refusal("GET", f"the new name of {self.address}", reply, token=self.source is not None)
        with self._lock:
            old, self.address = self.address, self.address.moved(name)
        if old != self.address:
            self._warn(f"{old} is called {self.address} now: change the address where you configured it.")
        return path

    def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | Callable[[], Iterator[bytes]] | None,
        *,
        points: int,
        creates: bool | None = None,
        repeat: bool | None = None,
    ) -> Reply:
        from wharf.github.wire import Outgoing

        wire, source = self._line
        asked = Outgoing(
            method=method,
            url=url,
            tokens=source,
            headers=headers,
            content=content,
            points=points,
            creates=method in {"POST", "PATCH", "PUT"} if creates is None else creates,
            repeat=method not in {"POST", "PATCH"} if repeat is None else repeat,
        )
        return wire.send(asked)
