"""The port of an index on this machine, at which several `wharf run` serve at once.

- The listening socket is one. Whoever comes first makes it, the others get a duplicate of it, and it lives as long as any of
  them, however the others end.
- Each run has a password of its own, and answers by its own options and its own token to whoever bears it. A connection that
  another run happens to accept is passed on to it.
- Runs find each other by sockets in a private folder. Whoever has the port without one is a stranger, to whom nothing is said.
"""

from __future__ import annotations

import os
import selectors
import socket
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from wharf.errors import WharfError
from wharf.run_port import handover
from wharf.run_port.handover import HandoverError, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from wharf.secret import Secret

LOOPBACK: Final = "127.0.0.1"
BACKLOG: Final = 2048
"""Connections that may wait: uv opens dozens at once, some before anybody answers."""
PATIENCE: Final = 10.0
"""Seconds in which a run has to say whether it listens: one that is stopped never does."""
NAME_LENGTH: Final = len("run--65535-") + 20 + 32
"""Bytes of the longest name of a run's socket: a network, a port, a digest."""

Passed = Literal["mine", "nobody's", "there", "later"]
"""For whom a connection is: this run; no run that is known; another, which has it now; one that can take none at the moment."""

_AGAIN = {"gone": PATIENCE, "not yet": 3.0}  # seconds for which a run that ends or begins is looked for again
_PAUSE = 0.01
_TALK = 1.0  # seconds for a message that has begun
_ASKED = 64  # runs, at most, that are asked for the socket
_SWEPT = 256  # sockets, at most, of which a run sees at its end whether somebody is behind them
_NEW = 60.0  # seconds after which a socket that has no name yet is of a run that was killed: it needs a moment


class PortTakenError(WharfError):
    """The port cannot be had, nor shared. The message says why, as the end of a sentence."""

    code = "port"


