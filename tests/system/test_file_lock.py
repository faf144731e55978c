"""Waits for locks: they end, they say for whom, and they cost nothing where nobody is in the way."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from wharf.errors import LockedError
from wharf.system import file_lock
from wharf.system.file_lock import Patience

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who holds a lock")
HOLD = (
    "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "lock").touch()
    return tmp_path / "lock"


@pytest.fixture
def handle(path: Path) -> Iterator[int]:
    found = os.open(path, os.O_RDONLY)
    yield found
    os.close(found)


@pytest.fixture
def other(path: Path) -> Iterator[int]:
    """Another handle of the same file, which counts as that of another process does."""
    found = os.open(path, os.O_RDONLY)
    yield found
    os.close(found)


def test_a_lock_that_is_free_is_taken_by_the_first_try(handle: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    flock = fcntl.flock

    def counted(handle: int, kind: int) -> None:
        calls.append(kind)
        flock(handle, kind)

    monkeypatch.setattr(fcntl, "flock", counted)
    with file_lock.patience(Patience(most=0.0)):
        file_lock.take(handle, fcntl.LOCK_EX, path)
    assert calls == [fcntl.LOCK_EX | fcntl.LOCK_NB]


@pytest.mark.parametrize(
    ("held", "wanted", "waits"),
    [
        (fcntl.LOCK_EX, fcntl.LOCK_SH, True),
        (fcntl.LOCK_SH, fcntl.LOCK_EX, True),
        (fcntl.LOCK_SH, fcntl.LOCK_SH, False),
    ],
)
def test_a_wait_ends_with_an_error_that_names_the_lock_and_its_holder(
    handle: int, other: int, path: Path, held: int, wanted: int, waits: bool
) -> None:
    fcntl.flock(other, held)
    with file_lock.patience(Patience(most=0.0)):
        if not waits:
            file_lock.take(handle, wanted, path)
            return
        with pytest.raises(LockedError) as caught:
            file_lock.take(handle, wanted, path)
    assert str(path) in caught.value.message
    assert "run the same command again" in caught.value.hint
    assert caught.value.exit_code == 8
    if sys.platform == "linux":
        assert f"process {os.getpid()}" in caught.value.message


@pytest.mark.parametrize("patience", [Patience(most=0.02), Patience(end=0.0)])
def test_the_shortest_bound_counts(handle: int, other: int, path: Path, patience: Patience) -> None:
    fcntl.flock(other, fcntl.LOCK_EX)
    with file_lock.patience(patience), pytest.raises(LockedError):
        file_lock.take(handle, fcntl.LOCK_SH, path)
    with file_lock.patience(Patience(most=60.0)), pytest.raises(LockedError):
        file_lock.take(handle, fcntl.LOCK_SH, path, 0.0)


def test_who_waits_says_so_once_and_has_the_lock_when_it_is_given_back(
    handle: int, other: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_lock, "TELL_AFTER", 0.0)
    fcntl.flock(other, fcntl.LOCK_EX)
    said: list[str] = []

    def tell(text: str) -> None:
        said.append(text)
        fcntl.flock(other, fcntl.LOCK_UN)

    with file_lock.patience(Patience(most=60.0, tell=tell)):
        file_lock.take(handle, fcntl.LOCK_EX, path)
    (text,) = said
    assert str(path) in text
    assert "waiting up to 60 s" in text
    with pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_threads_of_one_process_have_turns_with_an_end(path: Path) -> None:
    turn = threading.Lock()
    with file_lock.patience(Patience(most=0.0)):
        file_lock.take_turn(turn, path)
        with pytest.raises(LockedError, match="other requests"):
            file_lock.take_turn(turn, path)
        turn.release()
        file_lock.take_turn(turn, path)


@linux
@pytest.mark.slow
def test_the_process_that_holds_it_is_named_and_that_it_is_stopped(handle: int, path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert f"process {holder.pid} (" in (named := file_lock.holders(handle))
        assert "stopped" not in named
        os.kill(holder.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, holder.pid, os.WSTOPPED)
        assert f"`kill -CONT {holder.pid}`" in file_lock.holders(handle)
    finally:
        holder.kill()
        holder.communicate()
    assert file_lock.holders(handle) == "another process"


@linux
def test_of_many_holders_some_are_named(monkeypatch: pytest.MonkeyPatch, handle: int) -> None:
    found = os.fstat(handle)
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    lines = [f"{number}: FLOCK  ADVISORY  READ {number} {place} 0 EOF" for number in range(1 << 22, (1 << 22) + 5)]
    waits = f"9: -> FLOCK  ADVISORY  WRITE 77 {place} 0 EOF\n10: POSIX  ADVISORY  WRITE 78 {place} 0 EOF"
    monkeypatch.setattr(file_lock, "_read", lambda path: "\n".join([*lines, waits]) if path == "/proc/locks" else "")
    assert file_lock.holders(handle).endswith("and 2 more")
    assert file_lock.holders(handle).count("process") == 3
