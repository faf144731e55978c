"""How the form of an upload is read (multipart/form-data, RFC 7578), as it comes.

What uploaders send and nobody keeps (descriptions, classifiers, signatures) is read and dropped, so an upload that is under way
holds next to no memory, whatever is in its form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from python_multipart.multipart import parse_options_header

from wharf.errors import UsageError
from wharf.server.web.background_writer import BackgroundWriter
from wharf.server.web.form_parts import FormParts
from wharf.server.web.spooled_file import DIGESTS, SpooledFile
from wharf.server.web.upload_form import FIELD_LIMIT, FIELDS, REMEDY, UploadForm, UploadLimits, no_form

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MOST_PARTS: Final = 10_000
"""Fields and files that a form may have: metadata repeats some of them for each requirement and classifier."""

_BUFFER = 128 << 10  # bytes of a file in memory before they are written


async def parse(content_type: str | None, body: AsyncIterator[bytes], limits: UploadLimits) -> UploadForm:
    """The form of a body, but for the end of its file, which `finish` writes.

    While a piece of the file is written, the next ones come. Raises UsageError for what is no form, StorageError and OSError if
    it cannot be kept, and what `body` raises.
    """
    parts = _Parts(_boundary(content_type), limits)
    writer: BackgroundWriter | None = None
    try:
        async for piece in body:
            parts.reader.feed(piece)
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
    """What is made of the parts, one at a time. A part is the file, or a field that is kept, or let go."""

    def __init__(self, boundary: bytes, limits: UploadLimits) -> None:
        self.form = UploadForm()
        self.reader = FormParts(boundary, self._begin, self._on_data, self._end_of_part)
        self._limits = limits
        self._count = 0
        self._size = 0
        self._name = ""
        self._kept: bytearray | None = None
        self._is_content = False

    def end(self) -> None:
        """The body is over. Raises UsageError if the form is not."""
        if not self.reader.whole:
            raise no_form("it breaks off")

    def _begin(self, name: bytes, filename: bytes | None) -> None:
        self._count += 1
        if self._count > MOST_PARTS:
            raise no_form(f"it has more than {MOST_PARTS} fields")
        self._name = _text(name)
        self._is_content = self._name == "content" and filename is not None
        if self._is_content:
            if self.form.content is not None:
                raise no_form("it has two files in the field `content`")
            self.form.filename = _text(filename or b"")
            declared = [each for each, (_, digits) in DIGESTS.items() if len(self.form.fields.get(each, "")) == digits]
            self.form.content = SpooledFile(self._limits.folder, self._limits.announced, declared)
        elif filename is None and self._name in FIELDS:
            self._kept = bytearray()
        elif len(self._name) < 100 and (filename is not None or self._name == "attestations"):
            self.form.dropped[self._name] = _text(filename or b"")

    def _on_data(self, data: memoryview) -> None:
        if self._is_content:
            self._size += len(data)
            if self._size > self._limits.file:
                raise self._limits.too_large
            self.form.rest += data
        elif self._kept is not None:
            if len(self._kept) + len(data) > FIELD_LIMIT:
                raise UsageError(f"The form says more of `{self._name}` than is read ({FIELD_LIMIT} bytes).", REMEDY)
            self._kept += data

    def _end_of_part(self) -> None:
        if self._kept is not None:
            self._keep(_text(bytes(self._kept).strip()))
        self._kept = None
        self._is_content = False

    def _keep(self, value: str) -> None:
        """Keep the field that is whole. An empty one says nothing; of two readers of two values each may take another one."""
        if value and self.form.fields.setdefault(self._name, value) != value:
            raise UsageError(f"The form says two things of `{self._name}`.", REMEDY)


def _boundary(content_type: str | None) -> bytes:
    """What divides the parts. Raises UsageError if that is not said."""
    if content_type is None:
        raise no_form("the request has no Content-Type")
    kind, options = parse_options_header(content_type)
    if kind.lower() != b"multipart/form-data":
        raise no_form(f"its Content-Type is {_text(kind)[:100]!r}")
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= 256:
        raise no_form("its Content-Type names no boundary")
    return boundary


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
