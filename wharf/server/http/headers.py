"""The headers of a request by name. Several lines of a header that is a list are one list (RFC 9110, section 5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

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
