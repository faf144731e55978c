"""Requests that offer another protocol (h2c, as Java's clients do, or websocket): they are read as if they did not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

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
