"""Small packs of a repository copied into one, in this process: objects as they lie there, which are no differences to others.

A pack of one commit has no differences between objects, so each of them can be copied without being unpacked. That costs some
milliseconds for fifty packs, where git needs as many for each of the five processes that it starts.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import zlib
from typing import TYPE_CHECKING, Final

from wharf.index import small_pack, store_clock

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LARGEST: Final = 1 << 20
"""Bytes of a pack beyond which it is left alone."""
MOST_BYTES: Final = 16 << 20
"""Bytes of packs that are copied at once: all of them are in memory."""

_HEAD = b"\377tOc\0\0\0\2"  # of an index of version 2
_FANOUT = len(_HEAD) + 256 * 4
_ENDS = 20 + 20  # the digest of the pack, and that of its index
_WHOLE = frozenset({1, 2, 3, 4})  # kinds of entries: commit, tree, blob, tag; all others are differences
_DEAD = 86400.0  # seconds after which no commit waits for its files any more
_LEFT = (
    *("objects/pack/tmp_*", "objects/pack/.tmp-*-pack-*", "objects/pack/pack-*.keep"),
    *("objects/info/commit-graphs/tmp_graph_*", "objects/info/commit-graphs/commit-graph-chain.lock"),
    "objects/info/commit-graph.lock",
)
_OWN = (".idx", ".pack", ".rev")  # in the order in which they go: a pack without an index is not looked at


def merge(git_dir: Path) -> bool:
    """Copy small packs into one and delete them; False: there are not two. Raises OSError and StorageError.

    - What is copied is on the disk before the first pack is deleted, so that no power cut takes an object away. Whoever reads
      from a pack that goes finds its objects in the new one, as when git itself merges packs.
    - Packs that are damaged, marked in any way, or have differences between objects stay: they are for git.
    - Several processes may do so at once. Each deletes only what it has copied.
    """
    folder = f"{git_dir}/objects/pack"
    delete_rests(git_dir)
    entries: dict[bytes, bytes] = {}
    copied: list[str] = []
    size = 0
    for stem, length in _small(folder):
        size += length
        if size > MOST_BYTES:
            break
        found = _read(f"{folder}/{stem}")
        if found is not None:
            entries.update(found)
            copied.append(stem)
    if len(copied) < 2:
        return False
    made = small_pack.store(git_dir, {id_: entries[id_] for id_ in sorted(entries)})
    for stem in copied:
        if stem != made:  # one of them had all the others in it
            for kind in _OWN:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(f"{folder}/{stem}{kind}")  # noqa: PTH108 - a path costs as much as the call
    return True


def delete_rests(git_dir: Path) -> None:
    """Delete what writers left that died a day ago, by the clock of the disk: temporary files, locks, and marks of packs.

    A `git repack` on a full disk leaves a pack as large as there was room, each time. What a `git commit-graph` left, `git gc`
    leaves as well, and by its lock no later one writes. Raises StorageError where nothing can be written.
    """
    for left in (each for pattern in _LEFT for each in git_dir.glob(pattern)):
        with contextlib.suppress(OSError):  # the commit is there now, or the mark is not for this account
            about = left.stat()
            is_mark = about.st_size == len(small_pack.MARK) and left.read_bytes() == small_pack.MARK
            if (is_mark or left.suffix != ".keep") and store_clock.now(git_dir) - about.st_mtime > _DEAD:
                left.unlink()


def _small(folder: str) -> Iterable[tuple[str, int]]:
    """The names and sizes of packs that may be copied, the smallest first; none where git keeps an index over several packs."""
    kinds: dict[str, set[str]] = {}
    for name in os.listdir(folder):  # noqa: PTH208 - see above
        stem, dot, kind = name.partition(".")
        kinds.setdefault(stem, set()).add(dot + kind)
    sizes: list[tuple[int, str]] = []
    for stem, some in kinds.items() if "multi-pack-index" not in kinds else ():
        if stem.startswith("pack-") and {".pack", ".idx"} <= some <= {*_OWN}:
            with contextlib.suppress(FileNotFoundError):  # somebody else has merged it
                sizes.append((os.stat(f"{folder}/{stem}.pack").st_size, stem))  # noqa: PTH116 - see above
    return [(stem, size) for size, stem in sorted(sizes) if size <= LARGEST]


def _read(path: str) -> dict[bytes, bytes] | None:
    """The objects of a pack as they lie there, by their ids; None: it is not as it should be, or not for this."""
    try:
        with open(f"{path}.idx", "rb") as index, open(f"{path}.pack", "rb") as pack:  # noqa: PTH123 - see above
            about, data = index.read(LARGEST), pack.read(LARGEST + 1)
    except FileNotFoundError:
        return None
    if not about.startswith(_HEAD) or len(about) <= _FANOUT + _ENDS:  # no object, or not even that
        return None
    (count,) = struct.unpack_from(">L", about, _FANOUT - 4)
    sums_at, offsets_at = _FANOUT + count * 20, _FANOUT + count * 24
    if not count or len(about) != _FANOUT + count * 28 + _ENDS or data[:12] != struct.pack(">4sLL", b"PACK", 2, count):
        return None
    if (_digest(about[:-20]), _digest(data[:-20])) != (about[-20:], data[-20:]) or about[-40:-20] != data[-20:]:
        return None
    sums, offsets = (struct.unpack_from(f">{count}L", about, at) for at in (sums_at, offsets_at))
    ends = dict(zip(order := sorted(offsets), [*order[1:], len(data) - 20], strict=True))
    found: dict[bytes, bytes] = {}
    for number, (crc, at) in enumerate(zip(sums, offsets, strict=True)):
        entry = data[at : ends[at]]
        if not entry or entry[0] >> 4 & 7 not in _WHOLE or zlib.crc32(entry) != crc:
            return None
        id_at = _FANOUT + number * 20
        found[about[id_at : id_at + 20]] = entry
    return found


def _digest(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()
