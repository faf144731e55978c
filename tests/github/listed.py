"""Releases and assets as GitHub lists them, made of nothing."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

from wharf.github import release_listing
from wharf.github.release_listing import Listed, Stored
from wharf.model import File

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2026, 11, 21, tzinfo=UTC)
_NUMBERS = count(1000)


def file_of(name: str, data: bytes = b"data") -> File:
    return File(filename=name, sha256=hashlib.sha256(data).hexdigest(), size=len(data), upload_time=NOW)


def asset(file: File, *, state: str = "uploaded", id: int | None = None) -> Stored:  # noqa: A002 - the name is GitHub's
    number = next(_NUMBERS) if id is None else id
    size, sha256 = (file.size, file.sha256) if state == "uploaded" else (0, None)
    return Stored(id=number, name=file.filename, state=state, size=size, sha256=sha256, updated=NOW)


def listed(
    *assets: Stored, tag: str = "demo-1.0", draft: bool = False, immutable: bool = False, files: Sequence[File] = ()
) -> Listed:
    """A release that wharf made for these files."""
    return Listed(
        id=next(_NUMBERS),
        tag=tag,
        draft=draft,
        immutable=immutable,
        upload_url="",
        touched=NOW,
        mark=release_listing.mark(files),
        index="main",
        assets=assets,
        created=NOW,
    )
