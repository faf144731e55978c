"""Objects written as one small pack, in this process ("gitformat-pack": a pack of version 2, and its index of version 2).

A pack is whole and on the disk before it gets its name, and its name is before this returns. Until a ref leads to one of the
objects no reader sees any of them. Temporary files have names such as those of git: `merged_pack` deletes what a dead writer
left, and so does `git gc`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import struct
import zlib
from bisect import bisect_left
from concurrent import futures
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from wharf.errors import StorageError
from wharf.index.git import unwritable
from wharf.system.disk_sync import sync

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

_KINDS: Final = {"commit": 1, "tree": 2, "blob": 3}
MARK: Final = b"wharf: a commit that no ref leads to yet\n"
"""What is in the file that marks a pack to be kept: others write other words, or none."""
_FAR: Final = 1 << 31  # bytes that an index without a table of large offsets can point into
_SYNCS: Final = futures.ThreadPoolExecutor(4, "pack-sync")  # starts no thread before the first commit


@dataclass(frozen=True, slots=True)
class NewObject:
    """An object that is still to be written, and its id in hex. `entries`: what the bytes of a folder consist of."""

    id: str
    kind: Literal["commit", "tree", "blob"]
    data: bytes
    entries: Sequence[bytes] = ()

    @staticmethod
    def of(kind: Literal["commit", "tree", "blob"], data: bytes) -> NewObject:
        """The object of that kind with these bytes."""
        return NewObject(object_id(kind, data), kind, data)

    @staticmethod
    def folder(entries: Sequence[bytes]) -> NewObject:
        """The folder with these entries."""
        data = b"".join(entries)
        return NewObject(object_id("tree", data), "tree", data, entries)


def object_id(kind: str, data: bytes) -> str:
    """The id that git gives to an object."""
    return hashlib.sha1(b"%b %d\0%b" % (kind.encode(), len(data), data), usedforsecurity=False).hexdigest()


def write(git_dir: Path, objects: Iterable[NewObject], *, marked: bool = False) -> str:
    """Write objects as one pack; its name without an ending. The rest is as for `store`."""
    return store(git_dir, {bytes.fromhex(each.id): _entry(each) for each in objects}, marked=marked)


def store(git_dir: Path, entries: Mapping[bytes, bytes], *, marked: bool = False) -> str:
    """Write one pack of entries, as they are to lie there, by the ids of their objects; its name without an ending.

    `marked`: git neither deletes nor merges it, from its first moment on, as long as there is a file of its name and `.keep`.
    Raises StorageError where that cannot be done.
    """
    pack, index, name = _packed(entries)
    folder = git_dir / "objects" / "pack"
    files = {
        folder / f"{name}.pack": pack,
        folder / f"{name}.idx": index,
    }  # the index last: a pack without one is not looked at
    keep = folder / f"{name}.keep" if marked else None
    try:
        folder.mkdir(exist_ok=True)
        try:
            _place(folder, files, keep)
        except FileNotFoundError:  # `git gc --prune=now` by hand deletes temporary files, also those of who lives
            _place(folder, files, keep)
    except OSError as error:
        raise unwritable(error, git_dir) from error
    return name


def _place(folder: Path, files: Mapping[Path, bytes], keep: Path | None) -> None:
    """Write files under other names, and rename them when they are on the disk. Raises OSError."""
    mark = secrets.token_hex(8)
    parts = {path: folder / f"tmp_{path.suffix[1:]}_{mark}" for path in files}
    with _swept([*parts.values(), *([] if keep is None else [keep])]):
        _write_files(folder, [(parts[path], data) for path, data in files.items()])
        if keep is not None:
            _mark(keep)
        for path, part in parts.items():
            part.rename(path)
        sync(folder)


def _mark(path: Path) -> None:
    with contextlib.suppress(FileExistsError):  # of one who writes the same
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            os.write(handle, MARK)
        finally:
            os.close(handle)


def _write_files(folder: Path, files: Iterable[tuple[Path, bytes]]) -> None:
    """New files on the disk, for whoever may read the folder, and for nobody to write."""
    mode = folder.stat().st_mode & 0o444
    handles: list[int] = []
    try:
        for path, data in files:
            handles.append(handle := os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            os.fchmod(handle, mode)
            left = memoryview(data)
            while left:
                left = left[os.write(handle, left) :]
        _sync_all(handles)
    finally:
        for handle in handles:
            os.close(handle)


def _sync_all(handles: Sequence[int]) -> None:
    """Sync files side by side: a file system writes its journal once for all who wait. Nothing is under way after that."""
    *others, last = handles
    begun = [_SYNCS.submit(os.fsync, each) for each in others]
    try:
        os.fsync(last)
    finally:
        futures.wait(begun)  # a number of a closed file is soon that of another one
    for each in begun:
        each.result()


@contextlib.contextmanager
def _swept(paths: Iterable[Path]) -> Iterator[None]:
    """Leave no temporary file behind where writing fails."""
    listed = [*paths]
    try:
        yield
    except OSError:
        for path in listed:
            with contextlib.suppress(OSError):
                path.unlink()
        raise


def _packed(entries: Mapping[bytes, bytes]) -> tuple[bytes, bytes, str]:
    """The bytes of the pack and of its index, and the name of both."""
    parts = [struct.pack(">4sLL", b"PACK", 2, len(entries))]
    at = len(parts[0])
    places: list[tuple[bytes, int, int]] = []
    for id_, part in entries.items():
        places.append((id_, zlib.crc32(part), at))
        parts.append(part)
        at += len(part)
    if at >= _FAR:
        raise StorageError("A commit of more than two gigabytes is not written.", "Commit fewer files at once.")
    body = b"".join(parts)
    end = hashlib.sha1(body, usedforsecurity=False).digest()
    return body + end, _index(sorted(places), end), f"pack-{end.hex()}"


def _entry(each: NewObject) -> bytes:
    """An object as it lies in a pack. Little of a folder can be made smaller, as it has random ids: that is left to git."""
    return _head(_KINDS[each.kind], len(each.data)) + zlib.compress(each.data, 0 if each.kind == "tree" else -1)


def _head(kind: int, size: int) -> bytes:
    """The kind and the size of an object: 4 bits of it, then 7 a byte."""
    byte, size = kind << 4 | size & 15, size >> 4
    head = bytearray()
    while size:
        head.append(byte | 0x80)
        byte, size = size & 127, size >> 7
    head.append(byte)
    return bytes(head)


def _index(places: list[tuple[bytes, int, int]], end: bytes) -> bytes:
    ids = [id_ for id_, _, _ in places]
    counts = [bisect_left(ids, bytes([first + 1])) for first in range(255)]
    numbers = (*counts, len(ids)), [crc for _, crc, _ in places], [at for _, _, at in places]
    fanout, sums, offsets = (struct.pack(f">{len(each)}L", *each) for each in numbers)
    body = b"".join((b"\377tOc\0\0\0\2", fanout, *ids, sums, offsets, end))
    return body + hashlib.sha1(body, usedforsecurity=False).digest()
