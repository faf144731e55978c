"""What is read of the head of a request: its headers by name, its host, its token, and an offer of another protocol.

Several lines of a header that is a list are one list (RFC 9110, section 5.3). A request names one host, or it is refused
(RFC 9112, section 3.2). The token comes as Basic or Bearer (RFC 7617, RFC 6750). An offer of another protocol (h2c, as the
clients of Java make it, or websocket) is read as if it was not made.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, Final

from wharf.secret import Secret
from wharf.server.http.answer import text
from wharf.server.http.status_reason import send_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import Receive, Scope, Send

_LISTS = frozenset({b"accept", b"accept-encoding", b"if-match", b"if-none-match"})


def by_name(lines: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers that came, whose names are in lower case. Of one that is no list the last line counts."""
    headers = dict(lines)
    return headers if len(headers) == len(lines) else _joined(lines)


def _joined(lines: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    headers: dict[bytes, list[bytes]] = {}
    for name, value in lines:
        if name in _LISTS:
            headers.setdefault(name, []).append(value)
        else:
            headers[name] = [value]
    return {name: b", ".join(values) for name, values in headers.items()}


_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::\d*)?")

_KEPT = 1024

SHORTEST_TOKEN: Final = 20
"""Characters of a token, of wharf or of GitHub: what is shorter is a user name."""

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


def secrets_of(authorization: bytes) -> list[Secret]:
    """What may be the token: a bearer token; the password or, as some clients do it, the user name of Basic (RFC 7617)."""
    sent = _sent(authorization) or ("", "")
    return [Secret(token) for each in reversed(sent) if (token := each.strip())]  # a token that was pasted has a line's end


def is_without_token(authorization: bytes) -> bool:
    """Whether a login has nothing in the token's place, as where a variable is not set. A long user name may be a token."""
    user, token = _sent(authorization) or ("", "-")
    return not token.strip() and len(user) < SHORTEST_TOKEN


def _sent(authorization: bytes) -> tuple[str, str] | None:
    """The user name, empty for a bearer token, and what is sent as the token. None: it is neither Basic nor Bearer."""
    scheme, _, value = authorization.partition(b" ")
    value = value.strip()
    if scheme.lower() == b"bearer":
        return "", value.decode("latin-1")
    if scheme.lower() != b"basic":
        return None
    try:
        user, _, password = base64.b64decode(value, validate=True).decode("utf-8", "replace").partition(":")
    except binascii.Error:
        return None
    return user, password


_LASTING = frozenset({b"close", b"keep-alive"})

_UPGRADING = frozenset({b"upgrade", b"http2-settings", b"connection"})


def head_without_offer(method: bytes, target: bytes, version: str, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The head of the same request without the offer, from its line to the empty line (RFC 9110, section 7.8).

    Header names are in lower case. What Connection says of the connection's end stays.
    """
    kept = [(name, value) for name, value in headers if name not in _UPGRADING]
    wishes = b",".join(value for name, value in headers if name == b"connection").lower()
    kept += [(b"connection", wish) for wish in map(bytes.strip, wishes.split(b",")) if wish in _LASTING]
    head = [method, b" ", target, b" HTTP/%s\r\n" % version.encode()]
    for name, value in kept:
        head += [name, b": ", value, b"\r\n"]
    return b"".join([*head, b"\r\n"])
