"""Access while the repository is public on GitHub, and from when it is not any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.server.access.access_protocol import Access, Uploader

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.repository.tokens import Token
    from wharf.server.http.answer import Answer


class PublicRepositoryAccess(Access):
    """Reading is open while everybody may read the repository on GitHub, and is for its members from when that ends.

    Nobody chose `public` here: it followed from what the repository was when the server began.
    """

    def __init__(self, opened: Access, members: Access, *, public: Callable[[], bool]) -> None:
        self._opened = opened
        self._members = members
        self._public = public

    @property
    def problem(self) -> str | None:  # type: ignore[override]
        """As of the rules that uploads go by."""
        return self._opened.problem

    def refresh(self) -> None:
        """Obey the rules as they are now."""
        self._opened.refresh()

    def refuse_reading(self, host: bytes, authorization: bytes | None, index: str) -> Answer | None:
        """None if the client may read, else the answer that says why not; or ASK."""
        return (self._opened if self._public() else self._members).refuse_reading(host, authorization, index)

    async def ask(self, authorization: bytes | None, index: str) -> Answer | None:
        """None if the client may read, else the answer that says why not."""
        return await self._members.ask(authorization, index)

    async def uploader(
        self, authorization: bytes | None, *, index: str, host: bytes, origin: bytes | None, fetch_site: bytes | None
    ) -> Uploader | Answer:
        """By wharf's own tokens, as it began."""
        return await self._opened.uploader(authorization, index=index, host=host, origin=origin, fetch_site=fetch_site)

    def own_token(self, authorization: bytes | None) -> Token | Answer:
        """As of the rules that uploads go by."""
        return self._opened.own_token(authorization)

    def name_of(self, authorization: bytes) -> str | None:
        """As of the rules that know the token."""
        return self._opened.name_of(authorization) or self._members.name_of(authorization)
