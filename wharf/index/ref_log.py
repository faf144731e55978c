"""The log of a ref ("git-reflog"): where the ref was, for whoever has to set it again. Git only appends to it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING, Final

from wharf.index.lone_ref import is_own

if TYPE_CHECKING:
    from pathlib import Path

MOST: Final = 1 << 20
"""Bytes beyond which a log is cut: some 10,000 moves."""
KEPT: Final = 256 << 10
"""Bytes of its end that stay. It never becomes empty, however old it is: whoever sets a lost ref again needs the last line."""


def shorten(git_dir: Path, ref: str) -> None:
    """Cut the logs of a ref and of HEAD, if they are long. That of a ref which somebody moves just now stays.

    Each is cut under the lock that git takes to move the ref, and so to write into the log. If this process dies, the lock is
    broken as that of a git that died (`ref_transaction`). What cannot be cut stays: that says nothing of the ref.
    """
    for each in (ref, "HEAD"):
        log, lock = git_dir / "logs" / each, git_dir / f"{each}.lock"
        with contextlib.suppress(OSError):
            if log.stat().st_size > MOST:
                handle = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX)  # see `lone_ref`
                    _cut(log)
                finally:
                    if is_own(handle, str(lock)):
                        lock.unlink()
                    os.close(handle)


def _cut(log: Path) -> None:
    part = log.with_name(f"{log.name}.lock")  # as git calls it
    with log.open("rb") as file:
        file.seek(-KEPT, os.SEEK_END)
        end, mode = file.read(KEPT), os.fstat(file.fileno()).st_mode & 0o777
    try:
        with part.open("wb") as file:
            os.fchmod(file.fileno(), mode)  # several accounts may write into it
            file.write(end.partition(b"\n")[2])
            file.flush()
            os.fsync(file.fileno())
        part.replace(log)
    except OSError:
        part.unlink(missing_ok=True)
        raise
