"""The validator of a page: its ETag (RFC 9110, section 8.8.3), made of all that decides about the page's bytes.

Two pages of one address have the same validator only if they have the same bytes. So it holds the git id of what the page is
made of, the format, the encoding, and the version of the code that makes pages. It is made without the bytes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from wharf.pages.page_format import CODE

if TYPE_CHECKING:
    from wharf.pages.page_format import Format

_ID_LENGTH = 20  # hex digits of an id in a validator: 80 bits, more than any address has versions


def page_etag(git_id: str, form: Format, *, zipped: bool) -> str:
    """The ETag of a page, quoted as in the header. It is strong: the compressed page has another one than the plain page.

    `git_id` is the git id of the project's folder, as hex; for the list of projects, `Layers.list_validator`.
    """
    return f'"{git_id[:_ID_LENGTH]}-{CODE}-{form.name.lower()}{"-gz" if zipped else ""}"'


def json_page_etag(git_id: str, base: str) -> str:
    """The ETag of a JSON page, quoted as in the header. `base` is the address that the links in it begin with."""
    return f'"{git_id[:_ID_LENGTH]}-{CODE}-{hashlib.sha256(base.encode()).hexdigest()[:_ID_LENGTH]}"'


def metadata_etag(data: bytes, *, zipped: bool) -> str:
    """The ETag of a file's core metadata, quoted as in the header."""
    return f'"{hashlib.sha256(data).hexdigest()}{"-gz" if zipped else ""}"'
