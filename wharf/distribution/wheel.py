"""Wheels (PEP 427 and its successor, the binary distribution format)."""

from __future__ import annotations

import email.errors
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING, BinaryIO

from packaging.tags import parse_tag
from packaging.utils import BuildTag, canonicalize_name

from wharf.distribution import metadata, zips
from wharf.distribution.names import MAX_TAGS, RENAME, Name, count_tags, invalid, plain
from wharf.errors import TooLargeError
from wharf.model import same_version

if TYPE_CHECKING:
    from collections.abc import Collection
    from email.message import Message

    from packaging.tags import Tag


def read(file: BinaryIO, filename: str, name: Name) -> tuple[bytes, metadata.CoreMetadata, list[str]]:
    """The METADATA of the wheel in `file`, the same checked, and warnings.

    Raises InvalidDistributionError for an archive that is no wheel or not the one that its file name tells of.
    """
    with zips.opened(file, filename) as archive:
        members, _ = zips.members(archive, filename)
        folder = _dist_info(members, filename, name)
        for member in ("METADATA", "WHEEL", "RECORD"):
            info = members.get(f"{folder}/{member}")
            if info is None or info.filename != f"{folder}/{member}":  # a folder, or a spelling that installers do not find
                raise invalid(filename, f"the wheel has no {folder}/{member}")
        data = zips.read(archive, members[f"{folder}/METADATA"], filename)
        about = zips.read(archive, members[f"{folder}/WHEEL"], filename)
    warnings = _check_about(about, filename, name)
    return data, metadata.parse(data, filename, name, "METADATA"), warnings


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

    Its tags are those of the file name, one by one (PEP 427): wheels by setuptools, flit, hatchling, meson, maturin and bazel,
    repaired by auditwheel or not, of 2015 as of today, all comply. Its build number may differ, as people add one by renaming
    the file and no installer reads it here: that is a warning. A Wheel-Version other than 1.x is refused, as by installers.
    """
    head, warnings = metadata.header(data, filename, "WHEEL")
    try:
        about = BytesHeaderParser().parsebytes(head)
        major = str(about.get("Wheel-Version", "")).strip().partition(".")[0]
    except (ValueError, email.errors.MessageError) as error:
        raise invalid(filename, f"WHEEL cannot be read: {plain(str(error))}") from error
    if major != "1":
        raise invalid(filename, f"Wheel-Version in WHEEL is {plain(str(about.get('Wheel-Version', '')))!r}, not 1.x")
    tags = _tags(about, filename)
    if tags != name.tags:
        wheel = ", ".join(sorted(map(str, tags - name.tags))) or "no others"
        own = ", ".join(sorted(map(str, name.tags - tags))) or "no others"
        raise invalid(filename, f"the tags disagree: only WHEEL has {plain(wheel)}, only the file name {plain(own)}", RENAME)
    build = str(about.get("Build", "")).strip()
    if build and build != _build(name.build):
        warnings.append(f"WHEEL says build {plain(build)!r}, the file name {_build(name.build)!r}.")
    return warnings


def _tags(about: Message, filename: str) -> frozenset[Tag]:
    """The tags of WHEEL, expanded."""
    tags: set[Tag] = set()
    for line in about.get_all("Tag", []):
        text = str(line).strip()
        count = count_tags(text)
        if not count:
            raise invalid(filename, f"WHEEL has a tag that is none, {plain(text)!r}")
        if count > MAX_TAGS or len(tags) > MAX_TAGS:
            raise TooLargeError(f"{plain(filename)}: WHEEL has more than {MAX_TAGS} tags", RENAME)
        tags |= parse_tag(text)
    return frozenset(tags)


def _build(build: BuildTag) -> str:
    return f"{build[0]}{build[1]}" if build else ""
