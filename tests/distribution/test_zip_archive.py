"""Zip archives whose headers contradict each other or their data, and those of honest tools that look odd."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

import pytest

from tests.makers import make_wheel
from tests.raw_zips import DESCRIBED, Headers, Member, deflated, descriptor, raw_wheel, raw_zip, zip64
from wharf.distribution import zip_entries
from wharf.distribution.read_distribution import Distribution, read
from wharf.errors import InvalidDistributionError, TooLargeError

if TYPE_CHECKING:
    from pathlib import Path

DATA = b"value = 2\n" * 13
CRC, SIZE = zlib.crc32(DATA), len(DATA)
PACKED = deflated(DATA)
TRUTH = (CRC, len(PACKED), SIZE)
FULL = 0xFFFFFFFF
HIDDEN = raw_zip([Member("hidden.py", b"evil = 1\n", stored=True)])[: 30 + 9 + 9]
STREAMED = {"flags": DESCRIBED}


def checked(data: bytes) -> Distribution:
    return read(io.BytesIO(data), "demo-1.0-py3-none-any.whl")


def refused(data: bytes) -> str:
    with pytest.raises(InvalidDistributionError) as caught:
        checked(data)
    return caught.value.message


def wide(path: str) -> bytes:
    """The extra field with a name in UTF-8, as Info-ZIP writes it."""
    return struct.pack("<HHBL", 0x7075, 5 + len(path), 1, zlib.crc32(b"a.py")) + path.encode()


HONEST = {
    "deflated": (False, Headers()),
    "stored": (True, Headers()),
    "streamed": (False, Headers(flags=DESCRIBED)),
    "streamed, stored": (True, Headers(flags=DESCRIBED)),
    "streamed, no signature": (False, Headers(flags=DESCRIBED, descriptor=descriptor(TRUTH, signed=False))),
    "streamed, but told in front too": (False, Headers(flags=DESCRIBED, local=TRUTH)),
    "streamed, 64 bits": (
        False,
        Headers(flags=DESCRIBED, local=(0, FULL, FULL), local_extra=zip64(0, 0), descriptor=descriptor(TRUTH, wide=True)),
    ),
    "streamed, 64 bits, as Python does": (
        False,
        Headers(flags=DESCRIBED, local_extra=zip64(0, 0), descriptor=descriptor(TRUTH, wide=True)),
    ),
    "64 bits in front": (False, Headers(local=(CRC, FULL, FULL), local_extra=zip64(SIZE, len(PACKED)))),
    "64 bits in front without need": (False, Headers(local_extra=zip64(SIZE, len(PACKED)))),
    "64 bits everywhere": (
        False,
        Headers(
            local=(CRC, FULL, FULL),
            local_extra=zip64(SIZE, len(PACKED)),
            central_shown=(CRC, FULL, FULL),
            central_extra=zip64(SIZE, len(PACKED)),
        ),
    ),
    "UTF-8 announced in front only": (False, Headers(local_flags=0x800)),
    "padding in the extra field": (False, Headers(local_extra=b"\0\0\0")),
    "an extra field with the same name": (False, Headers(local_extra=wide("a.py"), central_extra=wide("a.py"))),
}


@pytest.mark.parametrize(("stored", "headers"), HONEST.values(), ids=HONEST)
def test_what_honest_tools_write_passes(stored: bool, headers: Headers) -> None:
    assert checked(raw_wheel(Member("a.py", DATA, stored, headers))).warnings == ()


LIES = {
    "another size in front": (True, Headers(local=(CRC, 12, 12)), "has other sizes or another CRC"),
    "another CRC in front": (False, Headers(local=(1, *TRUTH[1:])), "has other sizes or another CRC"),
    "no sizes in front": (False, Headers(local=(0, 0, 0)), "has other sizes or another CRC"),
    "a whole entry inside of another": (
        True,
        Headers(local=(zlib.crc32(DATA[:12]), 12, 12), packed=DATA[:12] + HIDDEN + DATA[12 + len(HIDDEN) :]),
        "has other sizes or another CRC",
    ),
    "another CRC than the data": (False, Headers(central=(5, *TRUTH[1:])), "is damaged"),
    "another CRC than the stored data": (True, Headers(central=(5, SIZE, SIZE)), "is damaged"),
    "a smaller size than the data": (False, Headers(central=(CRC, len(PACKED), SIZE - 5)), "is damaged"),
    "a larger size than the data": (False, Headers(central=(CRC, len(PACKED), SIZE + 5)), "is damaged"),
    "bytes behind the packed data": (False, Headers(packed=PACKED + HIDDEN), "is damaged"),
    "packed data that break off": (False, Headers(packed=PACKED[:-3]), "is damaged"),
    "packed data that are none": (False, Headers(packed=b"\xff" * 20), "is damaged"),
    "a descriptor with another CRC": (
        False,
        Headers(flags=DESCRIBED, descriptor=descriptor((1, *TRUTH[1:]))),
        "has a descriptor that contradicts",
    ),
    "a descriptor with another size": (
        False,
        Headers(flags=DESCRIBED, descriptor=descriptor((*TRUTH[:2], 3))),
        "has a descriptor that contradicts",
    ),
    "no descriptor where one is announced": (False, Headers(flags=DESCRIBED, descriptor=b""), "belong to no member"),
    "another size in front, and a descriptor": (
        False,
        Headers(flags=DESCRIBED, local=(CRC, len(PACKED), 4)),
        "has other sizes or another CRC",
    ),
    "a descriptor announced in front only": (False, Headers(local_flags=DESCRIBED), "announces a descriptor in one"),
    "a descriptor announced in the directory only": (
        False,
        Headers(flags=DESCRIBED, local_flags=0, local=TRUTH),
        "announces a descriptor in one",
    ),
    "encrypted in front only": (False, Headers(local_flags=1), "calls itself something else"),
    "stored data that hold an end": (True, Headers(flags=DESCRIBED), "looks like its own end"),
    "64 bits in front that lie": (
        False,
        Headers(local=(CRC, FULL, FULL), local_extra=zip64(SIZE, 7)),
        "has other sizes or another CRC",
    ),
    "64 bits in front that lie without need": (False, Headers(local_extra=zip64(9, 9)), "has other sizes or another CRC"),
    "64 bits in front, twice": (
        False,
        Headers(local=(CRC, FULL, FULL), local_extra=zip64(SIZE, len(PACKED)) * 2),
        "has other sizes or another CRC",
    ),
    "64 bits in the directory that lie without need": (False, Headers(central_extra=zip64(9, 9)), "in two ways"),
    "64 bits in the directory, twice": (
        False,
        Headers(
            local=(CRC, FULL, FULL),
            local_extra=zip64(SIZE, len(PACKED)),
            central_shown=(CRC, FULL, FULL),
            central_extra=zip64(SIZE, len(PACKED)) + zip64(9, 9),
        ),
        "in two ways",
    ),
    "a gap": (False, Headers(gap=b"\0\0\0\0"), "belong to no member"),
    "a local entry in a gap": (False, Headers(gap=HIDDEN), "belong to no member"),
    "another name in front": (False, Headers(local_name=b"b.py"), "calls itself something else"),
    "another name in an extra field in front": (False, Headers(local_extra=wide("b.py")), "has two names"),
    "another name in an extra field in the directory": (False, Headers(central_extra=wide("b.py")), "has two names"),
}


@pytest.mark.parametrize(("stored", "headers", "words"), LIES.values(), ids=LIES)
def test_what_two_readers_would_unpack_differently_is_refused(stored: bool, headers: Headers, words: str) -> None:
    data = DATA + descriptor((0, 3, 3)) if words == "looks like its own end" else DATA
    assert words in refused(raw_wheel(Member("a.py", data, stored, headers)))


def test_a_folder_with_data_is_refused() -> None:
    assert "is a folder with data" in refused(raw_wheel(Member("folder/", DATA)))
    assert checked(raw_wheel(Member("folder/", b""))).project == "demo"


def test_a_descriptor_of_another_width_is_a_warning() -> None:
    """Go writes such ones for what grew large; the newest uv refuses them."""
    odd = Headers(flags=DESCRIBED, descriptor=descriptor(TRUTH, wide=True))
    warnings = checked(raw_wheel(Member("a.py", DATA, headers=odd), Member("b.py", DATA, headers=odd))).warnings
    what = "has a descriptor of another width than its header announces"
    assert warnings == (f"The member 'a.py' (and 1 more) {what}. pip installs it, uv refuses it.",)


class _Pipe(io.RawIOBase):
    """What cannot be sought in: Python's zipfile writes descriptors then."""

    def __init__(self) -> None:
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self.written += piece
        return len(piece)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_wheel_that_python_wrote_into_a_pipe_passes(tmp_path: Path, method: int) -> None:
    pipe = _Pipe()
    source = make_wheel(tmp_path, files={"demo/__init__.py": "", "demo/large.txt": "x" * 100_000})
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(pipe, "w", method) as copy:
        for name in archive.namelist():
            copy.writestr(name, archive.read(name))
    assert checked(bytes(pipe.written)).warnings == ()


def test_unpacked_bytes_have_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_entries, "FREE", 1 << 20)
    monkeypatch.setattr(zip_entries, "MAX_RATIO", 10)
    with pytest.raises(TooLargeError, match="unpacks to more than"):
        checked(raw_wheel(Member("zeros", bytes(2 << 20))))


class _Counted(io.BytesIO):
    """Counts the bytes that are read."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


@pytest.mark.slow
def test_the_check_of_all_data_is_linear() -> None:
    """However many members there are, each of their bytes is read a few times at most."""
    data = raw_wheel(*(Member(f"{number}.py", DATA) for number in range(4000)))
    source = _Counted(data)
    read(source, "demo-1.0-py3-none-any.whl")
    assert len(data) <= source.count < 4 * len(data)
