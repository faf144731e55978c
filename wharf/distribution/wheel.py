"""Wheels (PEP 427 and its successor, the binary distribution format)."""

from __future__ import annotations

import email.errors
import functools
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING, BinaryIO

from packaging.tags import parse_tag
from packaging.utils import BuildTag, canonicalize_name

from wharf.distribution import core_metadata, scripts, zip_archive
from wharf.distribution.archive_members import MAX_SMALL
from wharf.distribution.file_names import MAX_TAGS, RENAME, Name, count_tags, invalid, plain
from wharf.errors import TooLargeError
from wharf.model import same_version

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from packaging.tags import Tag

    from wharf.distribution.time_limit import TimeLimit

_SHORT = 1000  # bytes of a WHEEL that is remembered


def read(
    file: BinaryIO, filename: str, name: Name, size: int, time: TimeLimit
) -> tuple[bytes, core_metadata.CoreMetadata, list[str]]:
    """The METADATA of the wheel in `file`, the same checked, and warnings.

    Raises InvalidDistributionError for an archive that is not a wheel, or not the one that its file name says.
    """
    with zip_archive.opened(file, filename) as archive:
        found = zip_archive.members(archive, file, filename, size, time)
        folder = _dist_info(found.members, filename, name)
        for member in ("METADATA", "WHEEL", "RECORD"):
            info = found.members.get(f"{folder}/{member}")
            if info is None or info.filename != f"{folder}/{member}":  # a folder, or a spelling that installers do not find
                raise invalid(filename, f"the wheel has no {folder}/{member}")
        data = zip_archive.read(archive, found.members[f"{folder}/METADATA"], filename)
        about = zip_archive.read(archive, found.members[f"{folder}/WHEEL"], filename, MAX_SMALL)
        points = [path for path in found.members if path.lower() == f"{folder}/entry_points.txt".lower()]
        if len(points) > 1:
            raise invalid(filename, f"the wheel has {points[0]} twice where upper and lower case are the same")
        commands = zip_archive.read(archive, found.members[points[0]], filename, MAX_SMALL) if points else b""
    warnings = [*found.warnings, *_check_about(about, filename, name), *scripts.check_entry_points(commands, filename)]
    files = [path for path, info in found.members.items() if not info.is_dir()]
    warnings += scripts.check_data(files, folder.removesuffix(".dist-info") + ".data", filename)
    return data, core_metadata.parse(data, filename, name, "METADATA"), warnings


def metadata(file: BinaryIO, filename: str, name: Name) -> tuple[bytes, core_metadata.CoreMetadata]:
    """The METADATA of a wheel, and the same checked, without a look at anything else in the archive.

    Raises InvalidDistributionError.
    """
    with zip_archive.opened(file, filename) as archive:
        members = {info.filename: info for info in archive.infolist()}
        info = members.get(f"{_dist_info(members, filename, name)}/METADATA")
        if info is None or [each.filename for each in archive.infolist()].count(info.filename) > 1:
            raise invalid(filename, "the wheel does not have METADATA once")
        data = zip_archive.read(archive, info, filename)
    return data, core_metadata.parse(data, filename, name, "METADATA")


def _dist_info(members: Collection[str], filename: str, name: Name) -> str:
    """The one `<name>-<version>.dist-info` folder; its name and version have to be those of the file name."""
    folders = {folder for member in members if (folder := member.partition("/")[0]).endswith(".dist-info")}
    if len(folders) != 1:
        shown = f" ({plain(', '.join(sorted(folders)))})" if folders else ""
        raise invalid(filename, f"the wheel has {len(folders) or 'no'} .dist-info folders{shown}, where it needs one")
    folder = folders.pop()
    project, _, version = folder.removesuffix(".dist-info").rpartition("-")
    if canonicalize_name(project) != name.project or not same_version(version, str(name.version)):
        raise invalid(filename, f"the folder {plain(folder)!r} is that of another project or version than the file name")
    return folder


def _check_about(data: bytes, filename: str, name: Name) -> list[str]:
    """Check WHEEL against the file name; warnings.

    Installers choose a wheel by the tags of its file name, and compare those in WHEEL only once it is installed. Its build
    number may differ, as people add one by renaming the file and no installer reads it here. A Wheel-Version other than 1.x is
    refused, as by installers.
    """
    if not core_metadata.is_utf8(data):
        raise invalid(filename, "WHEEL is not in UTF-8")
    head, warnings = core_metadata.header(data, filename, "WHEEL")
    try:
        about = (_about if len(head) > _SHORT else _short_about)(head)
    except (ValueError, email.errors.MessageError) as error:
        raise invalid(filename, f"WHEEL cannot be read: {plain(str(error))}") from error
    if about.version.strip().partition(".")[0] != "1":
        raise invalid(filename, f"Wheel-Version in WHEEL is {plain(about.version)!r}, not 1.x")
    tags, odd = _tags(about.tags, filename)
    if odd or tags != name.tags:
        told = odd or (f"the tag {plain(str(min(tags - name.tags, key=str)))!r}" if tags - name.tags else _missing(tags, name))
        warnings.append(
            f"WHEEL has {told}, unlike the file name. pip and uv go by the file name and install it, "
            "but `uv sync` may install it again each time, and `pip check` complain."
        )
    build = about.build.strip()
    if build and build != _build(name.build):
        warnings.append(f"WHEEL says build {plain(build)!r}, the file name {_build(name.build)!r}.")
    return warnings


def _missing(tags: frozenset[Tag], name: Name) -> str:
    return f"no tag {plain(str(min(name.tags - tags, key=str)))!r}" if tags else "no tag"


@dataclass(frozen=True, slots=True)
class _About:
    """What WHEEL says."""

    version: str
    tags: tuple[str, ...]
    build: str


def _about(head: bytes) -> _About:
    found = BytesHeaderParser().parsebytes(head)
    tags = tuple(map(str, found.get_all("Tag", [])))
    return _About(str(found.get("Wheel-Version", "")), tags, str(found.get("Build", "")))


_short_about = functools.lru_cache(maxsize=128)(_about)  # nearly all wheels of one program that builds say the same


def _tags(lines: Iterable[str], filename: str) -> tuple[frozenset[Tag], str]:
    """The tags of WHEEL, expanded, and in words the first one that is not a tag."""
    tags: set[Tag] = set()
    odd = ""
    for line in lines:
        text = line.strip()
        count = count_tags(text)
        if count > MAX_TAGS or len(tags) > MAX_TAGS:
            raise TooLargeError(f"{plain(filename)}: WHEEL has more than {MAX_TAGS} tags", RENAME)
        try:
            tags |= parse_tag(text) if count else frozenset()
        except ValueError:  # packaging knows more rules for a tag than the characters that it may have
            count = 0
        if not count:
            odd = odd or f"something that is not a tag, {plain(text)!r}"
    return frozenset(tags), odd


def _build(build: BuildTag) -> str:
    return f"{build[0]}{build[1]}" if build else ""
