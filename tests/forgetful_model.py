"""Files and folders in memory as they are, and as a power cut would leave them. `forgetful_disk.py` says what survives.

Nothing here knows where the calls come from: a kernel asks for them (`forgetful_disk_server.py`), or a trace of a server that
worked on another disk has them (`traced_disk.py`).
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(eq=False, slots=True)
class Node:
    """A file or a folder: as it is, and as it would be after a power cut."""

    mode: int
    number: int
    data: bytearray = field(default_factory=bytearray)
    kept: bytes = b""
    names: dict[str, Node] = field(default_factory=dict)
    kept_names: dict[str, Node] = field(default_factory=dict)
    links: int = 1
    times: tuple[int, int] = field(default_factory=lambda: (time.time_ns(), time.time_ns()))

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    def touch(self) -> None:
        self.times = self.times[0], time.time_ns()

    def write(self, data: bytes, offset: int) -> None:
        self.data.extend(bytes(max(0, offset - len(self.data))))
        self.data[offset : offset + len(data)] = data
        self.touch()

    def truncate(self, length: int) -> None:
        self.data = self.data[:length] + bytes(max(0, length - len(self.data)))
        self.touch()

    def below(self) -> Iterator[Node]:
        """This one, and all that is in it."""
        yield self
        for each in self.names.values():
            yield from each.below()


class ForgetfulModel:
    """A disk. Paths are below its root; what cannot be done is an OSError with the number of the kernel.

    With `gone_at_once`, a name that is deleted is gone without a sync, and a new one is not there without one: the worst order
    that POSIX allows.
    """

    def __init__(self, *, by_journal: bool, gone_at_once: bool = False) -> None:
        self._by_journal = by_journal
        self._gone_at_once = gone_at_once
        self._numbers = itertools.count(1)
        self.root = self.new(stat.S_IFDIR | 0o755)

    def new(self, mode: int) -> Node:
        """A file or folder without a name."""
        return Node(mode, next(self._numbers))

    def find(self, path: str) -> Node:
        node = self.root
        for part in path.split("/"):
            if part:
                if not node.is_folder:
                    raise OSError(errno.ENOTDIR, path)
                if part not in node.names:
                    raise OSError(errno.ENOENT, path)
                node = node.names[part]
        return node

    def put(self, path: str, node: Node) -> None:
        """Give a name to something."""
        parent, name = self._parent(path)
        if name in parent.names:
            raise OSError(errno.EEXIST, path)
        parent.names[name] = node
        parent.touch()

    def link(self, node: Node, path: str) -> None:
        self.put(path, node)
        node.links += 1

    def unlink(self, path: str) -> None:
        parent, name = self._parent(path)
        node = self.find(path)
        node.links -= 1
        del parent.names[name]
        if self._gone_at_once and parent.kept_names.get(name) is node:
            del parent.kept_names[name]
        parent.touch()

    def rmdir(self, path: str) -> None:
        if self.find(path).names:
            raise OSError(errno.ENOTEMPTY, path)
        self.unlink(path)

    def rename(self, old: str, new: str) -> None:
        node = self.find(old)
        (source, name), (target, new_name) = self._parent(old), self._parent(new)
        replaced = target.names.get(new_name)
        if replaced is node:
            return
        if replaced is not None and replaced.names:
            raise OSError(errno.ENOTEMPTY, new)
        del source.names[name]
        target.names[new_name] = node
        source.touch()
        target.touch()

    def sync(self, node: Node, data: bytes | None = None, names: dict[str, Node] | None = None) -> None:
        """Have the bytes of a file or the names in a folder survive: as they are, or as they were when the sync began."""
        if node.is_folder:
            node.kept_names = dict(node.names) if names is None else names
        else:
            node.kept = bytes(node.data) if data is None else data
        if self._by_journal:
            for each in self.root.below():
                each.kept_names = dict(each.names)

    def settle(self) -> None:
        """Have all that is there now survive."""
        for node in self.root.below():
            node.kept, node.kept_names = bytes(node.data), dict(node.names)

    def cut(self, folder: Path) -> None:
        """Write what a power cut at this moment leaves into a new folder of the machine."""
        _write(self.root, folder)

    def _parent(self, path: str) -> tuple[Node, str]:
        above, _, name = path.rpartition("/")
        return self.find(above), name


def _write(node: Node, path: Path) -> None:
    """What survives of a file or a folder."""
    if node.is_folder:
        path.mkdir()
        for name, each in node.kept_names.items():
            _write(each, path / name)
    else:
        path.write_bytes(node.kept)
    os.utime(path, ns=node.times)
    path.chmod(stat.S_IMODE(node.mode))
