"""Serves a file system in memory that forgets what was not synced: `python forgetful_disk_server.py FOLDER folder|journal`.

`forgetful_disk.py` says what it does.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mfusepy

if TYPE_CHECKING:
    from collections.abc import Iterator

_CUT = "user.cut"
_SETTLE = "user.settle"
_ROOM = 1 << 20  # free blocks of 4,096 bytes


@dataclass(eq=False, slots=True)
class _Node:
    """A file or a folder: as it is, and as it would be after a power cut."""

    mode: int
    number: int
    data: bytearray = field(default_factory=bytearray)
    kept: bytes = b""
    names: dict[str, _Node] = field(default_factory=dict)
    kept_names: dict[str, _Node] = field(default_factory=dict)
    links: int = 1
    times: tuple[int, int] = field(default_factory=lambda: (time.time_ns(), time.time_ns()))

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    def touch(self) -> None:
        self.times = self.times[0], time.time_ns()


class _ForgetfulDisk(mfusepy.Operations):  # type: ignore[misc]
    """The operations that the kernel asks for, one at a time."""

    use_ns = True

    def __init__(self, *, by_journal: bool) -> None:
        self._by_journal = by_journal
        self._numbers = itertools.count(1)
        self._root = self._new(stat.S_IFDIR | 0o755)
        self._open: dict[int, _Node] = {}
        self._handles = itertools.count(1)

    def _new(self, mode: int) -> _Node:
        return _Node(mode, next(self._numbers))

    def _find(self, path: str) -> _Node:
        node = self._root
        for part in path.split("/"):
            if part:
                if not node.is_folder:
                    raise mfusepy.FuseOSError(errno.ENOTDIR)
                if part not in node.names:
                    raise mfusepy.FuseOSError(errno.ENOENT)
                node = node.names[part]
        return node

    def _parent(self, path: str) -> tuple[_Node, str]:
        above, _, name = path.rpartition("/")
        return self._find(above), name

    def _put(self, path: str, node: _Node) -> None:
        parent, name = self._parent(path)
        if name in parent.names:
            raise mfusepy.FuseOSError(errno.EEXIST)
        parent.names[name] = node
        parent.touch()

    def _opened(self, node: _Node) -> int:
        handle = next(self._handles)
        self._open[handle] = node
        return handle

    # What survives

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        node = self._open[fh]
        node.kept = bytes(node.data)
        self._journal()
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        node = self._open[fh]
        node.kept_names = dict(node.names)
        self._journal()
        return 0

    def _journal(self) -> None:
        if self._by_journal:
            for node in _below(self._root):
                node.kept_names = dict(node.names)

    def setxattr(self, path: str, name: str, value: bytes, options: int, position: int = 0) -> int:
        if name == _SETTLE:
            for node in _below(self._root):
                node.kept, node.kept_names = bytes(node.data), dict(node.names)
        elif name == _CUT:
            _write(self._root, Path(os.fsdecode(value)))
        else:
            raise mfusepy.FuseOSError(errno.ENOTSUP)
        return 0

    # What any file system does

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        node = self._find(path) if fh is None or fh not in self._open else self._open[fh]
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

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *self._find(path).names]

    def opendir(self, path: str) -> int:
        return self._opened(self._find(path))

    def releasedir(self, path: str, fh: int) -> int:
        return self.release(path, fh)

    def open(self, path: str, flags: int) -> int:
        return self._opened(self._find(path))

    def create(self, path: str, mode: int, fi: object = None) -> int:
        node = self._new(stat.S_IFREG | stat.S_IMODE(mode))
        self._put(path, node)
        return self._opened(node)

    def release(self, path: str, fh: int) -> int:
        del self._open[fh]
        return 0

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return bytes(self._open[fh].data[offset : offset + size])

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        node = self._open[fh]
        node.data.extend(bytes(max(0, offset - len(node.data))))
        node.data[offset : offset + len(data)] = data
        node.touch()
        return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        node = self._find(path) if fh is None or fh not in self._open else self._open[fh]
        node.data = node.data[:length] + bytes(max(0, length - len(node.data)))
        node.touch()
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        self._put(path, self._new(stat.S_IFDIR | stat.S_IMODE(mode)))
        return 0

    def link(self, target: str, source: str) -> int:
        node = self._find(source)
        self._put(target, node)
        node.links += 1
        return 0

    def unlink(self, path: str) -> int:
        parent, name = self._parent(path)
        self._find(path).links -= 1
        del parent.names[name]
        parent.touch()
        return 0

    def rmdir(self, path: str) -> int:
        if self._find(path).names:
            raise mfusepy.FuseOSError(errno.ENOTEMPTY)
        return self.unlink(path)

    def rename(self, old: str, new: str) -> int:
        node = self._find(old)
        (source, name), (target, new_name) = self._parent(old), self._parent(new)
        replaced = target.names.get(new_name)
        if replaced is node:
            return 0
        if replaced is not None and replaced.names:
            raise mfusepy.FuseOSError(errno.ENOTEMPTY)
        del source.names[name]
        target.names[new_name] = node
        source.touch()
        target.touch()
        return 0

    def chmod(self, path: str, mode: int) -> int:
        node = self._find(path)
        node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(mode)
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        self._find(path).times = times or (time.time_ns(), time.time_ns())
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


def _below(node: _Node) -> Iterator[_Node]:
    yield node
    for each in node.names.values():
        yield from _below(each)


def _write(node: _Node, path: Path) -> None:
    """What survives of a file or a folder."""
    if node.is_folder:
        path.mkdir()
        for name, each in node.kept_names.items():
            _write(each, path / name)
    else:
        path.write_bytes(node.kept)
    os.utime(path, ns=node.times)
    path.chmod(stat.S_IMODE(node.mode))


if __name__ == "__main__":
    mfusepy.FUSE(
        _ForgetfulDisk(by_journal=sys.argv[2] == "journal"),
        sys.argv[1],
        foreground=True,
        nothreads=True,
        default_permissions=True,
    )