class SharedPort:
    """One run at a port. `folders` are private ones (see `private_folder`); without any it shares with nobody."""

    def __init__(self, number: int, password: Secret, run: Run, folders: Sequence[Path]) -> None:
        self.number = number
        self.run = run
        self.beside: Run | None = None
        """The run that had the port before, if it is shared."""
        self._listener: socket.socket | None = None
        self._folders = folders
        self._own = _digest(password)
        self._path: Path | None = None
        self._door: socket.socket | None = None
        self._lock = threading.Lock()
        self._receiver: Callable[[socket.socket], None] | None = None
        self._early: list[socket.socket] = []
        self._ended = False

    @property
    def listener(self) -> socket.socket:
        """The listening socket: not of this process alone, so that nobody may shut it down."""
        if self._listener is None:
            raise TypeError("it does not listen")
        return self._listener

    def listen(self) -> None:
        """Listen at the port, on a socket that is made or shared. Raises PortTakenError.

        A run can be found before it has the port: so, if none is found, whoever has it is no run of this person.
        """
        self._open()
        begin = time.monotonic()
        while True:
            try:
                listener = _bound(self.number)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
            else:
                self._listens(listener)
                return
            shared, why = self._asked(begin + PATIENCE)
            if shared is not None:
                self._listens(shared)
                return
            if time.monotonic() > begin + _AGAIN.get(why, 0.0):
                raise PortTakenError(reason if why in {"", *_AGAIN} else why)
            time.sleep(_PAUSE)

    def listen_elsewhere(self) -> None:
        """Listen at a free port, which this run has from now on."""
        listener = _bound(0)
        self.number = int(listener.getsockname()[1])
        if self._path is not None:
            path = self._path.with_name(_name(self.number, self._own))
            self._path.rename(path)
            self._path = path
        self._listens(listener)

    def receive(self, receiver: Callable[[socket.socket], None]) -> None:
        """Have somebody take the connections that are passed on to this run, in any thread; those that came before at once."""
        with self._lock:
            self._receiver = receiver
            early, self._early = self._early, []
        for connection in early:
            receiver(connection)

    def pass_on(self, connection: socket.socket, passwords: Iterable[Secret]) -> Passed:
        """Give a connection whose client bears one of these passwords to the run that it is for."""
        for password in passwords:
            digest = _digest(password)
            if digest == self._own:
                return "mine"
            for folder in self._folders:
                try:
                    with handover.call(folder / _name(self.number, digest)) as other:
                        handover.say(other, "connection", connection)
                except BlockingIOError:
                    return "later"
                except (OSError, HandoverError):
                    continue  # there is none, or it has ended
                return "there"
        return "nobody's"

    def leave(self, connection: socket.socket) -> bool:
        """Give a connection to any other run, which passes it on if need be: this one ends. False if there is none."""
        for path in self._others():
            with suppress(OSError, HandoverError), handover.call(path) as other:
                handover.say(other, "connection", connection)
                return True
        return False

    def close(self) -> None:
        """Listen no more, and then be found no more: whoever finds this run and not its socket looks once more."""
        with self._lock:
            self._ended = True
            early, self._early = self._early, []
        for connection in early:
            connection.close()
        if self._listener is not None:
            self._listener.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        if self._door is not None:
            with suppress(OSError):
                self._door.shutdown(socket.SHUT_RDWR)  # wakes the thread
            self._door.close()
        _sweep(self._folders)

    def _open(self) -> None:
        """Be found by the others. With a name only once somebody listens: one without is of the dead."""
        for folder in self._folders:
            door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            path, new = folder / _name(self.number, self._own), folder / f"new-{self._own}"
            try:
                door.bind(os.fspath(new))
                door.listen(BACKLOG)
                new.rename(path)
            except OSError:
                door.close()
                continue  # the disk is full, or read-only
            self._door, self._path = door, path
            threading.Thread(target=self._attend, args=(door,), name="runs", daemon=True).start()
            return

    def _listens(self, listener: socket.socket) -> None:
        with self._lock:
            self._listener = listener

    def _asked(self, until: float) -> tuple[socket.socket | None, str]:
        """The listening socket, from whichever run answers first; else why none gives it."""
        why = ""
        with ExitStack() as stack:
            selector = stack.enter_context(selectors.DefaultSelector())
            for path in self._others():
                try:
                    connection = stack.enter_context(handover.call(path))
                    handover.say(connection, "listen")
                except (ConnectionRefusedError, FileNotFoundError, BrokenPipeError, ConnectionResetError):
                    path.unlink(missing_ok=True)
                    why = "gone"
                except (OSError, HandoverError):
                    continue
                else:
                    selector.register(connection, selectors.EVENT_READ, _told(connection))
            while selector.get_map() and (left := until - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    selector.unregister(key.fileobj)
                    listener, why = self._answered(key)
                    if listener is not None:
                        return listener, ""
            silent = [key.data for key in selector.get_map().values()]
        return None, f"{silent[0]} does not answer: it may be stopped" if silent else why

    def _answered(self, key: selectors.SelectorKey) -> tuple[socket.socket | None, str]:
        connection = key.fileobj
        if not isinstance(connection, socket.socket):
            raise TypeError("only sockets are waited for")
        connection.settimeout(_TALK)
        try:
            reply = handover.read_reply(connection)
        except HandoverError:
            return None, f"{key.data} is of another version"
        except OSError:
            return None, "gone"
        if reply.listener is None:
            return None, "not yet"
        if not _listens_at(reply.listener, self.number):
            reply.listener.close()
            return None, f"{key.data} gives another socket than that of the port"
        self.beside = reply.run
        return reply.listener, ""

    def _others(self) -> list[Path]:
        """The sockets of all other runs at this port, dead ones among them."""
        begin = _name(self.number, "")
        found: list[Path] = []
        for folder in self._folders:
            with suppress(OSError):
                found += [each for each in folder.iterdir() if each.name.startswith(begin) and each != self._path]
        return found[:_ASKED]

    def _attend(self, door: socket.socket) -> None:
        """Answer the other runs until the end. In a thread, as the rest of this one may be busy with its imports."""
        while not self._ended:
            try:
                connection, _ = door.accept()
            except OSError:
                time.sleep(_PAUSE)  # the end, or for the moment there are too many open files
                continue
            with connection, suppress(OSError, HandoverError):
                connection.settimeout(_TALK)
                if handover.is_mine(connection):
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        message = handover.hear(connection)
        if message.verb == "listen":
            with self._lock:
                handover.reply(connection, self.run, None if self._ended else self._listener)
        if message.socket is not None:
            self._take(message.socket)

    def _take(self, passed: socket.socket) -> None:
        with self._lock:
            receiver = self._receiver
            fits = not self._ended and len(self._early) < BACKLOG
            if fits and receiver is None:
                self._early.append(passed)
        if not fits:
            passed.close()
        elif receiver is not None:
            receiver(passed)


def find(number: int, password: Secret, folders: Iterable[Path]) -> Run | None:
    """The run with that password at that port, if it is alive."""
    for folder in folders:
        try:
            with handover.call(folder / _name(number, _digest(password))) as connection:
                connection.settimeout(PATIENCE)
                handover.say(connection, "listen")
                reply = handover.read_reply(connection)
        except (OSError, HandoverError):
            continue
        if reply.listener is not None:
            reply.listener.close()
            return reply.run
    return None


def _sweep(folders: Iterable[Path]) -> None:
    """Delete the sockets of runs that were killed."""
    for folder in folders:
        with suppress(OSError):
            for path in list(folder.glob("run-*"))[:_SWEPT]:
                try:
                    handover.call(path).close()
                except ConnectionRefusedError:
                    path.unlink(missing_ok=True)
                except (OSError, HandoverError):
                    continue
            for path in list(folder.glob("new-*"))[:_SWEPT]:
                if time.time() - path.lstat().st_mtime > _NEW:
                    path.unlink(missing_ok=True)


def _told(connection: socket.socket) -> str:
    """The run at the other end, for people."""
    pid = handover.peer(connection)[1]
    return f"another `wharf run` (process {pid})" if pid > 0 else "another `wharf run`"


def _digest(password: Secret) -> str:
    return password.sha256()[:32]


def _name(number: int, digest: str) -> str:
    """With the network that the port is in: containers can share a folder and have a loopback each."""
    return f"run-{_network()}-{number}-{digest}"


def _network() -> int:
    try:
        return Path("/proc/self/ns/net").stat().st_ino
    except OSError:
        return 0


def _bound(number: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, number))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _listens_at(listener: socket.socket, number: int) -> bool:
    """Whether that is what a run listens on."""
    return (
        listener.family == socket.AF_INET
        and listener.type == socket.SOCK_STREAM
        and bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
        and listener.getsockname() == (LOOPBACK, number)
    )
