"""Connections to the public internet alone, whatever a name says of itself.

A name is resolved once, and the connection goes to the very address that was looked at: a name that leads to this machine the
second time gains nothing. TLS checks the name as ever.
"""

from __future__ import annotations

import contextlib
import socket
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from wharf.transport.connections import CONNECTING, UnreachableError
from wharf.transport.public_ip import is_public

if TYPE_CHECKING:
    from collections.abc import Callable

    Resolve = Callable[[str, int], "list[tuple[Any, ...]]"]
    """What `socket.getaddrinfo` gives for a host and a port."""

NOT_PUBLIC: Final = "its address is not public"
_MOST = 8  # addresses of one name that are tried


def _resolve(host: str, port: int) -> list[tuple[Any, ...]]:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


class PublicAddresses:
    """Connects to public addresses.

    `home` is the host and the port of an upstream that the operator chose: if it is at no public address itself, then what it
    leads to need not be either.
    """

    def __init__(self, resolve: Resolve = _resolve, *, home: tuple[str, int] | None = None) -> None:
        self._resolve = resolve
        self._home = home

    def connect(self, host: str, port: int) -> socket.socket:
        """A connection within CONNECTING seconds. Raises UnreachableError, also for a name of no public address, or OSError."""
        found = self._public(host, port)
        end = time.monotonic() + CONNECTING
        failed: OSError | None = None
        for family, kind, protocol, _, address in found[:_MOST]:
            if (left := end - time.monotonic()) <= 0:
                raise TimeoutError
            made = socket.socket(family, kind, protocol)
            try:
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                made.settimeout(left)
                made.connect(address)
            except OSError as error:
                made.close()
                failed = error
            else:
                return made
        raise failed or UnreachableError(NOT_PUBLIC)

    def check(self, host: str, port: int) -> None:
        """Raise UnreachableError for a host that a proxy must not be asked for: one that is known here, and not as public.

        A name that only the proxy knows is left to the proxy.
        """
        with contextlib.suppress(OSError):
            self._public(host, port)

    def _public(self, host: str, port: int) -> list[tuple[Any, ...]]:
        """The addresses that may be connected to. Raises UnreachableError if there are none, or OSError."""
        found = self._resolve(host.strip("[]"), port)
        public = [each for each in found if _is_public(each)]
        if public:
            return public
        if self._home is not None and not any(_is_public(each) for each in self._resolve(*self._home)):
            return found
        raise UnreachableError(NOT_PUBLIC)


def _is_public(found: tuple[Any, ...]) -> bool:
    try:
        return is_public(ip_address(found[4][0]))
    except ValueError:
        return False
