"""One ref moved in this process, where it has its own file ("gitrepository-layout", "git-update-ref": the lock of a ref).

Git takes a lock file beside the ref, compares, writes, syncs, appends to the log of the ref, and renames the lock. The same is
done here, so that each sees the locks of the other. That is a dozen system calls, and no other process has to be waited for.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_STEP = re.compile(r"update (refs/[^ ]+) ([0-9a-f]{40}) ([0-9a-f]{40})")
_ID = re.compile(rb"[0-9a-f]{40}\n")
_ZERO = "0" * 40
_PLAIN = os.O_CLOEXEC | os.O_NOFOLLOW
_MOST = 4096  # bytes of a ref


def move(git_dir: Path, step: str) -> bool | None:
    """Carry out an `update` from one commit to another; False: the ref is at another commit. None: nothing was done, ask git.

    None is for a ref that is new, packed, kept in any other way, locked, or without a log, and for whatever fails here: git
    says then what is wrong. When this is True, the bytes are on the disk. The name is when its folder is synced.
    """
    asked = _STEP.fullmatch(step)
    if asked is None or _ZERO in asked.groups():
        return None
    ref, new, old = asked.groups()
    path, log = f"{git_dir}/{ref}", f"{git_dir}/logs/{ref}"
    try:
        lock = os.open(f"{path}.lock", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except OSError:
        return None
    moved = False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # whoever breaks old locks sees that this one is held, however old it is
        found, mode = _read(path)
        if _ID.fullmatch(found) is None:
            return None
        if found.decode().strip() != old:
            return False
        os.fchmod(lock, mode)  # several accounts may share the repository
        if os.write(lock, f"{new}\n".encode()) != len(found):
            return None
        os.fsync(lock)
        if not is_own(lock, f"{path}.lock"):  # a disk or a machine that stood still: others have broken the lock
            return None
        _note(log, f"{old} {new} wharf <> {int(time.time())} +0000\n")
        os.rename(f"{path}.lock", path)  # noqa: PTH104 - a path costs as much as the call
        moved = True
    except OSError:
        return None
    finally:
        if not moved and is_own(lock, f"{path}.lock"):
            with contextlib.suppress(OSError):
                os.unlink(f"{path}.lock")  # noqa: PTH108 - see above
        os.close(lock)
    return True


def is_own(handle: int, path: str) -> bool:
    """Whether a lock is still the file that was made for it: others break one that is held for long, and make their own."""
    try:
        there, own = os.lstat(path), os.fstat(handle)
    except OSError:
        return False
    return (there.st_ino, there.st_dev) == (own.st_ino, own.st_dev)


def break_dead(path: str, is_old: Callable[[float], bool]) -> None:
    """Delete a lock, if it is old by the time at which it was last written, and no process here holds it.

    Of two who want to break it, one does: the other would delete the lock that the first one takes then. Git holds its locks by
    their names alone, so of those nothing but the age tells.
    """
    try:
        handle = os.open(path, os.O_RDONLY | _PLAIN)
    except OSError:  # it is gone
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # somebody holds it, or breaks it at this moment
            return
        except OSError:  # a share that wants a handle for writing for that: its age tells
            pass
        if is_old(os.fstat(handle).st_mtime) and is_own(handle, path):
            os.unlink(path)  # noqa: PTH108 - see above
    except FileNotFoundError:
        pass
    finally:
        os.close(handle)


def _read(path: str) -> tuple[bytes, int]:
    """What a ref holds, and who may read and write it. Raises OSError for what is no file."""
    handle = os.open(path, os.O_RDONLY | _PLAIN)
    try:
        return os.read(handle, _MOST), os.fstat(handle).st_mode & 0o777
    finally:
        os.close(handle)


def _note(log: str, line: str) -> None:
    """Append to a log that is there: it tells a ref that was lost from one that never was. Raises OSError."""
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | _PLAIN)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)
