"""The members of a zip archive as they lie in it: local headers, data and descriptors, held against the directory.

Some tools read the directory, some read the archive from its beginning as it arrives. Here it is decided that both see the
same members with the same bytes, and that these are whole. Numbers are those of PKWARE's APPNOTE 6.3.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from wharf.distribution.file_names import invalid, plain
from wharf.errors import TooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wharf.distribution.time_limit import TimeLimit
    from wharf.errors import InvalidDistributionError

MAX_RATIO = 200
"""Unpacked bytes for each packed one, on top of `FREE`."""

FREE = 1 << 30
"""Unpacked bytes that every archive may have, however small it is."""

DESCRIBED = 0x8
"""The bit of the general purpose flags that announces a descriptor (4.4.4)."""
ENCRYPTED = 0x41
"""The bits for encrypted and strongly encrypted."""
_UTF8 = 0x800

_LOCAL = struct.Struct("<4s2xHH4x3L2H")
_DESCRIPTORS = {size: struct.Struct(form) for size, form in ((12, "<3L"), (16, "<4s3L"), (20, "<L2Q"), (24, "<4sL2Q"))}
_DESCRIPTOR_SIGNATURE = b"PK\x07\x08"
_WIDE = 20  # bytes: a descriptor of at least so many has sizes of 64 bits
_ZIP64 = 0x1
_UNICODE_PATH = 0x7075
_FULL = 0xFFFFFFFF
_CHUNK = 1 << 18


@dataclass(slots=True)
class Fields:
    """The extra fields of a header (4.5) that change what is unpacked: 64-bit numbers, and other names."""

    zip64: list[bytes] = field(default_factory=list)
    paths: list[bytes] = field(default_factory=list)

    @staticmethod
    def parse(data: bytes) -> Fields:
        """The fields in `data`; what is too short to be one at the end is padding, which some tools leave."""
        found = Fields()
        at = 0
        while at + 4 <= len(data):
            kind, size = struct.unpack_from("<HH", data, at)
            value = data[at + 4 : at + 4 + size]
            if kind == _ZIP64:
                found.zip64.append(value)
            elif kind == _UNICODE_PATH:
                found.paths.append(value[5:])
            at += 4 + size
        return found

    def is_of(self, size: int) -> bool:
        """Whether there is one 64-bit field of that many bytes, or no field if that is 0."""
        return [len(each) for each in self.zip64] == ([size] if size else [])

    def agree(self, small: tuple[int, ...], true: tuple[int, ...]) -> bool:
        """Whether the numbers of a header are the `true` ones, where those that are full stand in the 64-bit field (4.5.3).

        A number that stands there although it is not full has to be the true one as well.
        """
        if len(self.zip64) > 1:
            return False
        large = b"".join(self.zip64)
        wanted = [number for number, one in zip(true, small, strict=True) if one == _FULL]
        if any(one not in (number, _FULL) for one, number in zip(small, true, strict=True)) or len(large) < 8 * len(wanted):
            return False
        given = struct.unpack_from(f"<{len(large) // 8}Q", large)
        return given[: len(wanted)] == tuple(wanted) and (bool(wanted) or given == true[: len(given)])


class Entries:
    """One walk through the members of an archive. `odd` has the members that only some installers take."""

    def __init__(self, archive: zipfile.ZipFile, file: BinaryIO, filename: str, size: int, time: TimeLimit) -> None:
        self.odd: list[str] = []
        self._infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
        self._end = archive.start_dir
        self._file = file
        self._filename = filename
        self._time = time
        self._budget = FREE + MAX_RATIO * size

    def check(self) -> None:
        """Check that the members fill the archive up to the directory, and each of them.

        Raises InvalidDistributionError, and TooLargeError for too many unpacked bytes or too much time.
        """
        if self._infos and self._infos[0].header_offset:
            raise invalid(self._filename, "bytes stand in front of the zip archive")
        ends = [*(info.header_offset for info in self._infos[1:]), self._end]
        for info, end in zip(self._infos, ends, strict=True):
            self._time.check()
            self._check(info, end)

    def _check(self, info: zipfile.ZipInfo, end: int) -> None:
        """Check one member, which has the bytes up to `end`."""
        self._file.seek(info.header_offset)
        signature, flags, method, *numbers, name_size, extra_size = _LOCAL.unpack(self._file.read(_LOCAL.size))
        name, extra = self._file.read(name_size), Fields.parse(self._file.read(extra_size))
        wanted = info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437")
        other = (flags ^ info.flag_bits) & (_UTF8 | ENCRYPTED if not wanted.isascii() else ENCRYPTED)
        if signature != b"PK\x03\x04" or method != info.compress_type or name != wanted or other:
            raise self._refuse(info, "calls itself something else than the directory does")
        if any(path != name for path in extra.paths):
            raise self._refuse(info, "has two names")
        left = end - info.header_offset - _LOCAL.size - name_size - extra_size - info.compress_size
        described = bool(info.flag_bits & DESCRIBED)
        if left not in _DESCRIPTORS if described else left != 0:
            raise invalid(self._filename, f"bytes that belong to no member follow the member {plain(info.filename)!r}")
        self._check_numbers(info, flags, tuple(map(int, numbers)), extra)
        if info.is_dir() and info.file_size:
            raise self._refuse(info, "is a folder with data")
        stored = info.compress_type == zipfile.ZIP_STORED
        scan = _Scan() if described and stored else None
        self._check_data(info, self._stored(info, scan) if stored else self._inflated(info))
        if described:
            self._check_descriptor(info, left, wide=bool(extra.zip64))
        if scan is not None and scan.found:
            raise self._refuse(info, "holds what looks like its own end: some readers would stop there")

    def _check_numbers(self, info: zipfile.ZipInfo, flags: int, numbers: tuple[int, ...], extra: Fields) -> None:
        """Check CRC, packed and unpacked size of a local header; where a descriptor follows, all of them may be zero."""
        crc, packed, size = numbers
        described = bool(info.flag_bits & DESCRIBED)
        if bool(flags & DESCRIBED) is not described:
            raise self._refuse(info, "announces a descriptor in one of its two headers only")
        told = (info.file_size, info.compress_size)
        late = described and crc == 0 and (extra.agree((size, packed), (0, 0)))
        if not late and not (crc == info.CRC and extra.agree((size, packed), told)):
            raise self._refuse(info, "has other sizes or another CRC in its own header than in the directory")

    def _check_descriptor(self, info: zipfile.ZipInfo, size: int, *, wide: bool) -> None:
        """Check the descriptor of `size` bytes behind the data; `wide`: the local header announces one of 64 bits (4.3.9.2)."""
        form = _DESCRIPTORS[size]
        *signature, crc, packed, unpacked = form.unpack(self._file.read(size))
        if signature not in ([], [_DESCRIPTOR_SIGNATURE]) or (crc, packed, unpacked) != (
            info.CRC,
            info.compress_size,
            info.file_size,
        ):
            raise self._refuse(info, "has a descriptor that contradicts the directory")
        if (size >= _WIDE) is not wide:
            self.odd.append(info.filename)

    def _check_data(self, info: zipfile.ZipInfo, pieces: Iterator[bytes]) -> None:
        """Check that the unpacked bytes are those that the directory describes."""
        crc = size = 0
        for piece in pieces:
            self._time.check()
            crc = zlib.crc32(piece, crc)
            size += len(piece)
            if size > info.file_size:
                break
        if (size, crc) != (info.file_size, info.CRC):
            raise self._refuse(info, "is damaged: its data have another size or CRC than the directory says")
        self._budget -= size
        if self._budget < 0:
            cause = f"unpacks to more than {FREE >> 30} GiB and {MAX_RATIO} times its size"
            raise TooLargeError(f"{plain(self._filename)}: {cause}", "Leave large generated files out of it.")

    def _stored(self, info: zipfile.ZipInfo, scan: _Scan | None) -> Iterator[bytes]:
        left = info.compress_size
        while left and (piece := self._file.read(min(left, _CHUNK))):
            left -= len(piece)
            if scan is not None:
                scan.look(piece)
            yield piece

    def _inflated(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """The unpacked data of a deflated member, in pieces; its packed bytes have to end where deflate ends."""
        left = info.compress_size
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            while left and not inflate.eof and (packed := self._file.read(min(left, _CHUNK))):
                left -= len(packed)
                while packed and not inflate.eof:
                    yield inflate.decompress(packed, _CHUNK)
                    packed = inflate.unconsumed_tail
            yield inflate.flush()
        except zlib.error as error:
            raise self._refuse(info, f"is damaged: {plain(str(error))}") from error
        if not inflate.eof or inflate.unused_data or left:
            raise self._refuse(info, "is damaged: its packed data end before, or behind, the place that the directory names")

    def _refuse(self, info: zipfile.ZipInfo, what: str) -> InvalidDistributionError:
        return invalid(self._filename, f"the member {plain(info.filename)!r} {what}")


class _Scan:
    """Looks for the signature of a descriptor in data that come in pieces."""

    def __init__(self) -> None:
        self.found = False
        self._tail = b""

    def look(self, piece: bytes) -> None:
        """Look at the next piece."""
        self.found = self.found or _DESCRIPTOR_SIGNATURE in self._tail + piece
        self._tail = piece[-3:]
