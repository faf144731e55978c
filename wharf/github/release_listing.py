"""Releases and assets as GitHub's answers describe them, and which of them are wharf's. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.index.asset_location import metadata_name
from wharf.model import same_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from wharf.model import File, Json

MOST_ASSETS = 1000
"""Assets that a release can have ("About releases")."""

_MARK = re.compile(r"<!-- wharf index=([a-z0-9-]+) files=([0-9a-f]{64}) -->")


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

    def find(self, file: File) -> Stored | None:
        """The asset that holds a file's bytes."""
        return find(self.assets, file)


def marked(text: str) -> tuple[str | None, str | None]:
    """The index and the mark that the text of a release tells; None for one that is not wharf's."""
    found = _MARK.search(text[:4096])
    return (found[1], found[2]) if found else (None, None)


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


def open_release(releases: Iterable[Listed], files: Sequence[File]) -> Listed | None:
    """A published release that takes more files, and has room for these; best one that holds some of them already."""
    best: tuple[int, Listed | None] = (len(files) + 1, None)
    for each in releases:
        missing = [file for file in files if each.find(file) is None]
        taken = {letters(asset.name) for asset in each.assets}
        room = len(each.assets) + len(missing) <= MOST_ASSETS and not taken & {letters(file.filename) for file in missing}
        if not each.draft and not each.immutable and room and len(missing) < best[0]:
            best = len(missing), each
    return best[1]


def draft_for(releases: Iterable[Listed], files: Iterable[File]) -> Listed | None:
    """A draft that an earlier publish of exactly these files began."""
    wanted = mark(files)
    return next((each for each in releases if each.draft and each.mark == wanted), None)


def text(index: str, project: str, version: str, files: Iterable[File]) -> str:
    """The text of a release: for people, and the mark."""
    return (
        f"Files of {project} {version}, published by wharf to the index `{index}` (branch `wharf/{index}`). "
        "Install them through the index.\n\n"
        f"<!-- wharf index={index} files={mark(files)} -->\n"
    )


def number_of(tag: str, base: str) -> int | None:
    """1 for the tag `base` itself, N for `base_N`; None for any other."""
    if tag == base:
        return 1
    rest = tag.removeprefix(f"{base}_")
    return int(rest) if rest != tag and re.fullmatch(r"[1-9][0-9]{0,5}", rest) and int(rest) > 1 else None


def tags_query(tags: Iterable[str]) -> tuple[str, dict[str, Json]]:
    """A GraphQL query whose repository has a field for each tag, null where there is none; the fields with the refs' names."""
    names: dict[str, Json] = {f"t{number}": f"refs/tags/{tag}" for number, tag in enumerate(tags)}
    head = "".join(f", ${each}: String!" for each in names)
    fields = " ".join(f"{each}: ref(qualifiedName: ${each}) {{ id }}" for each in names)
    return f"query($owner: String!, $name: String!{head}) {{ repository(owner: $owner, name: $name) {{ {fields} }} }}", names


def is_of(tag: str, project: str, version: str) -> bool:
    """Whether a tag is one that wharf gives to releases of that version, in whichever spelling (1.0, 1.0.0)."""
    base = tag.partition("_")[0]
    spelled = base.removeprefix(f"{project}-")
    return spelled != base and number_of(tag, base) is not None and same_version(spelled, version)


def numbered(base: str, number: int) -> str:
    """The tag of that number."""
    return base if number == 1 else f"{base}_{number}"
