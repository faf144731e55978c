"""One deadline for all reads of an answer, kept by the socket that is read.

A socket's own timeout begins again with each read, and so do those of the HTTP libraries: an answer that comes byte by byte
would be waited for without an end. The libraries hand a timeout on to the socket as it is; so a number that knows its
deadline gets there, and a socket that knows such numbers asks for what is left before each read.
"""

from __future__ import annotations

import socket
import ssl
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

QUIET = 60.0
"""Seconds without a byte after which nobody is there any more."""


class Patience(float):
    """A timeout that gets shorter: `total` seconds from the first read on, and no more than QUIET for any of them."""

    def __new__(cls, _total: float) -> Self:
        """The number itself is what a socket that does not know the class may wait."""
        return super().__new__(cls, QUIET)

    def __init__(self, total: float) -> None:
        self._total = total
        self._end: float | None = None

    def left(self) -> float:
        """Seconds that the next read may take. Raises TimeoutError if there are none."""
        now = time.monotonic()
        self._end = now + self._total if self._end is None else self._end
        if now >= self._end:
            raise TimeoutError
        return min(self._end - now, QUIET)

    def without_end(self) -> None:
        """From now on only silence is a reason to give up."""
        self._end = float("inf")


class PatientSocket(socket.socket):
    """A socket that takes a `Patience` for its timeout. Sending has QUIET seconds for each piece."""

    _patience: Patience | None = None

    def settimeout(self, value: float | None, /) -> None:
        """Keep to it, also if it changes."""
        self._patience = value if isinstance(value, Patience) else None
        super().settimeout(value.left() if isinstance(value, Patience) else value)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Read what has come, within what is left."""
        self._hurry()
        return super().recv(buflen, flags)

    def recv_into(self, buffer: WriteableBuffer, nbytes: int | None = None, flags: int = 0) -> int:
        """Read what has come into a buffer, within what is left."""
        self._hurry()
        return super().recv_into(buffer) if nbytes is None else super().recv_into(buffer, nbytes, flags)

    def sendall(self, data: ReadableBuffer, flags: int = 0, /) -> None:
        """Send it all."""
        super().settimeout(QUIET)
        super().sendall(data, flags)

    def _hurry(self) -> None:
        if self._patience is not None:
            super().settimeout(self._patience.left())


class PatientTlsSocket(PatientSocket, ssl.SSLSocket):
    """The same with TLS; `SSLContext.sslsocket_class` is where to name it."""


def patient(found: socket.socket, patience: Patience) -> PatientSocket:
    """The same connection, with that patience."""
    made = PatientSocket(found.family, found.type, found.proto, found.detach())
    made.settimeout(patience)
    return made
