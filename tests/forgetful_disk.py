"""A file system that forgets what was not synced: `with forgetful_disk(folder) as disk` mounts one (FUSE, Linux).

It works as any file system until the power goes. `disk.cut(folder)` writes down what is left then, and changes nothing: the
disk works on, so that a test can look at many moments of one run.

- The bytes of a file are those that it had at its last fsync. Without any, the file is empty.
- A name comes or goes with an fsync of its folder (`Names.BY_FOLDER`), as POSIX allows; or with an fsync of any file or folder
  (`Names.BY_JOURNAL`), as ext4 and its like do it.

`forgetful_disk_server.py` is the program that serves it, and `forgetful_model.py` what it serves. Where there is no FUSE,
`traced_disk.py` plays into that what a server did elsewhere.
"""

from __future__ import annotations

import contextlib
import enum
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVER = "tests.forgetful_disk_server"
_ROOT = Path(__file__).parents[1]


class Names(enum.Enum):
    """What makes a name survive."""

    BY_FOLDER = "folder"
    BY_JOURNAL = "journal"


def is_there() -> bool:
    """Whether this machine can mount one."""
    return os.access("/dev/fuse", os.R_OK | os.W_OK) and shutil.which("fusermount3") is not None


@dataclass(frozen=True, slots=True)
class Disk:
    """A mounted file system. `path` is where."""

    path: Path

    def cut(self, folder: Path) -> Path:
        """Write what a power cut at this moment leaves into a new folder elsewhere, and return that."""
        os.setxattr(self.path, "user.cut", str(folder).encode())
        return folder

    def settle(self) -> None:
        """Have all that is there now survive."""
        os.setxattr(self.path, "user.settle", b"")


@contextlib.contextmanager
def forgetful_disk(folder: Path, names: Names) -> Iterator[Disk]:
    """A new one, mounted below a folder."""
    mount = folder / "disk"
    mount.mkdir()
    command = [sys.executable, "-m", _SERVER, str(mount), names.value]
    server = subprocess.Popen(command, cwd=_ROOT, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while not os.path.ismount(mount):
            assert server.poll() is None, "the file system ended"
            assert time.monotonic() < end
            time.sleep(0.01)
        yield Disk(mount)
    finally:
        subprocess.run(["fusermount3", "-u", "-z", str(mount)], check=False)
        server.wait(60)
