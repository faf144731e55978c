"""The form of an upload, as a value: the few fields that matter, and the file, on the disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

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
