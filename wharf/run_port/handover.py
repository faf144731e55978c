"""What the runs at one port say to each other, over sockets that only processes of the same person can reach.

A run can be asked for a duplicate of its listening socket, and is handed connections whose first request bears its password.
Nothing else is said: no password, no token, no page. Both ends look at the other's user id before they believe a word.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from wharf.errors import WharfError

if TYPE_CHECKING:
    from pathlib import Path

PROTOCOL: Final = b"wharf-run 1"
"""The first words of everything that is said. Another number is another version of wharf, which is told and left alone."""

Verb = Literal["listen", "connection"]
"""A wish for the listening socket, or a connection for whoever is told."""

_VERBS: dict[bytes, Verb] = {b"listen": "listen", b"connection": "connection"}
_LONGEST = 4096  # bytes of a message
_LONGEST_INDEX = 300  # characters, each of which may take twelve bytes there
_SOCKETS = 1  # that come with one message
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)  # Linux; a command that is started at that moment must not get them
_MAC_LEVEL, _MAC_CREDENTIALS, _MAC_PID = 0, 1, 2  # SOL_LOCAL, LOCAL_PEERCRED, LOCAL_PEERPID: sys/un.h, which Python has not
_MAC_LENGTH = 76  # of its struct xucred: version, user, number of groups, 16 groups


class HandoverError(WharfError):
    """Whoever is at the other end is somebody else's process, or no run, or one of another version of wharf."""

    code = "handover"


@dataclass(frozen=True, slots=True)
class Run:
    """A run as the others see it: its index in a few words, and a digest of all by which its answers may differ."""

    index: str
    answers: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", self.index[:_LONGEST_INDEX])


@dataclass(frozen=True, slots=True)
class Message:
    """What a run was told, with the socket that came along."""

    verb: Verb
    socket: socket.socket | None


@dataclass(frozen=True, slots=True)
class Reply:
    """A run's answer to the wish for its listening socket: None while it has none."""

    run: Run
    listener: socket.socket | None


def peer(connection: socket.socket) -> tuple[int, int]:
    """User id and process id at the other end of a Unix socket, as the system knows them."""
    if sys.platform == "linux":
        pid, user, _ = struct.unpack("=iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    else:
        _, user = struct.unpack("=II", connection.getsockopt(_MAC_LEVEL, _MAC_CREDENTIALS, _MAC_LENGTH)[:8])
        pid = connection.getsockopt(_MAC_LEVEL, _MAC_PID)
    return user, pid


def is_mine(connection: socket.socket) -> bool:
    """Whether a process of the same person is at the other end."""
    return peer(connection)[0] == os.geteuid()


def call(path: Path) -> socket.socket:
    """A connection to the run at that address, which does not block. Raises OSError, or HandoverError for somebody else's."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.connect(os.fspath(path))
        if not is_mine(connection):
            raise HandoverError(f"{path} is a socket of another user.")
    except (OSError, HandoverError):
        connection.close()
        raise
    return connection


def say(connection: socket.socket, verb: Verb, passed: socket.socket | None = None) -> None:
    """Send a wish, or a connection. Raises OSError."""
    _send(connection, verb.encode(), passed)


def hear(connection: socket.socket) -> Message:
    """What the other end says first. Raises OSError; HandoverError for what no run of this version says."""
    line, passed = _receive(connection)
    verb = _VERBS.get(line.removeprefix(PROTOCOL + b" ")) if line.startswith(PROTOCOL + b" ") else None
    if verb is None:
        if passed is not None:
            passed.close()
        raise HandoverError("This is not said by a run of this version of wharf.")
    return Message(verb, passed)


def reply(connection: socket.socket, run: Run, listener: socket.socket | None) -> None:
    """Answer the wish for the listening socket. Raises OSError."""
    about = json.dumps({"index": run.index, "answers": run.answers}).encode()
    _send(connection, about, listener)


def read_reply(connection: socket.socket) -> Reply:
    """The answer to the wish for the listening socket. Raises OSError; HandoverError for what no run of this version says."""
    line, listener = _receive(connection)
    try:
        if not line.startswith(PROTOCOL + b" "):
            raise HandoverError("This is not said by a run of this version of wharf.")
        about = json.loads(line[len(PROTOCOL) + 1 :])
        return Reply(Run(str(about["index"]), str(about["answers"])), listener)
    except (ValueError, TypeError, KeyError, HandoverError) as error:
        if listener is not None:
            listener.close()
        raise HandoverError("This is not said by a run of this version of wharf.") from error


def _send(connection: socket.socket, words: bytes, passed: socket.socket | None) -> None:
    line = b"%s %s\n" % (PROTOCOL, words)  # so short that it fits at once
    if passed is None:
        connection.sendall(line)
    else:
        socket.send_fds(connection, [line], [passed.fileno()])


def _receive(connection: socket.socket) -> tuple[bytes, socket.socket | None]:
    """One line, and the socket that came with it."""
    line, passed = bytearray(), list[int]()
    try:
        while not line.endswith(b"\n"):
            part, numbers, _, _ = socket.recv_fds(connection, _LONGEST, _SOCKETS, _CLOSE_ON_EXEC)
            passed += numbers
            line += part
            if not part or len(line) > _LONGEST or len(passed) > _SOCKETS:
                raise HandoverError("This is not said by a run of this version of wharf.")
        for each in passed:
            os.set_inheritable(each, False)
        return bytes(line[:-1]), socket.socket(fileno=passed[0]) if passed else None
    except (OSError, HandoverError):
        for each in passed:
            with suppress(OSError):
                os.close(each)
        raise
