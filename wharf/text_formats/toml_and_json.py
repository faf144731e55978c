"""TOML and JSON that anybody may have written, as values, with one kind of error, whatever is wrong with them. Pure.

Numbers without an end and brackets in brackets make the standard library's parsers fail with other errors.
"""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wharf.model import Json

_LARGEST = 1 << 63  # "Arbitrary 64-bit signed integers should be accepted" (TOML 1.0, "Integer")


def toml(text: str) -> dict[str, Any]:
    """The document. Raises ValueError, which says in a few words what is wrong."""
    try:
        found = tomllib.loads(text)
        _check(found)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return found


def json_value(data: bytes) -> Json:
    """The value, in which every text can be written. Raises ValueError."""
    try:
        found: Json = json.loads(data)
        if b"\\u" in data:
            json.dumps(found, ensure_ascii=False).encode()  # half a character can be written as JSON, and nowhere else
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return found


def _check(value: object) -> None:
    """A number in base 16 escapes Python's own limit, and cannot be shown then."""
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise ValueError("it has an integer of more than 64 bits")
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check(each)
