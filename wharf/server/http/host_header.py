"""The host that a request is for (RFC 9112, section 3.2): a request names one, or it is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wharf.server.http.answer import text
from wharf.server.http.status_reason import send_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::\d*)?")
_KEPT = 1024
_good_hosts: set[bytes] = set()  # values of Host that are one: looked at once, however often they come


def is_host(value: bytes) -> bool:
    """Whether a value of Host is one host, with or without a port."""
    if value in _good_hosts:
        return True
    if not _HOST.fullmatch(value):
        return False
    if len(_good_hosts) < _KEPT and len(value) <= 255:
        _good_hosts.add(value)
    return True


def is_for_another(target: bytes, host: bytes) -> bool:
    """Whether the target is a whole address, as proxies get it, of another host than Host names."""
    _, whole, rest = target.partition(b"://")
    return bool(whole) and rest.partition(b"/")[0].lower() != host.lower()


def _refusing(message: str) -> Callable[..., Any]:
    refused = text(400, message, (("connection", "close"),))

    async def refuse(_scope: Scope, receive: Receive, send: Send) -> None:
        await send_answer(refused, receive, send)

    return refuse


refuse_no_host = _refusing("The request names no host, and HTTP/1.1 needs one.")
refuse_bad_host = _refusing("The request must name one host, as in its address.")
