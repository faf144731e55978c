"""What a server is told when it is started, and what of that cannot be."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from wharf.errors import UsageError
from wharf.server.http.uvicorn_config import KEEP_ALIVE
from wharf.server.rules import CACHE_BUDGET

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.repository.listed_upstreams import ListedUpstream
    from wharf.secret import Secret
    from wharf.sources.public_index_address import PublicIndex

Auth = Literal["local", "tokens", "public", "github"]
"""Who may read: everybody on this machine; wharf's tokens; everybody; or whom GitHub lets read the repository."""

_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")  # as a Host header has it, without a port: no star, no address


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where and how to listen. Raises UsageError for what cannot be.

    - `port` 0 is a free one; `keep_alive` is in seconds.
    - `allowed_hosts` are names, without scheme, port or path; `trusted_proxies` are addresses or networks.
    - `root_path` is empty, or begins with a slash and does not end with one.
    - `cors_origins` are scheme, host and port, or `*`, which only goes with reading that is open to everybody.
    """

    host: str
    port: int
    auth: Auth | None = None
    allowed_hosts: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    root_path: str = ""
    trusted_proxies: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    keep_alive: int = KEEP_ALIVE
    access_log: bool = False
    upload_limit: int
    strict_uploads: bool = False
    stream: bool = False
    cache: Path | None = None
    cache_budget: int = CACHE_BUDGET
    webhook: Secret | None = None
    public_index: PublicIndex | None = None
    upstreams: tuple[ListedUpstream, ...] = ()

    @property
    def loopback(self) -> bool:
        """Whether nobody beyond this machine can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def everywhere(self) -> bool:
        """Whether it listens on every address of this machine."""
        return self.host in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound

    @property
    def behind_proxy(self) -> bool:
        """Whether clients seem to reach it through a proxy."""
        return bool(self.trusted_proxies or self.root_path)

    def seen_by_clients(self, address: str) -> str | None:
        """The address, without a slash at its end, that clients use where the server listens at `address`; None: not known.

        A proxy on this machine, or one that was named, is taken to have TLS.
        """
        name = next(iter(self.allowed_hosts), None)
        if self.behind_proxy or (name is not None and self.loopback):
            return None if name is None else f"https://{name}{self.root_path.rstrip('/')}"
        if name is None:
            return None if self.everywhere else address
        scheme, _, rest = address.partition("://")
        return f"{scheme}://{name}:{rest.rpartition(':')[2]}"

    def __post_init__(self) -> None:
        if self.root_path and not self.root_path.startswith("/"):
            raise UsageError(f"--root-path {self.root_path!r} does not begin with a slash.", "Write it as in /packages.")
        for host in self.allowed_hosts:
            if not _HOST.fullmatch(host):
                raise UsageError(f"{host!r} is not a host name.", "Give the name alone, as in --allowed-host pkg.example.org.")
        for proxy in self.trusted_proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError as error:
                raise UsageError(
                    f"{proxy!r} is not the address of a proxy.", "Write it as in --trusted-proxy 10.0.0.5."
                ) from error
        for origin in self.cors_origins:
            self._check_origin(origin)

    def _check_origin(self, origin: str) -> None:
        if origin == "*":
            if self.auth != "public":
                raise UsageError(
                    "--cors-origin '*' lets every web page read the index.",
                    "It goes with --auth public only; else name the pages' origins, as in --cors-origin https://lab.example.org.",
                )
            return
        if not _is_origin(origin):
            raise UsageError(
                f"{origin!r} is not the origin of a web page.",
                "An origin is scheme and host, without a slash at its end, as in --cors-origin https://lab.example.org.",
            )


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # a port that cannot be, brackets around what is no address
        return False
    plain = text.isascii() and text.isprintable() and "@" not in parts.netloc and port != 0
    return plain and parts.scheme in {"http", "https"} and bool(parts.hostname) and text == f"{parts.scheme}://{parts.netloc}"


def bracketed(host: str) -> str:
    """A host as it stands in an address."""
    return f"[{host}]" if ":" in host else host
