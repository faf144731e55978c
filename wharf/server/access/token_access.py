"""Who may read and who may upload, by wharf's own tokens, each of them for all indexes or for some.

Reading is open, or needs a token; uploading always needs one. Open reading answers only to names that are known to be this
server's, so that no web page can reach it through a name that it points here (DNS rebinding).
"""

from __future__ import annotations

import hashlib
import logging
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wharf.errors import NotAllowedError, StorageError
from wharf.github.account import KINDS
from wharf.repository.token_usage import TokenUsage
from wharf.server.access.access_protocol import Access, Uploader, refuse_cross_site
from wharf.server.access.token_days import TokenDays
from wharf.server.http.answer import Answer, text
from wharf.server.http.error_answers import failure
from wharf.server.http.request_headers import is_without_token, secrets_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wharf.repository.tokens import Token, Tokens

log = logging.getLogger("wharf")

LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_KEPT = 4096  # credentials remembered, by digest
_CHALLENGE = (("www-authenticate", 'Basic realm="wharf", charset="UTF-8"'),)
_NO_TOKEN = text(401, "This server needs a token. `wharf token create NAME` makes one. Send it as the password.", _CHALLENGE)
_EMPTY = text(
    401,
    "The password is empty, and the token belongs there: perhaps a variable or a secret is not set. `wharf token create NAME` "
    "makes a token.",
    _CHALLENGE,
)
_BAD_TOKEN = text(
    401,
    "The server does not know this token, or it has expired or was revoked. `wharf token create NAME` makes another one.",
    _CHALLENGE,
)
_OF_GITHUB = text(
    401, "This is a GitHub token, but this server takes wharf tokens. `wharf token create NAME` makes one.", _CHALLENGE
)
_NO_LIST = text(503, "The list of tokens cannot be read just now. The server's log says why.", (("retry-after", "5"),))
_MISDIRECTED = text(421, "This server does not answer to that name. `wharf serve --allowed-host NAME` adds it.")


