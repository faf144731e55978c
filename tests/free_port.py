"""A port for a server that is told which one to take."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A port of 127.0.0.1 that the system gives to nobody for the next half minute, but to who asks for it by its number.

    It had a connection that this side closed first. A server that sets SO_REUSEADDR can listen there all the same.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address: tuple[str, int] = listener.getsockname()
        with socket.create_connection(address):
            listener.accept()[0].close()
    return address[1]
