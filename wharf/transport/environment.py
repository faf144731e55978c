"""What the environment says of certificates (SSL_CERT_FILE, SSL_CERT_DIR) and proxies (HTTPS_PROXY, ALL_PROXY, NO_PROXY)."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote
from urllib.request import getproxies, proxy_bypass

import certifi
import urllib3

from wharf.errors import UsageError
from wharf.transport.answer_deadline import PatientTlsSocket
from wharf.transport.connections import PlainPool, TlsPool

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

    An `http` address is on this machine: no proxy comes between, and none sees the token.
    """

    def __init__(self) -> None:
        context = _certificates()
        self._direct = urllib3.PoolManager(maxsize=CONNECTIONS, block=True, ssl_context=context)
        self._between = _proxy(context)
        for each in (self._direct, self._between):
            if each is not None:
                each.pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}

    def urlopen(self, method: str, url: str, **more: object) -> urllib3.BaseHTTPResponse:
        """The answer, over a connection of the right pool."""
        parts = urllib3.util.parse_url(url)
        straight = self._between is None or parts.scheme != "https" or proxy_bypass(parts.netloc or "")
        manager = self._direct if self._between is None or straight else self._between
        return manager.urlopen(method, url, **more)  # type: ignore[arg-type]

    def clear(self) -> None:
        """Close what is not in use."""
        self._direct.clear()
        if self._between is not None:
            self._between.clear()


def _certificates() -> ssl.SSLContext:
    """What checks certificates. Raises UsageError for a file or folder that cannot be read."""
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    try:
        if folder and not file:
            next(Path(folder).iterdir(), None)  # OpenSSL looks into it later, and does not tell
        context = ssl.create_default_context(cafile=file or (None if folder else certifi.where()), capath=folder or None)
    except OSError as error:
        raise UsageError(
            f"The certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read: {error.strerror or error}.",
            "Correct or unset it.",
        ) from error
    context.sslsocket_class = PatientTlsSocket
    return context


def _proxy(context: ssl.SSLContext) -> urllib3.ProxyManager | None:
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
            maxsize=CONNECTIONS,
            block=True,
            ssl_context=context,
        )
    except ValueError:
        raise UsageError(
            "The environment names a proxy that cannot be used.",
            "Look at HTTPS_PROXY and ALL_PROXY: a proxy is http://HOST:PORT, not socks.",
        ) from None
