"""Reads wheels and sdists: what they are, what they say of themselves, and whether the two agree.

Whoever publishes may send anything, so every size is limited before memory or time is spent on it, and whatever could be read
in two ways is refused. Nothing is unpacked to disk and no code of a distribution runs.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from wharf.distribution import sdist, wheel
from wharf.distribution.file_names import Kind, Name, invalid, plain
from wharf.distribution.time_limit import TimeLimit
from wharf.errors import TooLargeError

if TYPE_CHECKING:
    from wharf.distribution.core_metadata import CoreMetadata

__all__ = ["DEFAULT_LIMIT", "Distribution", "Name", "read"]

DEFAULT_LIMIT = (2 << 30) - 1
"""Bytes of one distribution: a release asset has to be under 2 GiB."""

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One wheel or sdist that passed every check.

    `project` is the PEP 503 name and `version` the one of the file name in its normal form (PEP 440); `sha256` is in hex,
    `size` in bytes. `metadata` is METADATA or PKG-INFO byte for byte. `announces_metadata` says whether an index may offer it
    beside the file (PEP 658): always for a wheel, for an sdist only if no build changes the requirements in it (PEP 643).
    `warnings` are sentences for the person.

    - Name and version in `metadata` are those of the file name.
    - `sha256` and `size` are those of all bytes that were checked.
    - Nothing in it leads out of the folder that it is unpacked into. What could be read in two ways was refused.
    - What only some installers take is among `warnings`; what none takes is refused.
    """

    filename: str
    project: str
    version: str
    kind: Kind
    sha256: str
    size: int
    requires_python: str | None
    metadata: bytes
    announces_metadata: bool
    warnings: tuple[str, ...]


def read(file: BinaryIO, filename: str, *, limit: int = DEFAULT_LIMIT, digest: tuple[str, int] | None = None) -> Distribution:
    """The distribution in `file`, which is seekable, stands at its beginning and stays open.

    The file name is checked first, then all bytes are read once for their sha256, then the structure is. `digest` is the sha256
    and the size, where the caller computed them as it wrote these very bytes: then the bytes are not read for that.
    Raises InvalidDistributionError for a file that is not a wheel or sdist, or contradicts itself, TooLargeError for more than
    `limit` bytes or for a part over its own limit; an OSError of `file` passes through.
    """
    name = Name.parse(filename)
    sha256, size = digest or _digest(file, filename, limit)
    if not size:
        raise invalid(filename, "the file is empty", "Build or download it again.")
    file.seek(0)
    data: bytes
    core: CoreMetadata
    time = TimeLimit(filename, size)
    data, core, warnings = (wheel if name.kind == "wheel" else sdist).read(file, filename, name, size, time)
    return Distribution(
        filename=filename,
        project=name.project,
        version=str(name.version),
        kind=name.kind,
        sha256=sha256,
        size=size,
        requires_python=core.requires_python,
        metadata=data,
        announces_metadata=name.kind == "wheel" or core.is_final,
        warnings=(*warnings, *core.warnings),
    )


def _digest(file: BinaryIO, filename: str, limit: int) -> tuple[str, int]:
    """The sha256 and the number of the bytes that are left in `file`."""
    digest = hashlib.sha256()
    size = 0
    while chunk := file.read(_CHUNK):
        size += len(chunk)
        if size > limit:
            raise TooLargeError(f"{plain(filename)}: larger than {limit} bytes", "Leave large files out of the distribution.")
        digest.update(chunk)
    return digest.hexdigest(), size
