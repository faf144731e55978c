"""What the environment says of certificates (SSL_CERT_FILE, SSL_CERT_DIR) and proxies (HTTPS_PROXY, ALL_PROXY, NO_PROXY)."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import unquote
from urllib.request import getproxies, proxy_bypass

import certifi
import urllib3

from wharf.errors import UsageError
from wharf.transport.answer_deadline import PatientTlsSocket
from wharf.transport.connections import pools_by_scheme

if TYPE_CHECKING:
    from wharf.transport.public_addresses import PublicAddresses

CONNECTIONS: Final = 20
"""How many connections to one host there are at most."""


class Pools(Protocol):
    """What sends: urllib3's pools of connections."""

    def urlopen(self, method: str, url: str, **more: object) -> urllib3.BaseHTTPResponse:
        """The answer, not yet read."""

    def clear(self) -> None:
        """Close what is not in use."""


class EnvironmentPools:
    """The pools that the environment asks for: its certificates, and its proxy, for `https` alone.

    An `http` address is on this machine: no proxy comes between, and none sees the token. `public`: connections go to public
    addresses alone. `certificates` and `proxy` count instead of what the environment says, for every host, and the `proxy` for
    `http` too. `connections` are those to one host at most.
    """

    def __init__(
        self,
        *,
        public: PublicAddresses | None = None,
        certificates: ssl.SSLContext | None = None,
        proxy: str | None = None,
        connections: int = CONNECTIONS,
    ) -> None:
        context = certificates or read_certificates()
        self._direct = urllib3.PoolManager(maxsize=connections, block=True, ssl_context=context)
        self._direct.pool_classes_by_scheme = pools_by_scheme(None if public is None else public.connect)
        self._between = (
            _proxy(context, connections)
            if proxy is None
            else urllib3.ProxyManager(proxy, maxsize=connections, block=True, ssl_context=context)
        )
        if self._between is not None:
            self._between.pool_classes_by_scheme = pools_by_scheme()
        self._always = proxy is not None
        self._public = public

    def urlopen(self, method: str, url: str, **more: object) -> urllib3.BaseHTTPResponse:
        """The answer, over a connection of the right pool."""
        parts = urllib3.util.parse_url(url)
        straight = not self._always and (parts.scheme != "https" or proxy_bypass(parts.netloc or ""))
        if self._between is None or straight:
            return self._direct.urlopen(method, url, **more)  # type: ignore[arg-type]
        if self._public is not None:
            self._public.check(parts.host or "", parts.port or 443)
        return self._between.urlopen(method, url, **more)  # type: ignore[arg-type]

    def clear(self) -> None:
        """Close what is not in use."""
        self._direct.clear()
        if self._between is not None:
            self._between.clear()


def read_certificates(ca_file: Path | None = None) -> ssl.SSLContext:
    """What checks certificates: by the authorities in a file, or by those of the environment. It takes a tenth of a second.

    Raises UsageError for a file or folder that cannot be read.
    """
    file, folder = (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")) if ca_file is None else (ca_file, None)
    try:
        if folder and not file:
            next(Path(folder).iterdir(), None)  # OpenSSL looks into it later, and does not tell
        context = ssl.create_default_context(cafile=file or (None if folder else certifi.where()), capath=folder or None)
    except OSError as error:
        why = error.strerror or error
        if ca_file is not None:
            raise UsageError(
                f"The certificate authorities in {ca_file} cannot be read: {why}.", "Correct `ca-file`."
            ) from error
        raise UsageError(
            f"The certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read: {why}.", "Correct or unset it."
        ) from error
    context.sslsocket_class = PatientTlsSocket
    return context


def _proxy(context: ssl.SSLContext, connections: int) -> urllib3.ProxyManager | None:
    """The proxy for `https`, if one is set. Raises UsageError, which does not repeat it: there may be a password in it."""
    found = getproxies()
    address = found.get("https") or found.get("all")
    if not address:
        return None
    try:
        parts = urllib3.util.parse_url(address if "://" in address else f"http://{address}")
        if parts.scheme not in {"http", "https"} or not parts.host:
            raise ValueError
        given = urllib3.make_headers(proxy_basic_auth=unquote(parts.auth)) if parts.auth else None
        return urllib3.ProxyManager(
            parts._replace(auth=None, path=None, query=None, fragment=None).url,
            proxy_headers=given,
            proxy_ssl_context=context,
            maxsize=connections,
            block=True,
            ssl_context=context,
        )
    except ValueError:
        raise UsageError(
            "The environment names a proxy that cannot be used.",
            "Look at HTTPS_PROXY and ALL_PROXY: a proxy is http://HOST:PORT, not socks.",
        ) from None
