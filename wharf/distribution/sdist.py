"""Source distributions (PEP 517, 625, 643): one folder with a PKG-INFO, as .tar.gz or, from older tools, as .zip."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from wharf.distribution import metadata, zips
from wharf.distribution.members import MAX_METADATA
from wharf.distribution.names import invalid
from wharf.distribution.tars import Tar

if TYPE_CHECKING:
    from wharf.distribution.names import Name

_DEPTH = 2
"""Parts in the path of `<folder>/PKG-INFO`."""


def read(file: BinaryIO, filename: str, name: Name, size: int) -> tuple[bytes, metadata.CoreMetadata, list[str]]:
    """The PKG-INFO of the sdist in `file`, the same checked, and warnings.

    Raises InvalidDistributionError for an archive that is no sdist or not the one that its file name tells of.
    """
    data, tops = _from_zip(file, filename) if name.suffix == ".zip" else _from_tar(file, filename, size)
    if data is None:
        raise invalid(filename, "the sdist has no PKG-INFO in its top folder", "Build it with `python -m build --sdist`.")
    if len(tops) != 1:
        raise invalid(filename, f"the sdist has more than one top folder or file ({', '.join(sorted(tops))})")
    return data, metadata.parse(data, filename, name, "PKG-INFO"), []


def _from_zip(file: BinaryIO, filename: str) -> tuple[bytes | None, set[str]]:
    """PKG-INFO, if it is there, and the names at the top, no more than two of them."""
    with zips.opened(file, filename) as archive:
        members, seen = zips.members(archive, filename)
        found = [info for path, info in members.items() if path.count("/") == 1 and path.endswith("/PKG-INFO")]
        if found and found[0].is_dir():
            raise invalid(filename, "PKG-INFO is not a regular file")
        return zips.read(archive, found[0], filename) if found else None, seen.tops


def _from_tar(file: BinaryIO, filename: str, size: int) -> tuple[bytes | None, set[str]]:
    """The same from a gzipped tar archive, all of which is unpacked: that alone proves that it is whole."""
    tar = Tar(file, filename, size)
    data: bytes | None = None
    for parts, info in tar.members():
        if len(parts) == _DEPTH and parts[1] == "PKG-INFO":
            if data is not None:
                raise invalid(filename, "the sdist has two PKG-INFO")
            if not info.isreg():
                raise invalid(filename, "PKG-INFO is not a regular file")
            data = tar.read(info, MAX_METADATA)
    return data, tar.seen.tops
