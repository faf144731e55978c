"""The fields of core metadata that is kept, as they stand there, to be shown. What cannot be read is left out."""

from __future__ import annotations

import email.errors
import re
from typing import TYPE_CHECKING, Final

from wharf.distribution.core_metadata import header, read_fields
from wharf.errors import TooLargeError

if TYPE_CHECKING:
    from packaging.metadata import RawMetadata

LONGEST_DESCRIPTION: Final = 1 << 20
"""Bytes of a description; a longer one is left out."""

_EMPTY_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_FOLD = re.compile(r"(?m)^(?: {7}\|| {8}\|?)")  # what stands before the further lines of a field
_GARBAGE = (TooLargeError, ValueError, RecursionError, email.errors.MessageError)
"""What is raised on hostile values (see `core_metadata`)."""


def fields_of(data: bytes, filename: str) -> RawMetadata:
    """The fields, and the text behind them as the description, which the older format has as a field of its own."""
    try:
        head, _ = header(data, filename, "core metadata")
        raw, _ = read_fields(head)
    except _GARBAGE:
        return {}
    found = _EMPTY_LINE.search(data)
    text = b"" if found is None else data[found.end() :]
    if text.strip() and "description" not in raw:
        raw["description"] = text.decode("utf-8", "replace")
    elif "description" in raw:
        raw["description"] = _FOLD.sub("", raw["description"])
    if len(raw.get("description", "")) > LONGEST_DESCRIPTION:
        del raw["description"]
    return raw
