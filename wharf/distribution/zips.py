"""Zip archives: opened only after their directory proved to be small, whole and unambiguous.

The structures are those of PKWARE's APPNOTE 6.3: the end record (4.3.16), its 64-bit form (4.3.14, 4.3.15), the entries of the
central directory (4.3.12), and the local header (4.3.7) and descriptor (4.3.9) of each member. What stands in them is bytes,
little endian.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, BinaryIO

from wharf.distribution.members import MAX_MEMBERS, MAX_METADATA, MAX_PATH, Members
from wharf.distribution.names import REBUILD, invalid, plain
from wharf.errors import TooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DIRECTORY = 64 << 20
"""Bytes of a central directory, which is read into memory whole."""

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s24x3H12x")
_LOCAL = struct.Struct("<4s4xH16x2H")
_DESCRIPTORS = {12, 16, 20, 24}  # with or without a signature, sizes of 32 or 64 bits
_DESCRIBED = 0x8
"""The bit of the general purpose flags that announces a descriptor."""
_END_SIGNATURE = b"PK\x05\x06"
_MAX_COMMENT = 0xFFFF
_ENCRYPTED = 0x41
"""Bits of the general purpose flags: encrypted, strongly encrypted (APPNOTE 4.4.4)."""

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
"""What zipfile raises on bytes that are no zip, and not more: an OSError is the disk's and stays one."""


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


def members(archive: zipfile.ZipFile, filename: str) -> tuple[dict[str, zipfile.ZipInfo], Members]:
    """The members of `archive` by path, `.` and empty parts removed, each checked, with what was seen of them together.

    Refused are names that lead outside, a path given twice, links that lead outside, encryption, and compression other than
    deflate, the only one that every installer reads.
    """
    seen = Members(filename)
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
        if info.flag_bits & _ENCRYPTED:
            raise invalid(filename, f"the member {plain(name)!r} is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise invalid(filename, f"the member {plain(name)!r} is compressed by method {info.compress_type}, not deflate")
        if stat.S_ISLNK(info.external_attr >> 16):
            target = read(archive, info, filename, MAX_PATH)
            seen.link(parts, target.decode("utf-8", "surrogateescape"))
        found[path] = info
    _check_locals(archive, filename)
    return found, seen


def _check_locals(archive: zipfile.ZipFile, filename: str) -> None:
    """Check that the members, each with the name that the directory has for it, fill the archive up to the directory.

    Some tools read the directory, some the local headers one after the other: then they see the same members, and nothing
    stands in front of the archive or between its members.
    """
    file = archive.fp
    if file is None:
        raise ValueError("the archive is closed")
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    ends = [*(info.header_offset for info in infos[1:]), archive.start_dir]
    if infos and infos[0].header_offset:
        raise invalid(filename, "bytes stand in front of the zip archive")
    for info, end in zip(infos, ends, strict=True):
        file.seek(info.header_offset)
        signature, method, name, extra = _LOCAL.unpack(file.read(_LOCAL.size))
        wanted = info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437")
        if signature != b"PK\x03\x04" or method != info.compress_type or file.read(name) != wanted:
            raise invalid(filename, f"the member {plain(info.filename)!r} calls itself something else than the directory does")
        left = end - info.header_offset - _LOCAL.size - int(name) - int(extra) - info.compress_size
        if left != 0 if not info.flag_bits & _DESCRIBED else left not in _DESCRIPTORS:
            raise invalid(filename, f"bytes that belong to no member follow the member {plain(info.filename)!r}")


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
        signature, name, extra, comment = _ENTRY.unpack_from(data, at)
        if signature != b"PK\x01\x02":
            raise invalid(filename, "the directory of the zip archive is damaged")
        at += _ENTRY.size + int(name) + int(extra) + int(comment)
        count += 1
    if count != entries or at != size:
        raise invalid(filename, f"the directory of the zip archive does not hold the {entries} members of its end record")


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
    signature, _, _, _, _, _, here, entries, size, offset = _END64.unpack_from(data)
    _, _, place, _ = _LOCATOR.unpack_from(data, _END64.size)
    if signature != b"PK\x06\x06" or place != end or here != entries:
        raise invalid(filename, "the 64-bit end record of the zip archive is not where its locator says")
    large = (int(entries), int(size), int(offset))
    limits = (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    if any(one not in (other, limit) for one, other, limit in zip(small, large, limits, strict=True)):
        raise invalid(filename, "the two end records of the zip archive contradict each other")
    return (*large, end)
