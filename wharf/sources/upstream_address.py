"""The address of an upstream, and which links of its pages may be followed. Pure.

A link within the upstream's own origin (scheme, host and port) is followed as the upstream itself is. A link to another origin
has to be https, and never gets the credentials of the upstream. A link with credentials in it is not followed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

from wharf.index.upstream_settings import is_folder

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.secret import Secret

LONGEST: Final = 4000
"""Characters of an address. Signed ones have some 1,000."""

_ADDRESS = re.compile(
    r"[!#-;=?-\[\]_a-z~]+", re.ASCII
)  # without quotes, <, >, \, ^, `, {, | and }, which programs read in two ways
_ORIGIN = re.compile(r"(https?)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?(?=[/?#]|$)", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:", re.ASCII)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamAddress:
    """The address of an upstream's list of projects (PEP 503), or a folder, as `normal_address` gives it, and how it is asked.

    `listed`: the operator chose the address, not whoever may write the branch. So it may be at a private or loopback address,
    and may have `username` and `password`, a file of certificate authorities and a proxy (http://HOST:PORT).
    """

    url: str
    listed: bool = False
    username: str | None = None
    password: Secret | None = None
    ca_file: Path | None = None
    proxy: str | None = None

    @property
    def is_folder(self) -> bool:
        """Whether it is a flat folder of wheels and sdists on this machine."""
        return is_folder(self.url)

    @property
    def host(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self.url).netloc

    @property
    def folder(self) -> str:
        """16 hex digits: the name of the folder in which the cache keeps what comes from there."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]

    def page(self, name: str) -> str:
        """The address of a project's page; `name` is normal (PEP 503)."""
        return f"{self.url}{name}/"


Origin = tuple[str, str, int]
"""Scheme, host in lower case, and port."""


def origin(url: str) -> Origin | None:
    """Where an absolute http(s) address leads; None for other text, for credentials in it, and for what is read in two ways."""
    found = _ORIGIN.match(url)
    if found is None or len(url) > LONGEST or not _ADDRESS.fullmatch(url):
        return None
    scheme, host, port = found.groups()
    number = int(port or _PORTS[scheme])
    return (scheme, host.lower(), number) if 0 < number < 1 << 16 else None


def joined(base: str, link: str) -> str | None:
    """The absolute address of a link on the page at `base`, without its fragment; None if it is no http(s) address."""
    if len(link) > LONGEST or not _ADDRESS.fullmatch(link):
        return None
    if origin(link) is not None:
        return link.partition("#")[0]
    if _SCHEME.match(link):  # `https:///x` too, which urljoin takes for `/x`
        return None
    try:
        found = urljoin(base, link).partition("#")[0]
    except ValueError:
        return None
    return found if origin(found) is not None else None


def refusal(upstream: Origin, url: str) -> str | None:
    """Why a link of an upstream's page is not followed, as the end of "its link …"; None if it is."""
    there = origin(url)
    if there is None:
        return "is no http(s) address"
    if there != upstream and there[0] != "https":
        return "leads to another host without https"
    return None
