"""How a run finds the others: it asks each of them for the listening socket of their port."""

from __future__ import annotations

import selectors
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from wharf.run_port import handover
from wharf.run_port.handover import HandoverError
from wharf.run_port.loopback_listener import listens_at
from wharf.run_port.run_sockets import digest_of, name_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from wharf.run_port.handover import Run
    from wharf.secret import Secret

PATIENCE: Final = 10.0
"""Seconds in which a run has to say whether it listens: one that is stopped never does."""
TALK: Final = 1.0
"""Seconds for a message that has begun."""


@dataclass(frozen=True, slots=True)
class Found:
    """The listening socket, and the run that gave it."""

    listener: socket.socket
    run: Run


@dataclass(frozen=True, slots=True)
class NotFound:
    """Why no run gave it. `passing`: a run ends ("gone") or begins ("not yet"), and it is worth another try.

    `reason` is the end of a sentence; it is empty where there is no other run.
    """

    passing: Literal["gone", "not yet", ""] = ""
    reason: str = ""


def ask_for_listener(sockets: Iterable[Path], number: int, until: float) -> Found | NotFound:
    """The listening socket of a port, from whichever run answers first. `until` is a time of `time.monotonic`.

    Sockets of runs that have ended are deleted.
    """
    why = NotFound()
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for path in sockets:
            try:
                connection = stack.enter_context(handover.call(path))
                handover.say(connection, "listen")
            except (ConnectionRefusedError, FileNotFoundError, BrokenPipeError, ConnectionResetError):
                path.unlink(missing_ok=True)
                why = NotFound("gone")
            except (OSError, HandoverError):
                continue
            else:
                selector.register(connection, selectors.EVENT_READ, _for_people(connection))
        while selector.get_map() and (left := until - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                selector.unregister(key.fileobj)
                answer = _answer(key, number)
                if isinstance(answer, Found):
                    return answer
                why = answer
        silent = [key.data for key in selector.get_map().values()]
    return NotFound(reason=f"{silent[0]} does not answer: it may be stopped") if silent else why


def _answer(key: selectors.SelectorKey, number: int) -> Found | NotFound:
    connection = key.fileobj
    if not isinstance(connection, socket.socket):
        raise TypeError("only sockets are waited for")
    connection.settimeout(TALK)
    try:
        reply = handover.read_reply(connection)
    except HandoverError:
        return NotFound(reason=f"{key.data} is of another version")
    except OSError:
        return NotFound("gone")
    if reply.listener is None:
        return NotFound("not yet")
    if not listens_at(reply.listener, number):
        reply.listener.close()
        return NotFound(reason=f"{key.data} gives another socket than that of the port")
    return Found(reply.listener, reply.run)


def find(number: int, password: Secret, folders: Iterable[Path]) -> Run | None:
    """The run with that password at that port, if it is alive."""
    for folder in folders:
        try:
            with handover.call(folder / name_of(number, digest_of(password))) as connection:
                connection.settimeout(PATIENCE)
                handover.say(connection, "listen")
                reply = handover.read_reply(connection)
        except (OSError, HandoverError):
            continue
        if reply.listener is not None:
            reply.listener.close()
            return reply.run
    return None


def _for_people(connection: socket.socket) -> str:
    """The run at the other end, as a person knows it."""
    pid = handover.peer(connection)[1]
    return f"another `wharf run` (process {pid})" if pid > 0 else "another `wharf run`"