class TokenAccess(Access):
    """Reading is open, or for wharf's own tokens; uploading is for such as may publish.

    - A token that is for some indexes gets 403 at the addresses of the others: not 404, after which uv asks the next index,
      and not 401, which would send people off for another token.
    - What a token may write does not limit what it reads.
    """

    def __init__(self, tokens: Tokens, *, open_reading: bool, hosts: Iterable[str]) -> None:
        self.open_reading = open_reading
        self.problem: str | None = None
        self._hosts = {_hostname(host.encode()) for host in (*LOCAL_HOSTS, *hosts)}
        self._hosts_seen: dict[bytes, bool] = {}
        self._tokens = tokens
        self._stamp: object = ()
        self._by_digest: dict[str, Token] = {}
        self._grants: dict[bytes, Token] = {}
        self._days = TokenDays(TokenUsage(tokens.path_of_usage))
        self.refresh()

    def refresh(self) -> None:
        """Obey the tokens as they are now, and do what is done once a day."""
        self._obey()
        self._days.look(self._by_digest)

    def _obey(self) -> None:
        """Obey the tokens as they are now. A file that cannot be read, or is gone, lets nobody in."""
        stamp = self._tokens.stamp()
        if stamp == self._stamp:
            return
        had_problem, self.problem = self.problem, None
        try:
            if stamp is None and self._stamp:  # `wharf token revoke` leaves a file: its folder was moved, or is not mounted
                raise StorageError(f"{self._tokens.path} is not there any more.")
            self._by_digest = {token.sha256: token for token in self._tokens.all()}
        except StorageError as error:
            log.error("No token is accepted: %s", error.message)  # noqa: TRY400 - the cause is in the message
            self._by_digest = {}
            self.problem = error.message
        if had_problem and not self.problem:
            log.warning("The list of tokens can be read again.")
        self._grants = {}
        self._stamp = stamp

    def refuse_reading(self, host: bytes, authorization: bytes | None, index: str) -> Answer | None:
        """None if the client may read, else the answer that says why not."""
        if self.open_reading:
            known = self._hosts_seen.get(host)
            if known is None:
                known = _hostname(host) in self._hosts
                if len(host) <= 255 and len(self._hosts_seen) < _KEPT:
                    self._hosts_seen[host] = known
            return None if known else _MISDIRECTED
        return self._refuse(authorization, index)

    async def ask(self, authorization: bytes | None, index: str) -> Answer | None:
        """What `refuse_reading` says at once; here nobody else has to be asked."""
        return self._refuse(authorization, index)

    async def uploader(
        self, authorization: bytes | None, *, index: str, host: bytes, origin: bytes | None, fetch_site: bytes | None
    ) -> Uploader | Answer:
        """By the token that allows the upload."""
        foreign = refuse_cross_site(host, origin, fetch_site)
        if foreign is not None:
            return foreign
        if authorization is None:
            return _NO_TOKEN
        token = self._token(authorization)
        if token is None:
            return self._bad(authorization)
        if not token.is_for(index):
            return _of_another_index(token, index)
        if token.scope == "read":
            return _read_only(token, index)
        may_manage = token.scope == "manage"
        return Uploader(token.name, projects=token.projects, may_manage=may_manage, is_good=_Life(self, token.sha256))

    def is_good(self, sha256: str) -> bool:
        """Whether a token is there and has not ended, by its digest. For any thread. Raises StorageError."""
        stamp, known = self._stamp, self._by_digest  # in this order: the stamp is the younger one
        if self._tokens.stamp() != stamp:
            known = {token.sha256: token for token in self._tokens.all()}
        token = known.get(sha256)
        return token is not None and token.valid(datetime.now(UTC))

    def own_token(self, authorization: bytes | None) -> Token | Answer:
        """The token, if it is known and good."""
        return _NO_TOKEN if authorization is None else self._token(authorization) or self._bad(authorization)

    def name_of(self, authorization: bytes) -> str | None:
        """The token's name."""
        token = self._token(authorization)
        return None if token is None else token.name

    def _refuse(self, authorization: bytes | None, index: str) -> Answer | None:
        if authorization is None:
            return _NO_TOKEN
        token = self._token(authorization)
        if token is None:
            return self._bad(authorization)
        return None if token.is_for(index) else _of_another_index(token, index)

    def _bad(self, authorization: bytes) -> Answer:
        """The refusal of a token that is not known. A GitHub token, or an empty password, gets other words."""
        if any(each.reveal().startswith(tuple(KINDS)) for each in secrets_of(authorization)):
            return _OF_GITHUB
        if is_without_token(authorization):
            return _EMPTY
        return _NO_LIST if self.problem else _BAD_TOKEN  # 401 would send people off for another token

    def _token(self, authorization: bytes) -> Token | None:
        key = hashlib.sha256(authorization).digest()
        self._obey()  # a token that was made or revoked a moment ago is that at once: this costs one system call
        token = self._grants.get(key)
        if token is None:
            found = (self._by_digest.get(secret.sha256()) for secret in secrets_of(authorization))
            token = next((each for each in found if each), None)
            if token is not None:
                if len(self._grants) >= _KEPT:
                    self._grants.clear()
                self._grants[key] = token
        if token is None or not token.valid(datetime.now(UTC)):
            return None
        self._days.used.add(token.sha256)
        return token


@dataclass(frozen=True, slots=True)
class _Life:
    """Whether one token is still good. That of the same token is equal, so that its uploads go together."""

    access: TokenAccess
    sha256: str

    def __call__(self) -> bool:
        return self.access.is_good(self.sha256)


def _of_another_index(token: Token, index: str) -> Answer:
    own = ", ".join(token.indexes or ())
    limits = "".join(f" --project {shlex.quote(each)}" for each in token.projects or ())
    scope = "" if token.scope == "publish" else f" --scope {token.scope}"
    hint = f"`wharf token create NAME{scope} --index {shlex.quote(index)}{limits}` makes one that is."
    return failure(NotAllowedError(f"This token is for {own}, and not for the index {index!r}.", hint))


def _read_only(token: Token, index: str) -> Answer:
    limit = f" --index {shlex.quote(index)}" if token.indexes else ""
    hint = f"`wharf token create NAME --scope publish{limit}` makes one that may write."
    return failure(NotAllowedError("This token may only read.", hint))


def _hostname(host: bytes) -> str:
    """A Host header without its port, and without the dot of a name that is whole, in lower case."""
    name = host.decode("latin-1").lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0].removesuffix(".") if name.count(":") < 2 else f"[{name}]"
