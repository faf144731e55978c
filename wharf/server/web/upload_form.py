"""The form of an upload, as a value: the few fields that matter, and the file on its way to the disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.errors import WharfError
    from wharf.server.web.spooled_file import SpooledFile

FIELDS: Final = frozenset(
    {":action", "protocol_version", "name", "version", "md5_digest", "sha256_digest", "blake2_256_digest"}
)
"""The fields that are kept."""
FIELD_LIMIT: Final = 16 << 10
"""Bytes of each of them."""
REMEDY: Final = "Upload with twine or `uv publish`, and build the file again if it persists."


@dataclass(slots=True)
class UploadForm:
    """What matters of an upload's form. `dropped` are the names of what is not kept, `rest` is what of the file is not written.

    No field is empty, or has blanks around it. It owns the file: `close` it.
    """

    fields: dict[str, str] = field(default_factory=dict)
    filename: str = ""
    content: SpooledFile | None = None
    rest: bytearray = field(default_factory=bytearray)
    dropped: dict[str, str] = field(default_factory=dict)

    def finish(self) -> None:
        """Write what is left of the file. In a thread. Raises StorageError and OSError."""
        if self.content is not None:
            self.content.write(self.rest)
        self.rest = bytearray()

    def close(self) -> None:
        """Let go of the file, which no folder names."""
        if self.content is not None:
            self.content.close()


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """`file` is how many bytes the file may have; `too_large` is what is said of a larger one. `folder` takes it meanwhile.

    `announced` is the length of the whole body, or 0.
    """

    file: int
    too_large: WharfError
    folder: Path | None
    announced: int
