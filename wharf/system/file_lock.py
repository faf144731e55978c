"""Locks on files (`flock`) that others may hold for long: every wait has an end, and whoever waits is told for whom.

Nothing waits where the lock is free: the first try costs the one system call that a lock costs anyway.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wharf.errors import LockedError
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

IN_COMMAND: Final = 60.0
"""Seconds for which a command waits for one lock."""
IN_REQUEST: Final = 30.0
"""Seconds of all such waits of one request to a server: uploaders wait for an answer for a minute, and proxies no longer."""
TELL_AFTER: Final = 2.0
"""Seconds of a wait after which it is told."""

_FIRST, _LONGEST, _GROWTH = 0.001, 0.05, 1.5  # seconds between two tries, which become longer
_SHOWN = 3  # holders that are named
_KEPT = 64 << 10  # bytes of a file in /proc that are read


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a lock is waited for: `most` seconds each, until `end` at the latest (`elapsed`); and who is told (a text)."""

    most: float = IN_REQUEST
    end: float = float("inf")
    tell: Callable[[str], object] = lambda _text: None


_patience: ContextVar[Patience] = ContextVar("patience", default=Patience())  # noqa: B039 - it never changes


@contextlib.contextmanager
def patience(given: Patience) -> Iterator[None]:
    """Wait so long for locks meanwhile, in this thread. Threads that it starts do not know of that."""
    before = _patience.set(given)
    try:
        yield
    finally:
        _patience.reset(before)


def take(handle: int, kind: int, path: Path, most: float | None = None) -> None:
    """Lock an open file, shared or alone (LOCK_SH, LOCK_EX); `path` is where it lies. Closing the file gives the lock back.

    `most` is in seconds, where it is another time than usual. Raises LockedError after that, and OSError where there are no
    locks.
    """
    if not _is_taken(handle, kind):
        _wait(lambda seconds: _is_taken_after(seconds, handle, kind), path, lambda: holders(handle), most)


def take_turn(turn: threading.Lock, path: Path) -> None:
    """The same for the turn among the threads of this process that want the lock of a file."""
    if not turn.acquire(blocking=False):
        _wait(lambda seconds: turn.acquire(timeout=seconds), path, lambda: "other requests to this server", None)


def _is_taken(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_taken_after(seconds: float, handle: int, kind: int) -> bool:
    time.sleep(seconds)
    return _is_taken(handle, kind)


def _wait(again: Callable[[float], bool], path: Path, holding: Callable[[], str], most: float | None) -> None:
    """Try again until it is there. Each try may wait for the seconds that it is given."""
    given, began = _patience.get(), elapsed()
    end = min(given.end, began + (given.most if most is None else most))
    pause, told = _FIRST, False
    while (left := end - elapsed()) > 0:
        if again(min(pause, left)):
            return
        pause = min(pause * _GROWTH, _LONGEST)
        if not told and elapsed() - began >= TELL_AFTER:
            told = True
            given.tell(f"waiting up to {end - began:.0f} s for the lock {path}, which is held by {holding()}")
    raise LockedError(path, holding(), max(0.0, elapsed() - began))


def holders(handle: int) -> str:
    """The processes that have locked the file of a handle, in words. Only Linux tells who they are (proc_locks(5))."""
    file = os.fstat(handle)
    place = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    lines = [line.split() for line in _read("/proc/locks").splitlines()]
    # 1: FLOCK ADVISORY WRITE 4242 08:01:1234 0 EOF; whoever waits has an arrow behind the number.
    found = sorted({int(line[4]) for line in lines if len(line) > 5 and line[1] == "FLOCK" and line[5] == place})
    if not found:
        return "another process"
    more = [f"{len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return " and ".join([*map(_named, found[:_SHOWN]), *more])


def _named(process: int) -> str:
    """A process by its number, with its name, and whether it is stopped."""
    fields = dict(line.partition(":")[::2] for line in _read(f"/proc/{process}/status").splitlines())
    name, state = (fields.get(each, "").strip() for each in ("Name", "State"))
    words = f"process {process}{f' ({name})' if name.isprintable() and name else ''}"
    return f"{words}, which is stopped (`kill -CONT {process}` lets it continue)" if state[:1] in {"T", "t"} else words


def _read(path: str) -> str:
    """A file of the system, or nothing where there is none."""
    try:
        with Path(path).open("rb") as file:
            return file.read(_KEPT).decode(errors="replace")
    except OSError:
        return ""
