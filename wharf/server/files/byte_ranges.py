"""Which parts of a file a client asks for (RFC 9110, section 14)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST: Final = 20
"""Parts that one request may ask for; who asks for more gets the whole."""

_RANGES = re.compile(rb"\s*bytes\s*=\s*([\d\s,-]+)", re.IGNORECASE)
_PART = re.compile(rb"(\d{1,1000})-(\d{0,1000})|-(\d{1,1000})")


def satisfiable(headers: Iterable[tuple[bytes, bytes]], size: int) -> bytes | None:
    """The value of Range, without the parts that a file of that size does not have; None if the whole file has to be sent.

    If it has none of them the value is left as it is, to be refused with 416.
    """
    values = [value for name, value in headers if name == b"range"]
    found = _RANGES.fullmatch(values[0]) if len(values) == 1 else None
    if found is None:
        return None
    given = [each for each in map(bytes.strip, found.group(1).split(b",")) if each]
    parts = [_PART.fullmatch(each) for each in given]
    if not 0 < len(parts) <= MOST:
        return None
    kept = []
    for part in parts:
        if part is None or (part.group(2) and int(part.group(2)) < int(part.group(1))):
            return None  # not a range at all, so that none is asked for
        if int(part.group(1)) < size if part.group(1) else int(part.group(3)) and size:
            kept.append(part.group())
    return b"bytes=" + b",".join(kept or given)
