"""Cuts the body of a form into its parts, as it comes (multipart/form-data: RFC 7578, RFC 2046).

Uploaders send dozens of small fields before a file. So what is in memory is searched, and a part costs a few calls.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from python_multipart.multipart import parse_options_header

from wharf.server.web.upload_form import no_form

if TYPE_CHECKING:
    from collections.abc import Callable

HEADERS: Final = 16 << 10
"""Bytes of the headers of one part."""

_NEXT, _LAST, _EMPTY_LINE = b"\r\n", b"--", b"\r\n\r\n"
_PLAIN = re.compile(rb'(?i:content-disposition): ?form-data; name="([^"\\\0-\x1f\x7f]+)"(?:; filename="([^"\\\0-\x1f\x7f]*)")?')
"""The only header of most parts, as nearly all clients write it."""
_LINES = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n]*(?:\r\n|\Z))*")


class FormParts:
    """Hands on each part: `begin` gets its name and that of its file (None: a field), `data` its bytes; `end` comes last.

    What may belong to the next boundary is kept until more comes: that, or the headers of one part, is all that is in memory.
    `whole`: the last boundary came. What follows it says nothing.
    """

    def __init__(
        self,
        boundary: bytes,
        begin: Callable[[bytes, bytes | None], None],
        data: Callable[[memoryview], None],
        end: Callable[[], None],
    ) -> None:
        self.whole = False
        self._boundary = b"\r\n--" + boundary
        self._begin, self._data, self._end = begin, data, end
        self._kept = b""
        self._read: Callable[[bytes, int], int | None] = self._read_beginning

    def feed(self, piece: bytes) -> None:
        """Read on. Raises UsageError for what is no form, and what the callbacks raise."""
        data, self._kept = self._kept + piece if self._kept else piece, b""
        if self._read == self._read_beginning:
            data = _NEXT + data.lstrip(_NEXT)  # as boundaries have it; setuptools writes an empty line before the first one
        at: int | None = 0
        while at is not None:
            at = self._read(data, at)

    def _read_beginning(self, data: bytes, _at: int) -> int | None:
        """Read the first boundary."""
        size = len(self._boundary)
        if not self._boundary.startswith(data[:size]):
            raise no_form("it is broken")
        if len(data) < size + 2:
            self._kept = data[2:]
            return None
        self._cross(data[size : size + 2])
        return size

    def _read_head(self, data: bytes, at: int) -> int | None:
        """Read the headers of a part, which begin behind the end of a line."""
        end = data.find(_EMPTY_LINE, at)
        if (len(data) if end < 0 else end) - at > HEADERS:
            raise no_form("a part has headers without an end")
        if end < 0:
            self._kept = data[at:]
            return None
        self._read = self._read_data
        self._begin(*_named(data[at + 2 : end]))
        return end + len(_EMPTY_LINE)

    def _read_data(self, data: bytes, at: int) -> int | None:
        """Hand on the bytes of a part, up to the next boundary."""
        end, after = self._find_end(data, at)
        if end > at:
            self._data(memoryview(data)[at:end])
        if not after:
            self._kept = data[end:]
            return None
        self._end()
        self._cross(after)
        return end + len(self._boundary)

    def _find_end(self, data: bytes, at: int) -> tuple[int, bytes]:
        """Where the bytes of a part end, and what follows the boundary there; nothing: only more of the body tells."""
        size = len(self._boundary)
        found = data.find(self._boundary, at)
        while found >= 0:
            after = data[found + size : found + size + 2]
            if after in (_NEXT, _LAST):
                return found, after
            if len(after) < len(_NEXT):
                return found, b""
            if after[:1] in (b" ", b"\t"):
                raise no_form("it is broken")  # some readers take blanks for the end of a boundary
            found = data.find(self._boundary, found + size)
        last = data.rfind(b"\r", max(at, len(data) - size))  # a boundary has no other one
        return (last if last >= 0 and self._boundary.startswith(data[last:]) else len(data)), b""

    def _cross(self, after: bytes) -> None:
        """Go on behind a boundary: with the headers of the next part, or not at all."""
        if after == _NEXT:
            self._read = self._read_head
        elif after == _LAST:
            self.whole = True
            self._read = _read_nothing
        else:
            raise no_form("it is broken")


def _read_nothing(_data: bytes, _at: int) -> None:
    """What follows the last boundary."""


def _named(head: bytes) -> tuple[bytes, bytes | None]:
    """The name of a part, and that of its file. Raises UsageError."""
    if plain := _PLAIN.fullmatch(head):
        return plain[1], plain[2]
    if not _LINES.fullmatch(head):
        raise no_form("it is broken")
    disposition = b""
    for line in head.split(_NEXT):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-disposition":
            disposition = value.strip(b" ")
    _, options = parse_options_header(disposition)
    if b"name" not in options:
        raise no_form("a part of it has no name")
    return options[b"name"], options.get(b"filename")
