"""The form of an upload, as a value: the few fields that matter, and the file on the disk, which keeps some room free."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

from wharf.errors import UNWRITABLE, StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.errors import WharfError

FIELDS: Final = frozenset(
    {":action", "protocol_version", "name", "version", "md5_digest", "sha256_digest", "blake2_256_digest"}
)
"""The fields that are kept."""
FIELD_LIMIT: Final = 16 << 10
"""Bytes of each of them."""
REMEDY: Final = "Upload with twine or `uv publish`, and build the file again if it persists."


@dataclass(slots=True)
class UploadForm:
    """What matters of an upload's form. `content` is at its beginning; `dropped` are the names of what is not kept.

    No field is empty, or has blanks around it. It owns the file: `close` it.
    """

    fields: dict[str, str] = field(default_factory=dict)
    filename: str = ""
    content: BinaryIO | None = None
    size: int = 0
    dropped: dict[str, str] = field(default_factory=dict)

    def close(self) -> None:
        """Let go of the file, which no folder names."""
        if self.content is not None:
            self.content.close()


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """`file` is how many bytes the file may have; `too_large` is what is said of a larger one. `folder` takes it meanwhile."""

    file: int
    too_large: WharfError
    folder: Path | None


FLOOR: Final = 64 << 20
"""Bytes that stay free on the disk, whoever uploads."""


def check_room(folder: int | Path, more: int = 0) -> None:
    """Raise StorageError if `more` bytes leave less than the floor free on a disk."""
    found = os.statvfs(folder)
    if found.f_bavail * found.f_frsize < FLOOR + more:
        raise StorageError(
            "This server has no room for an upload.", "Free some, or set TMPDIR to a folder with room.", told=UNWRITABLE
        )
