"""Tar archives in gzip, walked block by block.

Python's tarfile reads extended headers without a limit, and in versions that are still in use loops or takes quadratic time
on hostile ones; so only its decoder of a single block is used, and the little that sdists need is done here: plain headers,
pax headers (POSIX.1-2001, "pax Interchange Format") and GNU's long names. Memory stays flat whatever the archive holds.
"""

from __future__ import annotations

import re
import tarfile
import zlib
from typing import TYPE_CHECKING, BinaryIO

from wharf.distribution.archive_members import MAX_MEMBERS, ArchiveMembers
from wharf.distribution.file_names import REBUILD, invalid, plain
from wharf.errors import TooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wharf.distribution.time_limit import TimeLimit
    from wharf.errors import InvalidDistributionError

MAX_HEADER = 1 << 20
"""Bytes of one extended header."""

MAX_RATIO = 200
"""Unpacked bytes for each packed one, on top of `FREE`. Source code packs 3 to 10 times, test data up to 100 times."""

FREE = 64 << 20
"""Unpacked bytes that every archive may have, however small it is."""

_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 1 << 16
_GZIP = 16 + zlib.MAX_WBITS
_REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_LONG = {tarfile.GNUTYPE_LONGNAME: "path", tarfile.GNUTYPE_LONGLINK: "linkpath"}
_SIZE, _MAGIC, _PREFIX = slice(124, 136), slice(257, 263), slice(345, 500)
"""Fields of a header block."""
_OCTAL = re.compile(rb" *-?[0-7]* *")
"""A number in a header; Python's own reading also takes what it writes in programs, such as 1_0."""
_OVERRIDES = ("path", "linkpath", "size")
"""The pax keywords that change what is unpacked, or where to. The others (times, owners, comments) do not matter here."""


