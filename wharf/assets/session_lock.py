"""The lock of the folder of all upload sessions: one thread of one process at a time writes there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from typing import TYPE_CHECKING

from wharf.system import file_lock, owner_only_folder, regular_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class SessionLock:
    """`turn` first, then `alone`: threads of this process wake each other up, and other processes have to be asked again.

    Both raise LockedError where somebody else has it for too long.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / "lock"
        self._turn = threading.Lock()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Be the only thread here that wants the lock."""
        file_lock.take_turn(self._turn, self._path)
        try:
            yield
        finally:
            self._turn.release()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock of the folder, which is made where it is missing."""
        try:
            handle = self._opened()
        except FileNotFoundError:
            owner_only_folder.make(self._root)
            handle = self._opened()
        try:
            file_lock.take(handle, fcntl.LOCK_EX, self._path)
            yield
        finally:
            os.close(handle)

    def wait_for_writer(self) -> None:
        """Wait for a thread that has the lock already, and so ends."""
        with self._turn:
            pass

    def _opened(self) -> int:
        return regular_file.handle_of(self._path, 2, os.O_RDWR | os.O_CREAT)
