"""Releases and assets as GitHub's answers describe them, and which of them are wharf's. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.index.asset_location import metadata_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from wharf.model import File, Json

MOST_ASSETS = 1000
"""Assets that a release can have ("About releases")."""

_MARK = re.compile(r"<!-- wharf index=([a-z0-9-]+) files=([0-9a-f]{64}) -->")
_SESSION = re.compile(r"<!-- wharf session=([^>]*)-->")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An asset. `sha256` is None where GitHub tells no digest."""

    id: int
    name: str
    state: str
    size: int
    sha256: str | None
    updated: datetime

    def holds(self, file: File) -> bool:
        """Whether these are the file's bytes, by GitHub's own digest."""
        return self.state == "uploaded" and self.size == file.size and self.sha256 == file.sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A release. `mark` is the digest of the files that `wharf publish` made it for, to `index`; None: it is not wharf's.

    `touched` is when it or one of its assets was changed last: the creation that GitHub names can be that of the tagged commit.
    `created` is the latter. `session` is what its text says of an upload session, not yet understood; None: it is none.
    """

    id: int
    tag: str
    draft: bool
    immutable: bool
    upload_url: str
    touched: datetime
    mark: str | None
    index: str | None
    assets: tuple[Stored, ...]
    created: datetime
    session: str | None = None

    def find(self, file: File) -> Stored | None:
        """The asset that holds a file's bytes."""
        return find(self.assets, file)


def marked(text: str) -> tuple[str | None, str | None]:
    """The index and the mark that the text of a release tells; None for one that is not wharf's."""
    found = _MARK.search(text[:4096])
    return (found[1], found[2]) if found else (None, None)


def session_of(text: str) -> str | None:
    """What the text of a release says of an upload session; None for one that is none."""
    found = _SESSION.search(text)
    return found[1] if found else None


def find(assets: Iterable[Stored], file: File) -> Stored | None:
    """The asset that holds a file's bytes under its name, or the name that GitHub made of it.

    The same bytes under another name are another file: a wheel with a build number that was put into its name, or the core
    metadata of two wheels. Each has its own asset, so that one can be deleted without the other.
    """
    return next((each for each in assets if each.holds(file) and same_name(each.name, file.filename)), None)


def same_name(stored: str, filename: str) -> bool:
    """Whether an asset's name can be what GitHub made of a file's name, whichever characters it changes."""
    return letters(stored) == letters(filename)


def letters(name: str) -> str:
    """What surely is left of a name, whatever GitHub makes of its other characters."""
    return re.sub(r"[^A-Za-z0-9]+", ".", name).strip(".")


def location(release: Listed, stored: Stored, beside: Stored | None = None) -> dict[str, Json]:
    """Where a file is, and its core metadata if that lies beside it under the name that readers look for, as a record says."""
    found: dict[str, Json] = {"release": release.id, "tag": release.tag, "asset": stored.id, "name": stored.name}
    if beside is not None and beside.name == metadata_name(stored.name):
        found["metadata"] = beside.id
    return found


def mark(files: Iterable[File]) -> str:
    """What a set of files is known by, whoever publishes it."""
    lines = sorted(f"{file.filename} {file.sha256}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def text(index: str, project: str, version: str, files: Iterable[File]) -> str:
    """The text of a release: for people, and the mark."""
    return (
        f"Files of {project} {version}, published by wharf to the index `{index}` (branch `wharf/{index}`). "
        "Install them through the index.\n\n"
        f"<!-- wharf index={index} files={mark(files)} -->\n"
    )
