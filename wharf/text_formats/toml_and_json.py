"""TOML and JSON that anybody may have written, as values, with one kind of error, whatever is wrong with them. Pure.

Numbers without an end and brackets in brackets make the standard library's parsers fail with other errors. Keys of many parts
(`a.a.a`) take its parser of TOML time that grows with the square of their length.
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any, Final, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""A value of JSON."""

MOST_PARTS: Final = 16
"""A key, or the name of a table, may have so many parts with dots between them."""
MOST_SQUARES: Final = 20_000
"""The most that the squares of the dots in all keys may come to: some 90 keys of 16 parts, or thousands of three."""

# One match for each comment and each string, also one without an end. Nothing in it can fail after its first character, so that
# it takes linear time. Where it does not see what a parser sees, the text is no TOML, and parsers end there.
_QUOTED: Final = re.compile(
    r"""#[^\n]*|"{3}(?:[^"\\]+|\\.?|""?(?!"))*"{0,5}|'{3}(?:[^']+|''?(?!'))*'{0,5}|"(?:[^"\\\n]+|\\[^\n]?)*"?|'[^'\n]*'?""",
    re.DOTALL,
)
_BETWEEN_KEYS: Final = re.compile(r"[\n=\[\]{},]")
_LARGEST = 1 << 63  # "Arbitrary 64-bit signed integers should be accepted" (TOML 1.0, "Integer")


def toml(text: str) -> dict[str, Any]:
    """The document. Raises ValueError, which says in a few words what is wrong."""
    dots = [each.count(".") for each in _BETWEEN_KEYS.split(_QUOTED.sub("", text))]
    if max(dots) >= MOST_PARTS:
        raise ValueError(f"it has a key of more than {MOST_PARTS} parts")
    if sum(each * each for each in dots) > MOST_SQUARES:
        raise ValueError("it has too many keys of several parts")
    try:
        found = tomllib.loads(text)
        _check(found)
    except (RecursionError, ValueError) as error:
        raise _plainly(error) from None
    return found


def json_value(data: bytes) -> Json:
    """The value, in which every text can be written. Raises ValueError."""
    try:
        found: Json = json.loads(data)
        if b"\\u" in data:
            json.dumps(found, ensure_ascii=False).encode()  # half a character can be written as JSON, and nowhere else
    except (RecursionError, ValueError) as error:
        raise _plainly(error) from None
    return found


def strict_json(data: bytes) -> Json:
    """The value of a document that all readers understand alike. Raises ValueError.

    No key is there twice, no number is NaN or without an end, and it is UTF-8.
    """
    try:
        found: Json = json.loads(data.decode(), parse_constant=_no_number, object_pairs_hook=_once)
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
        _check(found)
    except (RecursionError, ValueError) as error:
        raise _plainly(error) from None
    return found


def _plainly(error: RecursionError | ValueError) -> ValueError:
    """The error in words for whoever wrote the document: Python's own are for programs, and name a setting of it."""
    if isinstance(error, RecursionError):
        return ValueError("it is nested too deeply")
    return ValueError("it has an integer of more than 64 bits") if "set_int_max_str_digits" in str(error) else error


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a number")


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _check(value: object) -> None:
    """A number in base 16 escapes Python's own limit, and cannot be shown then."""
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise ValueError("it has an integer of more than 64 bits")
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check(each)
