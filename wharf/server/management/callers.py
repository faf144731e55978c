"""Who asks, and whether that may be. It is looked at for each request, and before anything else of it is read."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wharf.errors import NotAllowedError
from wharf.server.access.access_protocol import ASK, Uploader, refuse_cross_site
from wharf.server.http.answer import Answer
from wharf.server.http.error_answers import failure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wharf.repository.tokens import Token
    from wharf.server.access.access_protocol import Access
    from wharf.server.answer_cache import AnswerCache

_OF_INDEX = re.compile(r"/-/api/v1/indexes/([^/]+)(?:/.*)?", re.DOTALL)
_OF_TOKENS = re.compile(r"/-/api/v1/tokens(?:/.*)?", re.DOTALL)
_OF_ALL = "/-/api/v1/indexes"
_MAKES = re.compile(rb"(`wharf token create NAME)(?: --scope (?:read|publish))?(?= --(?!scope)|`)")


@dataclass(frozen=True, slots=True)
class Asking:
    """What is said of whoever asks: the headers of a request that matter for rights, and whether it wants to write."""

    host: bytes
    authorization: bytes | None
    origin: bytes | None
    fetch_site: bytes | None
    writes: bool


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever may do what the path of a request says.

    `uploader` is who writes, `token` who asks about tokens, `indexes` those that may be read where the path names none.
    """

    asking: Asking
    uploader: Uploader | None = None
    token: Token | None = None
    indexes: tuple[str, ...] = ()


class Callers:
    """Those of one server; `index` is the one at its root."""

    def __init__(self, access: Access, cache: AnswerCache, index: str) -> None:
        self._access = access
        self._cache = cache
        self._index = index

    async def enter(self, path: str, asking: Asking) -> Caller | Answer:
        """Whoever asks, or the answer that says why not. Raises WharfError. What is not about an index is for everybody."""
        if asking.writes:
            foreign = refuse_cross_site(asking.host, asking.origin, asking.fetch_site)
            if foreign is not None:
                return foreign
        of_index = _OF_INDEX.fullmatch(path)
        if of_index is not None:
            index = of_index[1]
            return await self._writer(index, asking) if asking.writes else await self._reader(index, asking)
        if path == _OF_ALL:
            return await self._reader_of_all(asking)
        if _OF_TOKENS.fullmatch(path):
            return self._owner(asking)
        return Caller(asking)

    async def refusal(self, asking: Asking, index: str) -> Answer | None:
        """None if an index may be read, else the answer that says why not."""
        refused = self._access.refuse_reading(asking.host, asking.authorization, index)
        return await self._access.ask(asking.authorization, index) if refused is ASK else refused

    async def readable(self, asking: Asking, indexes: Iterable[str]) -> tuple[str, ...]:
        """Those of the indexes that may be read."""
        return tuple([each for each in indexes if await self.refusal(asking, each) is None])

    async def _reader(self, index: str, asking: Asking) -> Caller | Answer:
        return await self.refusal(asking, index) or Caller(asking)

    async def _reader_of_all(self, asking: Asking) -> Caller | Answer:
        there = sorted({*self._cache.sources, *self._cache.blind})
        found = await self.readable(asking, there)
        return Caller(asking, indexes=found) if found else await self._reader(self._index, asking)

    async def _writer(self, index: str, asking: Asking) -> Caller | Answer:
        """Whoever may do more than upload. A refusal names at once what makes a token for that."""
        found = await self._access.uploader(
            asking.authorization, index=index, host=asking.host, origin=asking.origin, fetch_site=asking.fetch_site
        )
        if isinstance(found, Answer):
            return _for_managing(found)
        return Caller(asking, uploader=found) if found.may_manage else _may_not_manage(f" --index {shlex.quote(index)}")

    def _owner(self, asking: Asking) -> Caller | Answer:
        token = self._access.own_token(asking.authorization)
        if isinstance(token, Answer):
            return _for_managing(token) if asking.writes else token
        if asking.writes and token.scope != "manage":
            return _may_not_manage("")
        return Caller(asking, token=token)


def _for_managing(refused: Answer) -> Answer:
    """A refusal by an access, which knows of readers and uploaders: a token that it says how to make would be refused, too."""
    return replace(refused, body=_MAKES.sub(rb"\1 --scope manage", refused.body))


def _may_not_manage(limit: str) -> Answer:
    hint = f"`wharf token create NAME --scope manage{limit}` makes one that may."
    return failure(NotAllowedError("This token may not do more than read and upload.", hint))
