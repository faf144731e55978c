"""How a client gets a file that lies at GitHub: sent there, or through the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wharf.server.files.download_cache import Growing, Through
    from wharf.server.files.signed_links import Linked, Links
    from wharf.server.http.answer import Answer, FileAnswer


class Fetching:
    """`links` is None where every file goes through the server."""

    def __init__(self, links: Links | None, through: Through) -> None:
        self._links = links
        self._through = through

    def ready(self, linked: Linked) -> Answer | None:
        """The redirect, if there is one that still holds."""
        return None if self._links is None else self._links.ready(linked)

    async def fetch(self, linked: Linked, *, head: bool) -> Answer | FileAnswer | Growing:
        """A redirect; or the bytes, where redirects are not wanted, or GitHub gave the bytes instead of an address."""
        if self._links is not None:
            redirect = await self._links.make(linked)
            if redirect is not None:
                return redirect
        if head:
            return linked.file.head
        return await self._through.open(linked)
