"""The port of an index on this machine, at which several `wharf run` serve at once."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from wharf.errors import WharfError
from wharf.run_port import handover, run_search
from wharf.run_port.handover import HandoverError
from wharf.run_port.loopback_listener import BACKLOG, listening_at
from wharf.run_port.run_search import PATIENCE, TALK, Found
from wharf.run_port.run_sockets import delete_dead, digest_of, name_of, new_name_of, sockets_of_others

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from wharf.run_port.handover import Run
    from wharf.secret import Secret

Passed = Literal["mine", "nobody's", "there", "later"]
"""For whom a connection is: this run; no run that is known; another, which has it now; one that can take none at the moment."""

_AGAIN = {"gone": PATIENCE, "not yet": 3.0, "": 0.0}  # seconds for which a run that ends or begins is looked for again
_PAUSE = 0.01


class PortTakenError(WharfError):
    """The port can be neither taken nor shared. The message says why, as the end of a sentence."""

    code = "port"


class SharedPort:
    """One run at a port. `folders` are private ones (see `private_folder`); without any it shares with nobody.

    - The listening socket is one. Whoever comes first makes it, the others get a duplicate of it, and it lives as long as any
      of them, however the others end. So nobody shuts it down.
    - Each run has its own password. It answers by its own options and its own token to whoever has that password. A
      connection that another run happens to accept is passed on to it.
    - A run can be found before it has the port, and is found no more only after it has closed its socket. So if no run is
      found, whoever has the port is no run of this person.
    - Runs find each other by sockets in a private folder. Whoever has the port without one is a stranger, to whom nothing is
      said.
    - A connection that comes before somebody takes it waits; there are at most `BACKLOG` of these.
    - `listen` and `listen_elsewhere` come first, in one thread. All else may be called from any thread, `close` more than once.
    """

    def __init__(self, number: int, password: Secret, run: Run, folders: Sequence[Path]) -> None:
        self.number = number
        self.run = run
        self.beside: Run | None = None
        """The run that had the port before, if it is shared."""
        self._listener: socket.socket | None = None
        self._folders = folders
        self._own = digest_of(password)
        self._path: Path | None = None
        self._unix_socket: socket.socket | None = None
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
                listener = listening_at(self.number)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
            else:
                self._listens(listener)
                return
            found = run_search.ask_for_listener(self._others(), self.number, begin + run_search.PATIENCE)
            if isinstance(found, Found):
                self.beside = found.run
                self._listens(found.listener)
                return
            if time.monotonic() > begin + _AGAIN[found.passing]:
                raise PortTakenError(found.reason or reason)
            time.sleep(_PAUSE)

    def listen_elsewhere(self) -> None:
        """Listen at a free port, which this run has from now on."""
        listener = listening_at(0)
        self.number = int(listener.getsockname()[1])
        if self._path is not None:
            path = self._path.with_name(name_of(self.number, self._own))
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
            digest = digest_of(password)
            if digest == self._own:
                return "mine"
            for folder in self._folders:
                try:
                    with handover.call(folder / name_of(self.number, digest)) as other:
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
        if self._unix_socket is not None:
            with suppress(OSError):
                self._unix_socket.shutdown(socket.SHUT_RDWR)  # wakes the thread
            self._unix_socket.close()
        delete_dead(self._folders)

    def _open(self) -> None:
        """Be found by the others. With a name only once somebody listens: one without is of the dead."""
        for folder in self._folders:
            unix_socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            path, new = folder / name_of(self.number, self._own), folder / new_name_of(self._own)
            try:
                unix_socket.bind(os.fspath(new))
                unix_socket.listen(BACKLOG)
                new.rename(path)
            except OSError:
                unix_socket.close()
                continue  # the disk is full, or read-only
            self._unix_socket, self._path = unix_socket, path
            threading.Thread(target=self._attend, args=(unix_socket,), name="runs", daemon=True).start()
            return

    def _listens(self, listener: socket.socket) -> None:
        with self._lock:
            self._listener = listener

    def _others(self) -> list[Path]:
        return sockets_of_others(self._folders, self.number, self._path)

    def _attend(self, unix_socket: socket.socket) -> None:
        """Answer the other runs until the end. In a thread, as the rest of this one may be busy with its imports."""
        while not self._ended:
            try:
                connection, _ = unix_socket.accept()
            except OSError:
                time.sleep(_PAUSE)  # the end, or for the moment there are too many open files
                continue
            with connection, suppress(OSError, HandoverError):
                connection.settimeout(TALK)
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
