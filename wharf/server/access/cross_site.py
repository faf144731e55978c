"""Uploads that a web page of another site started are refused: the browser may have the person's password for this server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.errors import NotAllowedError
from wharf.server.http.error_answers import failure

if TYPE_CHECKING:
    from wharf.server.http.answer import Answer

_FOREIGN = failure(NotAllowedError("An upload that a web page of another site started is refused."))


def refuse_cross_site(host: bytes, origin: bytes | None, fetch_site: bytes | None) -> Answer | None:
    """The refusal of an upload that a web page of another site started."""
    return _FOREIGN if fetch_site == b"cross-site" or (origin is not None and not _same_site(origin, host)) else None


def _same_site(origin: bytes, host: bytes) -> bool:
    """Whether an Origin names the host that was asked. `null` is nobody's."""
    _, _, site = origin.decode("latin-1").partition("://")
    return bool(site) and site.lower() == host.decode("latin-1").lower()
