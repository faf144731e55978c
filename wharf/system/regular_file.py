"""Regular files in folders that others may have filled: opened without following a link, and without waiting.

A link leads out of the folder, so that bytes beyond it would be served or deleted. A pipe keeps whoever opens it until somebody
writes. Of each path the last `depth` parts are walked one by one, and none of them may be a link; what is above belongs to the
person who named the folder. With a depth of 0 the file itself may be a link.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wharf.errors import OddFileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DEPTH = 2
"""Parts of a path that are no links, unless it is said otherwise: the file, and the folder that it lies in."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_ODD = frozenset({errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.EISDIR, errno.EMLINK, errno.EOPNOTSUPP})  # by system
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFREG: "a file",
}


def handle_of(path: Path, depth: int = DEPTH, flags: int = os.O_RDONLY) -> int:
    """A handle of a regular file. Raises OddFileError for whatever else stands there, and OSError (FileNotFoundError)."""
    with folder_of(path, depth) as folder, _odd(path, depth):
        return _regular(path.name, flags | (_FILE if depth else _FILE & ~os.O_NOFOLLOW), folder)


def inner_handle_of(path: Path, folder: int, depth: int) -> int:
    """The same from a handle of the folder that the file lies in, which was walked before."""
    with _odd(path, depth):
        return _regular(path.name, os.O_RDONLY | _FILE, folder)


def status_of(path: Path, depth: int = DEPTH) -> os.stat_result:
    """What the system says of a regular file. Raises as `handle_of` does."""
    with folder_of(path, depth) as folder, _odd(path, depth):
        found = os.stat(path.name, dir_fd=folder, follow_symlinks=depth == 0)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return found


def statuses_of(folder: Path, names: Sequence[str], depth: int = DEPTH) -> list[os.stat_result | None]:
    """The same of several files in one folder, which must be there; None for a file that is not."""
    found: list[os.stat_result | None] = []
    with folder_of(folder / names[0], depth) as handle:
        for name in names:
            status = None
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=handle, follow_symlinks=depth == 0)
            if status is not None and not stat.S_ISREG(status.st_mode):
                raise OddFileError(folder / name, kind_of(folder / name), "regular file")
            found.append(status)
    return found


def is_regular(path: Path, depth: int = DEPTH) -> bool:
    """Whether a regular file stands there."""
    try:
        status_of(path, depth)
    except (OddFileError, FileNotFoundError):
        return False
    return True


def put(source: Path, target: Path, depth: int = DEPTH) -> None:
    """Rename a file to its place. The folder must be there. Its name is not synced."""
    put_all([(source, target.name)], target.parent, depth)


def put_all(sources: Sequence[tuple[Path, str]], folder: Path, depth: int = DEPTH) -> None:
    """Rename files to names in one folder, which must be there. Their names are not synced."""
    with folder_of(folder / "name", depth) as handle:
        for source, name in sources:
            os.replace(source, name, dst_dir_fd=handle)


def delete(path: Path, depth: int = DEPTH) -> None:
    """Delete a regular file, and nothing else. Raises as `handle_of` does."""
    status_of(path, depth)
    with folder_of(path, depth) as folder:
        os.unlink(path.name, dir_fd=folder)


def kind_of(path: Path) -> str:
    """What stands at a path, in words."""
    return _KINDS.get(stat.S_IFMT(path.lstat().st_mode), "something unknown")


@contextmanager
def folder_of(path: Path, depth: int) -> Iterator[int]:
    """A handle of the folder that a path lies in, while it is used. Raises as `handle_of` does."""
    above = path.parents[max(depth - 1, 0)]
    walked = path.relative_to(above).parts[:-1]
    with _odd(path, depth):
        handle = os.open(above, _FOLDER & ~os.O_NOFOLLOW)
        for name in walked:
            outer = handle
            try:
                handle = os.open(name, _FOLDER, dir_fd=outer)
            finally:
                os.close(outer)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def inner_folder_of(path: Path, outer: int, depth: int) -> Iterator[int]:
    """The same from a handle of the folder above that folder, which is no link by then. `depth` is that of `path`."""
    with _odd(path, depth):
        handle = os.open(path.parent.name, _FOLDER, dir_fd=outer)
    try:
        yield handle
    finally:
        os.close(handle)


def _regular(name: str, flags: int, folder: int) -> int:
    """A handle of a file in an open folder. Raises OSError for what is no regular file."""
    handle = os.open(name, flags, 0o666, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return handle


@contextmanager
def _odd(path: Path, depth: int) -> Iterator[None]:
    """Say which part of a path is what it should not be."""
    try:
        yield
    except OSError as error:
        if error.errno not in _ODD:
            raise
        for part in reversed(list(path.parents)[: max(depth - 1, 0)]):
            if not stat.S_ISDIR(part.lstat().st_mode):
                raise OddFileError(part, kind_of(part), "folder") from error
        raise OddFileError(path, kind_of(path), "regular file") from error