class TarArchive:
    """One walk through the members of a gzipped tar archive; `file` stands at its beginning and stays open.

    `is_ended` says, once they went by, whether the two blocks of zeros that end an archive are there.
    Every method raises InvalidDistributionError for bytes that are no such archive and TooLargeError for more than a limit.
    """

    def __init__(self, file: BinaryIO, filename: str, size: int, time: TimeLimit) -> None:
        self.seen = ArchiveMembers(filename, time)
        self.is_ended = False
        self._time = time
        self._filename = filename
        self._file = file
        self._gzip = zlib.decompressobj(_GZIP)
        self._buffer = b""
        self._at = 0
        self._budget = FREE + MAX_RATIO * size
        self._left = 0  # of the current member's data and padding
        self._headers = 0

    def members(self) -> Iterator[tuple[tuple[str, ...], tarfile.TarInfo]]:
        """Each member, its path as parts first, after it was checked. What was not `read` of it is skipped."""
        more: dict[str, str] = {}
        while (info := self._header()) is not None:
            if info.type in _LONG:
                self._merge(more, {_LONG[info.type]: self._extended(info).rstrip(b"\0").decode("utf-8", "surrogateescape")})
            elif info.type in _PAX:
                self._merge(more, self._pax(self._extended(info)))
            elif info.type == tarfile.XGLTYPE:
                if self._pax(self._extended(info)):
                    raise self._refuse("a global header changes the name or size of every member")
            else:
                yield self._member(info, more), info
                more = {}
                self._skip(self._left)
        if more:
            raise self._refuse("an extended header has no member behind it")
        self._finish()

    def read(self, info: tarfile.TarInfo, limit: int) -> bytes:
        """The data of the member that `members` gave last; TooLargeError if it is more than `limit` bytes."""
        if info.size > limit:
            raise TooLargeError(f"{plain(self._filename)}: {plain(info.name)} is larger than {limit} bytes", REBUILD)
        self._left -= info.size
        return self._take(info.size)

    def _member(self, info: tarfile.TarInfo, more: dict[str, str]) -> tuple[str, ...]:
        """The path of a member whose extended headers said `more`, after the checks."""
        info.name = more.get("path", info.name)
        if "size" in more:
            info.size = self._number(more["size"])
        parts = self.seen.add(info.name)
        if info.issym():
            self.seen.link(parts, more.get("linkpath", info.linkname))
        elif info.islnk():
            self.seen.hard_link(parts, more.get("linkpath", info.linkname))
        elif info.type not in _REGULAR and not info.isdir():
            raise self._refuse(f"the member {plain(info.name)!r} is neither file, folder nor link (tar type {info.type!r})")
        elif info.name.endswith("/") and not info.isdir():
            raise self._refuse(f"the member {plain(info.name)!r} is a file with the name of a folder")
        if info.size < 0 or (info.size and info.type not in _REGULAR):
            # Readers disagree on whether data follows, and so on what the next member is.
            raise self._refuse(f"the member {plain(info.name)!r} has a size of {info.size}, which it cannot have")
        self.seen.put(parts, folder=info.isdir())
        self._left = info.size + -info.size % _BLOCK
        return parts

    def _header(self) -> tarfile.TarInfo | None:
        """The next header block, or None at the end of the archive."""
        block = self._take(_BLOCK, short=True)
        if not block.strip(b"\0"):
            return None
        self._headers += 1
        if self._headers > 3 * MAX_MEMBERS:
            raise TooLargeError(f"{plain(self._filename)}: more than {3 * MAX_MEMBERS} headers", REBUILD)
        if block[_MAGIC] != b"ustar\0" and block[_PREFIX].strip(b"\0"):
            # tarfile takes it for the front of the name, others for times or nothing.
            raise self._refuse("a header of the tar archive has a name that can be read in two ways")
        if not block[_SIZE][0] & 0x80 and not _OCTAL.fullmatch(block[_SIZE].partition(b"\0")[0]):
            raise self._refuse("a header of the tar archive has a size that can be read in two ways")
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.TarError as error:
            raise self._refuse(f"not a readable tar archive: {plain(str(error))}") from error

    def _extended(self, info: tarfile.TarInfo) -> bytes:
        """The data of the extended header `info`, without its padding."""
        if not 0 <= info.size <= MAX_HEADER:
            raise TooLargeError(f"{plain(self._filename)}: a header of {info.size} bytes, more than {MAX_HEADER}", REBUILD)
        data = self._take(info.size)
        self._skip(-info.size % _BLOCK)
        return data

    def _pax(self, data: bytes) -> dict[str, str]:
        """The overrides among the records `<length> <keyword>=<value>`, each with a line feed; the length counts all of it."""
        found: dict[str, str] = {}
        at = 0
        while at < len(data):
            digits = data[at : at + 8].partition(b" ")[0]
            end = at + (int(digits) if digits.isdigit() else 0)
            keyword, equals, value = data[at + len(digits) + 1 : end].partition(b"=")
            if not keyword or not equals or not value.endswith(b"\n") or end > len(data):
                raise self._refuse("a pax header that cannot be read")
            if keyword.startswith(b"GNU.sparse."):
                raise self._refuse("a member is stored as a sparse file")
            if (word := keyword.decode("utf-8", "replace")) in _OVERRIDES:
                self._merge(found, {word: value[:-1].decode("utf-8", "surrogateescape")})
            at = end
        return found

    def _merge(self, into: dict[str, str], more: dict[str, str]) -> None:
        """Add overrides; one that is there already is refused, as readers disagree on which of the two counts."""
        for word, value in more.items():
            if word in into:
                raise self._refuse(f"two extended headers give one member a {word}")
            into[word] = value

    def _number(self, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise self._refuse(f"a pax header with the size {plain(text)!r}")
        return int(text)

    def _finish(self) -> None:
        """Skip what pads the archive, to the end of the gzip stream and its checksum; zeros only, here and behind it."""
        padding = 0
        while block := self._take(_BLOCK, short=True):
            padding += 1
            if block.strip(b"\0"):
                raise self._refuse("data follows the end of the tar archive")
        self.is_ended = padding > 0  # one block of zeros is behind us
        rest = self._gzip.unused_data
        while rest:
            if rest.strip(b"\0"):
                raise self._refuse(
                    "data follows the end of the gzip stream, which some readers unpack and others ignore",
                    "Pack it as one gzip stream: rebuild it with `python -m build --sdist`, or unpack it and use `tar czf`.",
                )
            rest = self._file.read(_CHUNK)

    def _skip(self, size: int) -> None:
        while size:
            size -= len(self._take(min(size, _CHUNK)))
        self._left = 0

    def _take(self, size: int, *, short: bool = False) -> bytes:
        """The next `size` unpacked bytes, or nothing at the end if `short`."""
        while len(self._buffer) - self._at < size:
            fresh = self._unpack()
            if not fresh:
                if short and self._at == len(self._buffer):
                    return b""
                raise self._refuse("the tar archive is cut off", "Build or download it again.")
            self._buffer = self._buffer[self._at :] + fresh
            self._at = 0
        self._at += size
        return self._buffer[self._at - size : self._at]

    def _unpack(self) -> bytes:
        """Some more unpacked bytes; none at the end of the gzip stream (RFC 1952), of which there has to be exactly one."""
        while not self._gzip.eof:
            packed = self._gzip.unconsumed_tail or self._file.read(_CHUNK)
            try:
                fresh = self._gzip.decompress(packed, _CHUNK)
            except zlib.error as error:
                raise self._refuse(f"not a readable gzip stream: {error}") from error
            self._time.check()
            self._budget -= len(fresh)
            if self._budget < 0:
                cause = f"unpacks to more than {FREE >> 20} MiB and {MAX_RATIO} times its size"
                raise TooLargeError(f"{plain(self._filename)}: {cause}", "Leave large generated files out of the sdist.")
            if fresh:
                return fresh
            if not packed:
                raise self._refuse("the gzip stream is cut off", "Build or download it again.")
        return b""

    def _refuse(self, cause: str, hint: str = REBUILD) -> InvalidDistributionError:
        return invalid(self._filename, cause, hint)
