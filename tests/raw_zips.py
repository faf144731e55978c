"""Zip archives written byte by byte, so that each header can say something else than the truth."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from tests.makers import core_metadata, record

DESCRIBED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """What the headers of a member say where that is not the truth, and what stands between and behind them.

    `local` and `central` are CRC, packed size and size; `packed` are other packed bytes than those of the data.
    """

    flags: int = 0
    local_flags: int | None = None
    local: tuple[int, int, int] | None = None
    central: tuple[int, int, int] | None = None
    central_shown: tuple[int, int, int] | None = None
    local_extra: bytes = b""
    central_extra: bytes = b""
    local_name: bytes | None = None
    packed: bytes | None = None
    descriptor: bytes | None = None
    gap: bytes = b""


@dataclass(frozen=True, slots=True)
class Member:
    """A member: stored, or deflated."""

    name: str
    data: bytes
    stored: bool = False
    headers: Headers = Headers()

    @property
    def packed(self) -> bytes:
        if self.headers.packed is not None:
            return self.headers.packed
        return self.data if self.stored else deflated(self.data)

    @property
    def truth(self) -> tuple[int, int, int]:
        return self.headers.central or (zlib.crc32(self.data), len(self.packed), len(self.data))


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def raw_zip(members: list[Member]) -> bytes:
    """The archive of these members."""
    out = directory = b""
    for each in members:
        told, name, method, start = each.headers, each.name.encode(), 0 if each.stored else 8, len(out)
        described = bool(told.flags & DESCRIBED)
        local = told.local or ((0, 0, 0) if described else each.truth)
        flags = told.flags if told.local_flags is None else told.local_flags
        inside = name if told.local_name is None else told.local_name
        fields = (20, flags, method, 0, 0x21, *local, len(inside), len(told.local_extra))
        out += struct.pack("<4s5H3L2H", b"PK\3\4", *fields) + inside + told.local_extra + each.packed
        if described:
            out += descriptor(each.truth) if told.descriptor is None else told.descriptor
        out += told.gap
        shown = told.central_shown or each.truth
        entry = (0x314, 20, told.flags, method, 0, 0x21, *shown, len(name), len(told.central_extra))
        directory += struct.pack("<4s6H3L5H2L", b"PK\1\2", *entry, 0, 0, 0, 0o100644 << 16, start)
        directory += name + told.central_extra
    count = len(members)
    return out + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(out), 0)


def descriptor(truth: tuple[int, int, int], *, wide: bool = False, signed: bool = True) -> bytes:
    crc, packed, size = truth
    return (b"PK\7\x08" if signed else b"") + struct.pack("<L2Q" if wide else "<3L", crc, packed, size)


def zip64(*numbers: int) -> bytes:
    """The extra field with numbers of 64 bits."""
    return struct.pack(f"<HH{len(numbers)}Q", 1, 8 * len(numbers), *numbers)


def raw_wheel(*extra: Member) -> bytes:
    """The wheel demo 1.0 with more members."""
    files = {each.name: each.data for each in extra}
    files |= {
        "demo-1.0.dist-info/METADATA": core_metadata().encode(),
        "demo-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    own = list(files)[len(extra) :]
    path = "demo-1.0.dist-info/RECORD"
    return raw_zip([*extra, *(Member(name, files[name]) for name in own), Member(path, record(files, path).encode())])
