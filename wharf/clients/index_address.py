"""The address of an index, as a client is told it and as a person types it. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from wharf.errors import UsageError

_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[0-9]{1,5})?", re.ASCII)
_PATH = re.compile(r"(?:/[A-Za-z0-9._~%+-]*)*", re.ASCII)
_ROOT = "Write the address below which simple/ is, as in https://wharf.example.com."


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexAddress:
    """The address of the root of an index, with a slash at the end. `run`: it is that of `wharf run`, and ends with it."""

    root: str
    run: bool = False

    @property
    def simple(self) -> str:
        """What installers are given (PEP 503)."""
        return f"{self.root}simple/"

    @property
    def legacy(self) -> str:
        """Where uploads go to."""
        return f"{self.root}legacy/"

    @property
    def host(self) -> str:
        """Without a port, as ~/.netrc names it."""
        return urlsplit(self.root).hostname or ""

    @property
    def in_the_open(self) -> bool:
        """Whether a token would go over a network without encryption."""
        return self.root.startswith("http://") and not _is_loopback(self.host)


def parse_index_address(text: str) -> IndexAddress:
    """The address that a person types for an index, with or without simple/ at its end. Raises UsageError."""
    try:
        parts = urlsplit(text)
        port_fits = parts.port is None or 0 < parts.port < 65536
    except ValueError:
        raise UsageError("The address of the index is not valid: its host or port cannot be right.", _ROOT) from None
    if "@" in text:
        raise UsageError(
            "The address of the index holds a user name or token before the @: those leak.", f"Leave it out. {_ROOT}"
        )
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise UsageError("The address of the index has a query or a fragment, which installers drop.", _ROOT)
    fits = parts.scheme in {"http", "https"} and _HOST.fullmatch(parts.netloc.lower()) and _PATH.fullmatch(parts.path)
    path = parts.path.rstrip("/").removesuffix("/simple").rstrip("/")
    if not fits or not port_fits or not text.isprintable() or _steps(path) & {"", ".", ".."}:
        raise UsageError(
            f"{text[:200]!r} is not the address of an index. It needs http or https, a host, and a plain path.", _ROOT
        )
    if path.endswith("/legacy"):
        raise UsageError(f"{text[:200]!r} is where uploads go, not the index.", _ROOT)
    return IndexAddress(root=f"{parts.scheme}://{_netloc(parts)}{path}/")


def _steps(path: str) -> set[str]:
    return set(path.split("/")[1:])


def _netloc(parts: SplitResult) -> str:
    return parts.netloc.lower().removesuffix(":443" if parts.scheme == "https" else ":80")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
