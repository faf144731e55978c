"""The socket that a server listens on, and what helps where there is none."""

from __future__ import annotations

import contextlib
import errno
import resource
import socket

from wharf.errors import UsageError

_FILES = 10_240
"""Open files that every system allows where the hard limit names more than there can be (macOS)."""


def listen(host: str, port: int) -> socket.socket:
    """A bound socket. Raises UsageError, with the way out of whatever it was."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise UsageError(
            f"{host!r} is neither an address nor a name that this machine can look up.",
            "Give an address of this machine, as in --host 127.0.0.1; --host 0.0.0.0 means each of them.",
        ) from error
    listener = None
    try:
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise UsageError(
            f"wharf cannot listen on {host}:{port}: {error.strerror or error}.", _way_out(error.errno, host, port)
        ) from error
    return listener


def _way_out(number: int | None, host: str, port: int) -> str:
    if number == errno.EADDRINUSE:
        return f"Another program listens there. --port 0 takes a free port, and --port {port + 1} may be one."
    if number == errno.EADDRNOTAVAIL:
        only = "--host 0.0.0.0 means each of its addresses, --host 127.0.0.1 the machine alone."
        return f"{host} is not an address of this machine. {only}"
    if number in {errno.EACCES, errno.EPERM} and 0 < port < 1024:
        return "The system does not let this user take a port below 1024. Take a higher one, as in --port 8000."
    if number == errno.EAFNOSUPPORT:
        return "This machine does not have that kind of address (IPv6?). --host 127.0.0.1 and --host 0.0.0.0 are IPv4."
    return "Give another address with --host, or another port with --port."


def allow_open_files() -> None:
    """Raise the limit of open files to what this user may have: each connection is one, and the usual limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in () if soft == hard else (hard, max(soft, _FILES)):
        with contextlib.suppress(ValueError, OSError):  # the system has its own limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return
