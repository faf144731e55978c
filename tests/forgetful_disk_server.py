"""Serves a file system in memory that forgets what was not synced.

`python -m tests.forgetful_disk_server FOLDER folder|journal`; `forgetful_disk.py` says what it does.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mfusepy

from tests.forgetful_model import ForgetfulModel

if TYPE_CHECKING:
    from tests.forgetful_model import Node

_CUT = "user.cut"
_SETTLE = "user.settle"
_ROOM = 1 << 20  # free blocks of 4,096 bytes


class _ForgetfulDisk(mfusepy.Operations):  # type: ignore[misc]
    """The operations that the kernel asks for, one at a time."""

    use_ns = True

    def __init__(self, *, by_journal: bool) -> None:
        self._disk = ForgetfulModel(by_journal=by_journal)
        self._open: dict[int, Node] = {}
        self._handles = itertools.count(1)

    def _opened(self, node: Node) -> int:
        handle = next(self._handles)
        self._open[handle] = node
        return handle

    # What survives

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self._disk.sync(self._open[fh])
        return 0

    fsyncdir = fsync

    def setxattr(self, path: str, name: str, value: bytes, options: int, position: int = 0) -> int:
        if name == _SETTLE:
            self._disk.settle()
        elif name == _CUT:
            self._disk.cut(Path(os.fsdecode(value)))
        else:
            raise OSError(errno.ENOTSUP, name)
        return 0

    # What any file system does

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        node = self._of(path, fh)
        size, (seen, changed) = len(node.data), node.times
        links = 2 if node.is_folder else node.links
        return {
            "st_mode": node.mode,
            "st_ino": node.number,
            "st_nlink": links,
            "st_size": size,
            "st_blocks": size // 512 + 1,
            "st_uid": os.getuid(),
            "st_gid": os.getgid(),
            "st_atime": seen,
            "st_mtime": changed,
            "st_ctime": changed,
        }

    def _of(self, path: str, fh: int | None) -> Node:
        return self._disk.find(path) if fh is None or fh not in self._open else self._open[fh]

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *self._disk.find(path).names]

    def opendir(self, path: str) -> int:
        return self._opened(self._disk.find(path))

    def releasedir(self, path: str, fh: int) -> int:
        return self.release(path, fh)

    def open(self, path: str, flags: int) -> int:
        return self._opened(self._disk.find(path))

    def create(self, path: str, mode: int, fi: object = None) -> int:
        node = self._disk.new(stat.S_IFREG | stat.S_IMODE(mode))
        self._disk.put(path, node)
        return self._opened(node)

    def release(self, path: str, fh: int) -> int:
        del self._open[fh]
        return 0

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return bytes(self._open[fh].data[offset : offset + size])

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self._open[fh].write(data, offset)
        return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        self._of(path, fh).truncate(length)
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        self._disk.put(path, self._disk.new(stat.S_IFDIR | stat.S_IMODE(mode)))
        return 0

    def link(self, target: str, source: str) -> int:
        self._disk.link(self._disk.find(source), target)
        return 0

    def unlink(self, path: str) -> int:
        self._disk.unlink(path)
        return 0

    def rmdir(self, path: str) -> int:
        self._disk.rmdir(path)
        return 0

    def rename(self, old: str, new: str) -> int:
        self._disk.rename(old, new)
        return 0

    def chmod(self, path: str, mode: int) -> int:
        node = self._disk.find(path)
        node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(mode)
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        self._disk.find(path).times = times or (time.time_ns(), time.time_ns())
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        return {
            "f_bsize": 4096,
            "f_frsize": 4096,
            "f_blocks": 2 * _ROOM,
            "f_bfree": _ROOM,
            "f_bavail": _ROOM,
            "f_files": _ROOM,
            "f_ffree": _ROOM,
            "f_favail": _ROOM,
            "f_namemax": 255,
        }


if __name__ == "__main__":
    mfusepy.FUSE(
        _ForgetfulDisk(by_journal=sys.argv[2] == "journal"),
        sys.argv[1],
        foreground=True,
        nothreads=True,
        default_permissions=True,
    )
