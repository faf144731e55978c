"""Who may read beside a command: whoever has the password that was made for it. Nobody uploads.

The first answer waits until GitHub was asked for the index, and no longer than people like to wait for a command.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import TYPE_CHECKING, Final, Protocol

from wharf.errors import NotAllowedError
from wharf.server.access.access_protocol import ASK, Access, Uploader, refuse_cross_site
from wharf.server.http.answer import Answer, text
from wharf.server.http.error_answers import failure
from wharf.server.http.request_headers import secrets_of
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.repository.tokens import Token
    from wharf.secret import Secret

PATIENCE: Final = 2.0
"""Seconds from the server's beginning for which the first answer waits for GitHub."""

_KEPT = 64  # headers with the right password: every tool has its own user name
_CHALLENGE = (("www-authenticate", 'Basic realm="wharf", charset="UTF-8"'),)
_NO_PASSWORD = text(
    401,
    "This index is here for one command of `wharf run`, which finds the password in its environment (UV_INDEX_WHARF_PASSWORD).",
    _CHALLENGE,
)
_NO_UPLOAD = failure(NotAllowedError("`wharf run` takes no uploads.", "`wharf publish FILES` publishes."))


class ServedIndex(Protocol):
    """What is known of the index that is served beside the command."""

    @property
    def asked(self) -> asyncio.Event:
        """Set once GitHub was asked."""
        ...

    @property
    def problem(self) -> str | None:
        """Why it may not be the newest."""
        ...

    @property
    def blind(self) -> bool:
        """Whether no commit was ever seen."""
        ...


class RunPasswordAccess(Access):
    """`warn` is told, once, if an index is shown that may not be the newest."""

    def __init__(
        self,
        password: Secret,
        index: ServedIndex,
        warn: Callable[[str], None],
        *,
        clock: Callable[[], float] = elapsed,
    ) -> None:
        self.problem: str | None = None
        self._password = password
        self._index = index
        self._warn = warn
        self._clock = clock
        self._until = clock() + PATIENCE
        self._waits = True
        self._known: set[bytes] = set()

    def refresh(self) -> None:
        """The password is the same to the end."""

    def refuse_reading(self, host: bytes, authorization: bytes | None, index: str) -> Answer | None:
        """None with the password; before the first answer ASK."""
        del index  # the password is for all that the run shows
        del host  # a web page that points its own name here does not have the password
        if not self._lets_in(authorization):
            return _NO_PASSWORD
        return ASK if self._waits else None

    async def ask(self, authorization: bytes | None, index: str) -> Answer | None:
        """None with the password, once GitHub was asked, or its time is over."""
        del index
        if not self._lets_in(authorization):
            return _NO_PASSWORD
        if self._waits:
            left = max(0.0, self._until - self._clock())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._index.asked.wait(), left)
            self._tell()
        return None

    async def uploader(
        self, authorization: bytes | None, *, index: str, host: bytes, origin: bytes | None, fetch_site: bytes | None
    ) -> Uploader | Answer:
        """Nobody."""
        del index
        if not self._lets_in(authorization):
            return _NO_PASSWORD
        return refuse_cross_site(host, origin, fetch_site) or _NO_UPLOAD

    def own_token(self, authorization: bytes | None) -> Token | Answer:
        """There are no tokens of wharf here."""
        return _NO_UPLOAD if self._lets_in(authorization) else _NO_PASSWORD

    def name_of(self, authorization: bytes) -> str | None:
        """The password has no name."""
        del authorization
        return None

    def _tell(self) -> None:
        """The wait is over, for all who waited."""
        if not self._waits:
            return
        self._waits = False
        problem = self._index.problem
        if not self._index.asked.is_set():
            problem = f"GitHub did not say within {PATIENCE:g} seconds what is new."
        if problem is not None:
            shown = (
                "The server shows nothing before it has seen an index."
                if self._index.blind
                else "This is the index as it was fetched last."
            )
            self._warn(f"{problem} {shown}")

    def _lets_in(self, authorization: bytes | None) -> bool:
        if authorization is None:
            return False
        key = hashlib.sha256(authorization).digest()
        if key in self._known:
            return True
        right = any(each == self._password for each in secrets_of(authorization))  # in a time that tells nothing
        if right and len(self._known) < _KEPT:
            self._known.add(key)
        return right
