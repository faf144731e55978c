"""What every access answers: who may read, and who may upload. Nobody uploads by a web page of another site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from wharf.errors import NotAllowedError
from wharf.server.http.answer import Answer, text
from wharf.server.http.error_answers import failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.repository.tokens import Token
    from wharf.secret import Secret

ASK = text(401, "The client's token is still to be asked about.")
"""In the place of an answer: whether the client may read is known only after `ask`."""


@dataclass(frozen=True, slots=True)
class Uploader:
    """Who uploads, and the GitHub token that does it (None: the server's own, or there is no GitHub).

    `projects` are globs of the names that may be written; None is no limit. `may_manage`: it may do more than upload:
    yank, remove, promote and the like. Of a GitHub token only GitHub says that, when a call needs it.
    `is_good` tells whether a wharf token has not ended meanwhile; any thread may ask.
    """

    name: str
    token: Secret | None = None
    projects: tuple[str, ...] | None = None
    may_manage: bool = False
    is_good: Callable[[], bool] | None = None


class Access(Protocol):
    """The rules of one server. `problem` says why nobody is let in, where that is not meant."""

    problem: str | None

    def refresh(self) -> None:
        """Obey the rules as they are now."""
        ...

    def refuse_reading(self, host: bytes, authorization: bytes | None, index: str) -> Answer | None:
        """None if the client may read what the addresses of `index` show, else the answer that says why not; or ASK.

        Who may not read one index, and may another, gets 403: after a 404 uv continues with the next index.
        """
        ...

    async def ask(self, authorization: bytes | None, index: str) -> Answer | None:
        """As `refuse_reading`, after whoever knows was asked."""
        ...

    async def uploader(
        self, authorization: bytes | None, *, index: str, host: bytes, origin: bytes | None, fetch_site: bytes | None
    ) -> Uploader | Answer:
        """Who uploads to `index`, or the answer that says why not."""
        ...

    def wrote(self, authorization: bytes | None, seconds: float) -> None:
        """An upload of that client landed, which began so many seconds ago: the client may read and write."""
        return

    def own_token(self, authorization: bytes | None) -> Token | Answer:
        """The token of wharf that a client sends, or the answer that says why there is none."""
        ...

    def name_of(self, authorization: bytes) -> str | None:
        """What a client's token is called, for the operator's eyes; None if it is not known."""
        ...


_FOREIGN = failure(NotAllowedError("A request that a web page of another site started is refused."))


def refuse_cross_site(host: bytes, origin: bytes | None, fetch_site: bytes | None) -> Answer | None:
    """The refusal of a request that a web page of another site started."""
    return _FOREIGN if fetch_site == b"cross-site" or (origin is not None and not _same_site(origin, host)) else None


def _same_site(origin: bytes, host: bytes) -> bool:
    """Whether an Origin names the host that was asked. `null` is nobody's."""
    _, _, site = origin.decode("latin-1").partition("://")
    return bool(site) and site.lower() == host.decode("latin-1").lower()
