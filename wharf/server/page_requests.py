"""What a request for a page asks for: the project that its path names, and the format. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

from wharf.model import is_name, normalize
from wharf.pages import content_negotiation
from wharf.pages.page_format import Format
from wharf.server.http import answer

if TYPE_CHECKING:
    from wharf.server.http.answer import Answer

NO_FORMAT = answer.text(
    406, f"The client takes none of the formats that the server has: {', '.join(form.value for form in Format)} (PEP 691)."
)

_HEADER = content_negotiation.MAX_HEADER + 1  # what is remembered by its text is cut before it is remembered
_SLASHES = re.compile("//+")


def project_asked(path: str, query: bytes, above: str = "") -> str | Answer | None:
    """The (normal) name of the project that a path below an index names, which is empty for the list; None: no name.

    A redirect to where the page is (PEP 503: names are normalised, addresses end with a slash), or 400 for what is at another
    address. The redirect is relative. But where there are slashes too many, Python drops them before it goes up, and others
    count them. So below `above`, which is not at the root, that one has the whole path.
    """
    more = f"?{quoted(query)}" if query else ""
    if "//" in path:
        # By its relative links a page with more slashes would lead elsewhere.
        up = quote(f"{above}/") if above else "../" * (path.count("/") - 1)
        return answer.redirect(up + quote(_SLASHES.sub("/", path)[1:]) + more)
    if path == "/simple":
        return answer.redirect(f"simple/{more}")
    given = path[8:].removesuffix("/")
    name = normalize(given)
    if path == "/simple/" or (given == name and path[-1] == "/" and is_name(name)):
        return name
    if not is_name(name):
        return answer.OTHER_ADDRESS if "/" in given and path.endswith("/") else None
    return answer.redirect((f"../{name}/" if path.endswith("/") else f"{name}/") + more)


def format_asked(accept: bytes, query: bytes) -> Format | None:
    """The format that the client wants most (`?format=`, PEP 691); None: it takes none of those that there are."""
    if query:
        named: list[Any] = parse_qs(query[:_HEADER].decode("latin-1")).get("format", [])
        if named:
            return content_negotiation.format_named(named[0])
    return content_negotiation.format_of(accept[:_HEADER].decode("latin-1"))


def takes_gzip(encoding: bytes | None) -> bool:
    """Whether the client takes a compressed answer."""
    return content_negotiation.takes_gzip((encoding or b"")[:_HEADER].decode("latin-1"))


def quoted(query: bytes) -> str:
    """A query as it came, in the characters of an address."""
    return quote(query, safe="=&/+%")
