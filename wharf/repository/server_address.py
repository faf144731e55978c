"""The address of a wharf server, as a person types it. Pure.

It is that of the server, or of an index there; which of the two only the server can say, because it may be below a path.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

from wharf.errors import UsageError
from wharf.index.index_name import is_index_name

_HOST: Final = re.compile(r"(?:[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:%-]+)*", re.ASCII)
_PAGES: Final = frozenset({"simple", "legacy"})
_REMEDY: Final = "Write it as in `--server https://HOST/`."


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddress:
    """`scheme://host[:port]` in lower case, and the path without a slash at its end."""

    origin: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.origin}{self.path}/"

    @property
    def host(self) -> str:
        """The name of the host, without a port and without brackets."""
        return urlsplit(self.origin).hostname or ""

    @property
    def readings(self) -> tuple[tuple[ServerAddress, str | None], ...]:
        """What it may be: the server itself; or an index, and then what is before its name is the server."""
        parent, _, name = self.path.rpartition("/")
        above = ServerAddress(origin=self.origin, path=parent)
        return ((self, None), *([(above, name)] if is_index_name(name) else []))

    def url(self, path: str) -> str:
        """The address of something on the server, given from its root on."""
        return f"{self.origin}{self.path}/{path}"

    def linked(self, link: str) -> str | None:
        """A link in an answer of the server, for our own request; None if it leads to another host.

        The origin stays that which the person named, whatever the server takes for its own scheme and port.
        """
        if not link.isascii() or not link.isprintable() or " " in link or "\\" in link:
            return None
        try:
            parts = urlsplit(urljoin(str(self), link))
            host = parts.hostname
        except ValueError:
            return None
        if "@" in parts.netloc or host != self.host or parts.scheme not in {"http", "https"}:
            return None
        return f"{self.origin}{parts.path}{'?' if parts.query else ''}{parts.query}"


def parse_server(text: str, source: str) -> ServerAddress:
    """The address that `source` names. Raises UsageError, which repeats none that may hold a secret."""
    text = text.strip()
    if not text.lower().startswith(("http://", "https://")):
        bare = re.fullmatch(r"([A-Za-z0-9.-]+)(?::[0-9]+)?(?:/[A-Za-z0-9._/-]*)?", text)
        here = bare is not None and _is_loopback(bare[1])
        meant = f"Write http{'' if here else 's'}://{text}" if here or (bare and "." in bare[1]) else _REMEDY
        raise UsageError(f"{source} names no server: its address begins with https://.", meant)
    try:
        parts = urlsplit(text)
        port_fits = parts.port is None or 0 < parts.port < 65536
    except ValueError:
        raise UsageError(f"{source} names no server: its host or port is not valid.", _REMEDY) from None
    if "@" in parts.netloc or "%40" in parts.netloc:
        raise UsageError(
            f"{source} has a user name or a token in the address: those get into histories and logs.",
            "Leave it out. Give the token as WHARF_TOKEN, or write a line for the host into ~/.netrc.",
        )
    netloc = parts.netloc.lower().removesuffix(":443" if parts.scheme == "https" else ":80")
    path = re.sub("/{2,}", "/", parts.path).partition("/-/")[0].rstrip("/")
    if parts.query or parts.fragment or not port_fits or not _HOST.fullmatch(netloc) or not _PATH.fullmatch(path):
        raise UsageError(f"{source} names no server: an address has a host and a path, and nothing more.", _REMEDY)
    if "@" in path or any(each in {".", ".."} for each in path.split("/")):
        raise UsageError(f"{source} names no server: its path is not valid.", _REMEDY)
    found = ServerAddress(origin=f"{parts.scheme}://{netloc}", path=_without_pages(path))
    if parts.scheme == "http" and not _is_loopback(found.host):
        raise UsageError(
            f"{source} names http://{netloc}/: there the token would travel in the open.",
            f"Write https://{netloc}{path}/. Only a server on this machine (127.0.0.1, localhost) may have http.",
        )
    return found


def _without_pages(path: str) -> str:
    """The path without the page for installers or uploaders at its end."""
    before, _, last = path.rpartition("/")
    return before if last in _PAGES else path


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
