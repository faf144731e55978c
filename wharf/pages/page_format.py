"""Pages: a project, or the list of projects, as bytes in one format.

`document` makes the one value that every format is made of; `render` turns it into bytes. The server, the static site and
the command line all go through here, so that they cannot disagree.
"""

from __future__ import annotations

import enum
import json
from typing import TYPE_CHECKING

from wharf.pages import html

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.model import Json

CODE = "2"
"""Part of every ETag and of every site's state: raise it when the same index gives other bytes than before."""


class Format(enum.Enum):
    """The formats and their content types (PEP 691, "Content Types")."""

    JSON = "application/vnd.pypi.simple.v1+json"
    HTML = "application/vnd.pypi.simple.v1+html"
    PLAIN_HTML = "text/html"

    @property
    def content_type(self) -> str:
        """The value of Content-Type."""
        return f"{self.value}; charset=utf-8" if self is Format.PLAIN_HTML else self.value


def render(document: Mapping[str, Json], form: Format, *, negotiated: bool = True) -> bytes:
    """A document as a page. Both kinds of HTML have the same bytes.

    `negotiated`: the client could choose among the formats. Otherwise HTML is all that some installers find.
    """
    if form is Format.JSON:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return html.render(document, negotiated=negotiated).encode()
