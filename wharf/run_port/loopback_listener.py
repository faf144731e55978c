"""A listening socket on this machine alone, and whether a socket is one."""

from __future__ import annotations

import socket
from typing import Final

LOOPBACK: Final = "127.0.0.1"
BACKLOG: Final = 2048
"""Connections that may wait: uv opens dozens at once, some before anybody answers."""


def listening_at(number: int) -> socket.socket:
    """A new socket that listens at the port; 0 is a free one. Raises OSError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, number))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def listens_at(listener: socket.socket, number: int) -> bool:
    """Whether the socket listens at that port of this machine."""
    return (
        listener.family == socket.AF_INET
        and listener.type == socket.SOCK_STREAM
        and bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
        and listener.getsockname() == (LOOPBACK, number)
    )
