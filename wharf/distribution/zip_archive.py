"""Zip archives: opened only after their directory proved to be small, whole and unambiguous.

The structures are those of PKWARE's APPNOTE 6.3: the end record (4.3.16), its 64-bit form (4.3.14, 4.3.15) and the entries of
the central directory (4.3.12). What stands in them is bytes, little endian. The members themselves are for `zip_entries`.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from wharf.distribution.archive_members import MAX_MEMBERS, MAX_METADATA, MAX_PATH, ArchiveMembers
from wharf.distribution.file_names import REBUILD, invalid, plain
from wharf.distribution.zip_entries import ENCRYPTED, Entries, Fields
from wharf.errors import TooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wharf.distribution.time_limit import TimeLimit

MAX_DIRECTORY = 64 << 20
"""Bytes of a central directory, which is read into memory whole."""

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s16x2L3H8xL")
_END_SIGNATURE = b"PK\x05\x06"
_MAX_COMMENT = 0xFFFF
_GARBAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    struct.error,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,  # a name that is not the UTF-8 which it claims to be, on some versions an offset
)
"""What zipfile raises on bytes that are not a zip archive. An OSError comes from the disk, so it is not here."""


@contextlib.contextmanager
def opened(file: BinaryIO, filename: str) -> Iterator[zipfile.ZipFile]:
    """The zip archive in `file`, its directory checked; `file` stays open.

    Raises InvalidDistributionError, also for what zipfile raises inside the block, and TooLargeError.
    """
    _check_directory(file, filename)
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except _GARBAGE as error:
        raise invalid(filename, f"not a readable zip archive: {plain(str(error) or type(error).__name__)}") from error


@dataclass(frozen=True, slots=True)
class ZipMembers:
    """The members of an archive by path, `.` and empty parts removed; what was seen of them together; warnings."""

    members: dict[str, zipfile.ZipInfo]
    seen: ArchiveMembers
    warnings: list[str]


def members(archive: zipfile.ZipFile, file: BinaryIO, filename: str, size: int, time: TimeLimit) -> ZipMembers:
    """The members of `archive`, which was opened from `file`, of `size` bytes; each is checked with all its data.

    Refused are names that lead outside, a path given twice, links that lead outside, encryption, compression other than
    deflate, the only one that every installer reads, and whatever two readers could read in two ways.
    """
    seen = ArchiveMembers(filename, time)
    found: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.orig_filename
        parts = seen.add(name)
        if info.filename != name:
            raise invalid(filename, f"the member {plain(name)!r} is also called {plain(info.filename)!r}")
        path = "/".join(parts)
        if path in found:
            raise invalid(filename, f"the member {plain(name)!r} is there twice")
        if not 0 <= info.header_offset < archive.start_dir:  # a seek there could fail like a disk does
            raise invalid(filename, f"the member {plain(name)!r} lies outside the zip archive")
        if info.flag_bits & ENCRYPTED:
            raise invalid(filename, f"the member {plain(name)!r} is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise invalid(filename, f"the member {plain(name)!r} is compressed by method {info.compress_type}, not deflate")
        if stat.S_ISLNK(info.external_attr >> 16):
            target = read(archive, info, filename, MAX_PATH)
            seen.link(parts, target.decode("utf-8", "surrogateescape"))
        found[path] = info
    for path in sorted(found):  # a file comes before what would lie below it
        seen.put(tuple(path.split("/")), folder=found[path].is_dir())
    entries = Entries(archive, file, filename, size, time)
    entries.check()
    return ZipMembers(found, seen, [_odd(entries.odd)] if entries.odd else [])


def _odd(names: list[str]) -> str:
    """The warning about members that only some installers take."""
    others = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    what = "has a descriptor of another width than its header announces"
    return f"The member {plain(names[0])!r}{others} {what}. pip installs it, uv refuses it."


def read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, filename: str, limit: int = MAX_METADATA) -> bytes:
    """The bytes of one member; TooLargeError if they are more than `limit`, by declaration or in fact."""
    if info.file_size <= limit:
        with archive.open(info) as member:
            data = member.read(limit + 1)
        if len(data) <= limit:
            return data
    raise TooLargeError(f"{plain(filename)}: {plain(info.filename)} is larger than {limit} bytes", REBUILD)


def _check_directory(file: BinaryIO, filename: str) -> None:
    """Check the end records and count the entries, as zipfile believes the former and loads all of the latter.

    The directory has to end where the end record begins: then nothing stands behind the archive.
    """
    entries, size, offset, end = _directory(file, filename)
    if entries > MAX_MEMBERS:
        raise TooLargeError(f"{plain(filename)}: the zip archive has {entries} members, more than {MAX_MEMBERS}", REBUILD)
    if size > MAX_DIRECTORY:
        cause = f"the directory of the zip archive takes {size} bytes, more than {MAX_DIRECTORY}"
        raise TooLargeError(f"{plain(filename)}: {cause}", REBUILD)
    if offset + size != end:
        raise invalid(filename, "the directory of the zip archive is not where its end record says")
    file.seek(offset)
    data = file.read(size)
    at = count = 0
    while at + _ENTRY.size <= len(data) and count <= entries:
        signature, *small, name, extra, comment, place = _ENTRY.unpack_from(data, at)
        if signature != b"PK\x01\x02":
            raise invalid(filename, "the directory of the zip archive is damaged")
        at += _ENTRY.size + int(name)
        if extra:
            _check_extra(data[at - int(name) : at], data[at : at + int(extra)], (*small, place), filename)
        at += int(extra) + int(comment)
        count += 1
    if count != entries or at != size:
        raise invalid(filename, f"the directory of the zip archive does not hold the {entries} members of its end record")


def _check_extra(name: bytes, extra: bytes, small: tuple[int, int, int], filename: str) -> None:
    """Check the extra fields of a directory entry, of whose packed size, size and place `small` tells in 32 bits each.

    Readers disagree on a 64-bit field that stands there twice, is too short, or says something else than `small`.
    """
    fields = Fields.parse(extra)
    shown = plain(name.decode("utf-8", "replace"))
    packed, size, place = small
    wanted = 8 * small.count(0xFFFFFFFF)
    if not (fields.is_of(wanted) if wanted or not fields.zip64 else fields.agree((size, packed, place), (size, packed, place))):
        raise invalid(filename, f"the member {shown!r} has a 64-bit field that can be read in two ways")
    if any(path != name for path in fields.paths):
        raise invalid(filename, f"the member {shown!r} has two names")


def _directory(file: BinaryIO, filename: str) -> tuple[int, int, int, int]:
    """The central directory's number of entries, size and offset, and where its end record begins."""
    length = file.seek(0, os.SEEK_END)
    tail_at = max(0, length - _END.size - _MAX_COMMENT)
    file.seek(tail_at)
    tail = file.read()
    # The order of zipfile: a record without a comment at the very end, else the last thing that looks like a record.
    at = len(tail) - _END.size
    if at < 0 or tail[at : at + 4] != _END_SIGNATURE or tail[-2:] != b"\0\0":
        at = tail.rfind(_END_SIGNATURE)
    if at < 0 or at + _END.size > len(tail):
        raise invalid(filename, "not a zip archive, or one that was cut off", "Build or download it again.")
    _, disk, first, here, entries, size, offset, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise invalid(filename, "bytes follow the end of the zip archive")
    if disk or first or here != entries:
        raise invalid(filename, "the zip archive is one part of several")
    end = tail_at + at
    if at >= _LOCATOR.size and tail[at - _LOCATOR.size :].startswith(b"PK\x06\x07"):
        return _directory64(file, filename, end - _LOCATOR.size, (entries, size, offset))
    return int(entries), int(size), int(offset), end


def _directory64(file: BinaryIO, filename: str, locator_at: int, small: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """The same from the 64-bit end record in front of the locator; `small` is what the 32-bit one said."""
    end = locator_at - _END64.size
    if end < 0:
        raise invalid(filename, "the 64-bit end record of the zip archive is missing")
    file.seek(end)
    data = file.read(_END64.size + _LOCATOR.size)
    signature, own, _, _, _, _, here, entries, size, offset = _END64.unpack_from(data)
    _, _, place, _ = _LOCATOR.unpack_from(data, _END64.size)
    if signature != b"PK\x06\x06" or place != end or own != _END64.size - 12 or here != entries:
        raise invalid(filename, "the 64-bit end record of the zip archive is not where its locator says")
    large = (int(entries), int(size), int(offset))
    limits = (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    if any(one not in (other, limit) for one, other, limit in zip(small, large, limits, strict=True)):
        raise invalid(filename, "the two end records of the zip archive contradict each other")
    return (*large, end)
