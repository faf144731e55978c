"""How the form of an upload is read (multipart/form-data, RFC 7578), as it comes.

What uploaders send and nobody keeps (descriptions, classifiers, signatures) is read and dropped, so an upload that is under way
holds next to no memory, whatever is in its form.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

import python_multipart
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from wharf.errors import NoRegistrationError, UsageError
from wharf.server.web.background_writer import BackgroundWriter
from wharf.server.web.spooled_file import DIGESTS, SpooledFile
from wharf.server.web.upload_form import FIELD_LIMIT, FIELDS, REMEDY, UploadForm, UploadLimits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# It warns of every odd byte of a form; what matters of that is in our answer.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)

MOST_PARTS: Final = 10_000
"""Fields and files that a form may have: metadata repeats some of them for each requirement and classifier."""

_HEADERS = 16 << 10  # bytes of the headers of one part
_BUFFER = 256 << 10  # bytes of a file in memory before they are written
_REGISTERS = re.compile(rb"&(?::|%3[Aa])action=(?:submit|verify)")
_LONGEST_MATCH = 32


async def parse(content_type: str | None, body: AsyncIterator[bytes], limits: UploadLimits) -> UploadForm:
    """The form of a body, but for the end of its file, which `finish` writes.

    While a piece of the file is written, the next ones come. Raises UsageError for what is no form, StorageError and OSError if
    it cannot be kept, and what `body` raises.
    """
    if parse_options_header(content_type)[0].lower() == b"application/x-www-form-urlencoded":
        await _refuse_registration(body)
    parts = _Parts(_boundary(content_type), limits)
    writer: BackgroundWriter | None = None
    try:
        async for piece in body:
            try:
                parts.feed(piece)
            except FormParserError as error:
                raise _no_form("it is broken, or its lines do not end in CRLF") from error
            if parts.form.content is not None and len(parts.form.rest) >= _BUFFER:
                if writer is None:
                    writer = BackgroundWriter(parts.form.content.write)
                rest, parts.form.rest = parts.form.rest, bytearray()
                await writer.put(rest)
        parts.end()
        if writer is not None:
            await writer.end()
    except BaseException:
        if writer is not None:  # or the file would be closed under the hands of who writes it
            await writer.give_up()
        parts.form.close()
        raise
    return parts.form


class _Parts:
    """The callbacks of the parser: one part at a time. A part is the file, or a field that is kept, or let go."""

    def __init__(self, boundary: bytes, limits: UploadLimits) -> None:
        self.form = UploadForm()
        self._limits = limits
        self._count = 0
        self._size = 0
        self._name = ""
        self._header = self._value = b""
        self._disposition = b""
        self._kept: bytearray | None = None
        self._is_content = False
        self._whole = False  # no part is under way, and there was one, or the end
        self._parser = python_multipart.MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers,
                "on_part_data": self._on_data,
                "on_part_end": self._end_of_part,
                "on_end": self._end_of_form,
            },
        )

    def feed(self, piece: bytes) -> None:
        """Read on."""
        self._parser.write(piece)

    def end(self) -> None:
        """The body is over. Raises UsageError if the form is not."""
        if not self._whole:
            raise _no_form("it breaks off")

    def _begin(self) -> None:
        self._whole = False
        self._count += 1
        if self._count > MOST_PARTS:
            raise _no_form(f"it has more than {MOST_PARTS} fields")
        self._disposition = self._header = self._value = b""

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]
        self._check_headers()

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._check_headers()

    def _check_headers(self) -> None:
        if len(self._header) + len(self._value) > _HEADERS:
            raise _no_form("a part has headers without an end")

    def _on_header_end(self) -> None:
        if b"\n" in self._value:  # some readers take it for the end of the header
            raise _no_form("it is broken")
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _on_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise _no_form("a part of it has no name")
        self._name = _text(options[b"name"])
        filename = options.get(b"filename")
        self._is_content = self._name == "content" and filename is not None
        self._kept = None
        if self._is_content:
            if self.form.content is not None:
                raise _no_form("it has two files in the field `content`")
            self.form.filename = _text(filename or b"")
            declared = [each for each, (_, digits) in DIGESTS.items() if len(self.form.fields.get(each, "")) == digits]
            self.form.content = SpooledFile(self._limits.folder, self._limits.announced, declared)
        elif filename is None and self._name in FIELDS:
            self._kept = bytearray()
        elif len(self._name) < 100 and (filename is not None or self._name == "attestations"):
            self.form.dropped[self._name] = _text(filename or b"")

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_content:
            self._size += end - start
            if self._size > self._limits.file:
                raise self._limits.too_large
            self.form.rest += memoryview(data)[start:end]
        elif self._kept is not None:
            if len(self._kept) + end - start > FIELD_LIMIT:
                raise UsageError(f"The form says more of `{self._name}` than is read ({FIELD_LIMIT} bytes).", REMEDY)
            self._kept += data[start:end]

    def _end_of_part(self) -> None:
        if self._kept is not None:
            self._keep(_text(bytes(self._kept).strip()))
        self._kept = None
        self._is_content = False
        self._whole = True

    def _keep(self, value: str) -> None:
        """Keep the field that is whole. An empty one says nothing; of two readers of two values each may take another one."""
        if value and self.form.fields.setdefault(self._name, value) != value:
            raise UsageError(f"The form says two things of `{self._name}`.", REMEDY)

    def _end_of_form(self) -> None:
        self._whole = True


async def _refuse_registration(body: AsyncIterator[bytes]) -> None:
    """Refuse a form without a file that registers a project, as devpi sends it before the files."""
    read = b"&"
    async for piece in body:
        read = read[-_LONGEST_MATCH:] + piece
        if _REGISTERS.search(read):
            raise NoRegistrationError


def _boundary(content_type: str | None) -> bytes:
    """What divides the parts. Raises UsageError if that is not said."""
    if content_type is None:
        raise _no_form("the request has no Content-Type")
    kind, options = parse_options_header(content_type)
    if kind.lower() != b"multipart/form-data":
        raise _no_form(f"its Content-Type is {_text(kind)[:100]!r}")
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= 256:
        raise _no_form("its Content-Type names no boundary")
    return boundary


def _no_form(why: str) -> UsageError:
    return UsageError(f"The body is not a form with a file (multipart/form-data): {why}.", REMEDY)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
