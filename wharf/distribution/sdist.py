"""Source distributions (PEP 517, 625, 643): one folder with a PKG-INFO, as .tar.gz or, from older tools, as .zip."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from wharf.distribution import core_metadata, zip_archive
from wharf.distribution.archive_members import MAX_METADATA, ArchiveMembers
from wharf.distribution.file_names import invalid
from wharf.distribution.tar_archive import TarArchive

if TYPE_CHECKING:
    from wharf.distribution.file_names import Name
    from wharf.distribution.time_limit import TimeLimit

_DEPTH = 2
"""Parts in the path of `<folder>/PKG-INFO`."""


def read(
    file: BinaryIO, filename: str, name: Name, size: int, time: TimeLimit
) -> tuple[bytes, core_metadata.CoreMetadata, list[str]]:
    """The PKG-INFO of the sdist in `file`, the same checked, and warnings.

    Raises InvalidDistributionError for an archive that is not an sdist, or not the one that its file name says.
    """
    data, seen, warnings = (_from_zip if name.suffix == ".zip" else _from_tar)(file, filename, size, time)
    if data is None:
        raise invalid(filename, "the sdist has no PKG-INFO in its top folder", "Build it with `python -m build --sdist`.")
    if len(seen.tops) != 1:
        raise invalid(filename, f"the sdist has more than one top folder or file ({', '.join(sorted(seen.tops))})")
    if seen.dotted:
        warnings.append("The names of its members begin with `./`. uv installs it, pip does not.")
    return data, core_metadata.parse(data, filename, name, "PKG-INFO"), warnings


def _from_zip(file: BinaryIO, filename: str, size: int, time: TimeLimit) -> tuple[bytes | None, ArchiveMembers, list[str]]:
    """PKG-INFO, if it is there, what was seen of the members, and warnings."""
    with zip_archive.opened(file, filename) as archive:
        all_of_it = zip_archive.members(archive, file, filename, size, time)
        found = [info for path, info in all_of_it.members.items() if path.count("/") == 1 and path.endswith("/PKG-INFO")]
        if found and found[0].is_dir():
            raise invalid(filename, "PKG-INFO is not a regular file")
        data = zip_archive.read(archive, found[0], filename) if found else None
    return data, all_of_it.seen, all_of_it.warnings


def _from_tar(file: BinaryIO, filename: str, size: int, time: TimeLimit) -> tuple[bytes | None, ArchiveMembers, list[str]]:
    """The same from a gzipped tar archive, all of which is unpacked: that alone proves that it is whole."""
    tar = TarArchive(file, filename, size, time)
    data: bytes | None = None
    for parts, info in tar.members():
        if len(parts) == _DEPTH and parts[1] == "PKG-INFO":
            if data is not None:
                raise invalid(filename, "the sdist has two PKG-INFO")
            if not info.isreg():
                raise invalid(filename, "PKG-INFO is not a regular file")
            data = tar.read(info, MAX_METADATA)
    return data, tar.seen, [] if tar.is_ended else ["The tar archive has no end marker. pip installs it, uv refuses it."]
