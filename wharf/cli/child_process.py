"""The command that runs beside an index: what it finds in its environment, which signals it gets, and how it ended."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wharf.cli import other_indexes
from wharf.errors import WharfError
from wharf.run_port.loopback_listener import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType

    from wharf.secret import Secret

NAME: Final = "wharf"
"""What the index is called where a tool wants a name for it; also the user name, of which only the password counts."""

_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_OF_THE_TERMINAL = (signal.SIGINT, signal.SIGQUIT)  # Ctrl-C and Ctrl-\ reach the command by themselves
# No command needs these; and a token can do more than the command itself may.
_NOT_HANDED_ON = frozenset({"WHARF_WEBHOOK_SECRET", "WHARF_APP_ID", "WHARF_APP_KEY"})
_LOCAL = (LOOPBACK, "localhost")


class NoCommandError(WharfError):
    """A command that is not there (exit code 127), or cannot be started (126): what shells say then."""

    code = "command"

    def __init__(self, message: str, hint: str, exit_code: int) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code


def environment(
    before: Mapping[str, str], port: int, password: Secret, *, at: str = "", keep_indexes: bool = False
) -> dict[str, str]:
    """The environment of the command: that of wharf, and where each tool looks for an index and its password.

    `at` is a moment: then it is the index as it was. Other indexes, which could win a name, are closed unless the person keeps
    them.
    pip and pipenv know no other place for a password than the address; for the rest it stands beside it, so that addresses in
    lock files are without ("Environment variables" of uv, "Repositories" of poetry, "Configurations" of PDM).
    """
    secret = password.reveal()
    address = f"http://{LOOPBACK}:{port}/{f'@{at}/' if at else ''}simple/"
    with_password = address.replace("://", f"://{NAME}:{secret}@")
    others = [each for each in before.get("UV_INDEX", "").split() if not each.startswith(f"{NAME}=")]
    credentials = {
        f"{prefix}{part}": value
        for prefix in ("WHARF_INDEX_", f"UV_INDEX_{NAME.upper()}_", f"POETRY_HTTP_BASIC_{NAME.upper()}_", "PDM_PYPI_")
        for part, value in (("USERNAME", NAME), ("PASSWORD", secret))
    }
    return {
        **{
            name: value
            for name, value in other_indexes.without(before, keep=keep_indexes).items()
            if name not in _NOT_HANDED_ON
        },
        **({} if keep_indexes else other_indexes.closing(with_password)),
        **credentials,
        "WHARF_INDEX_URL": address,
        "PIP_INDEX_URL": with_password,
        "PIPENV_PYPI_MIRROR": with_password,
        "PDM_PYPI_URL": address,
        "UV_INDEX": " ".join([f"{NAME}={address}", *others]),  # uv takes a name from the first index that has it
        "NO_PROXY": _no_proxy(before, "NO_PROXY", "no_proxy"),
        "no_proxy": _no_proxy(before, "no_proxy", "NO_PROXY"),
    }


def _no_proxy(before: Mapping[str, str], name: str, other: str) -> str:
    """The hosts that no proxy stands before, with this machine. Tools read the one or the other spelling."""
    hosts = [each.strip() for each in (before.get(name) or before.get(other, "")).split(",") if each.strip()]
    return "*" if "*" in hosts else ",".join(dict.fromkeys((*hosts, *_LOCAL)))  # beside others some tools do not know the star


class Child:
    """One command in wharf's own process group, so that it has the terminal as if it had been started without wharf."""

    def __init__(self, words: Sequence[str], environ: Mapping[str, str]) -> None:
        self._words = words
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def start(self) -> None:
        """Start it, and hand it signals from now on, to nobody once it has ended: what was meant for it does not stop wharf.

        Raises NoCommandError.
        """
        for each in (*_PASSED_ON, *_OF_THE_TERMINAL):
            if signal.getsignal(each) is not signal.SIG_IGN:  # as under nohup: the command inherits that
                signal.signal(each, self._hand_on)
        self._process = self._start()
        for early in self._early:
            self._send(early)

    def wait(self) -> int:
        """Its exit code once it has ended; -N if signal N ended it. For the main thread, which alone handles signals.

        A signal that comes just before a wait for the process itself, or to another thread, stays unseen until the next one. So
        the main thread waits for a byte in a pipe, and another thread for the process (`signal.set_wakeup_fd`).
        """
        process = self._process
        if process is None:
            raise TypeError("it was not started")
        with _woken_by_signals() as (woken, wakes):

            def tell_end() -> None:
                process.wait()
                with contextlib.suppress(BlockingIOError):  # the pipe is full, and so the main thread does not wait
                    os.write(wakes, b"\0")

            end = threading.Thread(target=tell_end, daemon=True)
            end.start()
            while process.returncode is None:
                os.read(woken, 4096)
            end.join()
        return process.returncode

    def _start(self) -> subprocess.Popen[bytes]:
        name = self._words[0]
        try:
            # Open files beyond the first three are for the command: `pip install -r <(...)`. wharf's own files are never
            # inherited.
            return subprocess.Popen(self._words, env=dict(self._environ), close_fds=False)
        except FileNotFoundError as error:
            if "/" in name and Path(name).exists():
                raise NoCommandError(
                    f"{name}: the program that its first line names is not there.", "Fix that line.", 126
                ) from error
            raise NoCommandError(f"There is no command {name!r}.", "Is it installed, and on the PATH?", 127) from error
        except OSError as error:
            raise NoCommandError(f"{name!r} cannot be run: {error.strerror}.", "", 126) from error

    def _hand_on(self, number: int, _frame: FrameType | None) -> None:
        if number in _OF_THE_TERMINAL and _in_foreground():
            return
        if self._process is None:
            self._early.append(number)
        else:
            self._send(number)

    def _send(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(PermissionError):  # it is somebody else by now, as sudo is: it goes on, and its index too
                self._process.send_signal(number)


@contextlib.contextmanager
def _woken_by_signals() -> Iterator[tuple[int, int]]:
    """The ends of a pipe, to read from and to write to: Python writes a byte for each signal that it handles."""
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    before = signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    try:
        yield woken, wakes
    finally:
        signal.set_wakeup_fd(before)
        os.close(woken)
        os.close(wakes)


def die_of(number: int) -> int:
    """End wharf by the signal that ended the command. The exit code of a shell in that case, where it does not kill."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the command has written its core already
    flush()
    if number not in {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number


def flush() -> None:
    """Write what was said, before the process ends at once. There may be no stderr, or nobody who reads it."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()


def _in_foreground() -> bool:
    """Whether the terminal sends its signals to wharf's process group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
