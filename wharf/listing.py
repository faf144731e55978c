"""Releases and assets as GitHub's answers tell of them, and which of them are wharf's. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from wharf.model import File, Json

MOST_ASSETS = 1000
"""Assets that a release can have ("About releases")."""

_MARK = re.compile(r"<!-- wharf index=([a-z0-9-]+) files=([0-9a-f]{64}) -->")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An asset. `sha256` is None where GitHub tells no digest; the times are as GitHub writes them."""

    id: int
    name: str
    state: str
    size: int
    sha256: str | None
    updated: str

    def holds(self, file: File) -> bool:
        """Whether these are the file's bytes, by GitHub's own digest."""
        return self.state == "uploaded" and self.size == file.size and self.sha256 == file.sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A release. `mark` is the digest of the files that a publish of wharf's made it for; None: it is not wharf's.

    `touched` is when it or one of its assets was changed last: the creation that GitHub tells of can be the tagged commit's.
    """

    id: int
    tag: str
    draft: bool
    immutable: bool
    upload_url: str
    touched: str
    mark: str | None
    assets: tuple[Stored, ...]

    def find(self, file: File) -> Stored | None:
        """The asset that holds a file's bytes."""
        return find(self.assets, file)


def find(assets: Iterable[Stored], file: File) -> Stored | None:
    """The asset that holds a file's bytes: the one of its name; or of another name, as GitHub may have changed it.

    Core metadata is found by its name only: that of a version's wheels is often the same, byte for byte.
    """
    holding = [each for each in assets if each.holds(file)]
    names = {file.filename, stored_name(file.filename)}
    named = next((each for each in holding if each.name in names), None)
    beside = metadata_name("")
    others = (each for each in holding if not each.name.endswith(beside) and not file.filename.endswith(beside))
    return named or next(others, None)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file is: its asset, the release's tag, the stored name, and the repository (owner/name) if it is another one.

    `metadata` is the asset with its core metadata, if that lies beside it.
    """

    asset: int
    tag: str
    name: str
    repository: str | None
    metadata: int | None = None


def place(file: File, others: Collection[str]) -> Place:
    """Where a file is by its record; `others` are the repositories (owner/name, lower case) that it may name.

    Raises StorageError if it does not say, or names another one.
    """
    asset, tag, name = (file.location.get(key) for key in ("asset", "tag", "name"))
    beside = file.location.get("metadata")
    metadata = beside if isinstance(beside, int) and not isinstance(beside, bool) else None
    other = file.location.get("repository")
    if not isinstance(asset, int) or isinstance(asset, bool) or not isinstance(tag, str) or not isinstance(name, str):
        raise StorageError(
            f"The record of {file.filename} does not say which asset it is.",
            "Remove it from the index and publish it again.",
        )
    if other is None:
        return Place(asset, tag, name, None, metadata)
    if not isinstance(other, str) or other.lower() not in others:
        raise StorageError(
            f"The record of {file.filename} places it in another repository, {other!r}.",
            "If that is meant, name it in `repositories` of your config.toml.",
        )
    return Place(asset, tag, name, other, metadata)


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


def stored_name(filename: str) -> str:
    """The name that GitHub gives an asset of that file name, as far as that is known."""
    return re.sub(r"[^A-Za-z0-9._+!-]", ".", filename)


def metadata_name(name: str) -> str:
    """What the asset with a file's core metadata is called, by the stored name of the file (PEP 658, "Specification")."""
    return f"{name}.metadata"


def number_of(tag: str, base: str) -> int | None:
    """1 for the tag `base` itself, N for `base_N`; None for any other."""
    if tag == base:
        return 1
    rest = tag.removeprefix(f"{base}_")
    return int(rest) if rest != tag and re.fullmatch(r"[1-9][0-9]{0,5}", rest) and int(rest) > 1 else None


def numbered(base: str, number: int) -> str:
    """The tag of that number."""
    return base if number == 1 else f"{base}_{number}"


def release(data: Json) -> Listed:
    """A release out of an answer. Raises StorageError."""
    try:
        if not isinstance(data, dict):
            raise TypeError("it is no object")
        assets = data["assets"]
        stored = tuple(asset(each) for each in assets) if isinstance(assets, list) else ()
        times = (str(data["created_at"]), str(data.get("updated_at") or ""), *(each.updated for each in stored))
        found = _MARK.search(str(data.get("body") or "")[:4096])
        return Listed(
            id=_int(data["id"]),
            tag=str(data["tag_name"]),
            draft=data["draft"] is True,
            immutable=data.get("immutable") is True,
            upload_url=str(data["upload_url"]),
            touched=max(times),
            mark=found[2] if found else None,
            assets=stored,
        )
    except (KeyError, TypeError) as error:
        raise StorageError(f"GitHub described a release in a way that is not understood: {error}.", "Update wharf.") from error


def asset(data: Json) -> Stored:
    """An asset out of an answer. Raises StorageError."""
    try:
        if not isinstance(data, dict):
            raise TypeError("it is no object")
        kind, _, digest = str(data.get("digest") or "").partition(":")
        return Stored(
            id=_int(data["id"]),
            name=str(data["name"]),
            state=str(data["state"]),
            size=_int(data["size"]),
            sha256=digest if kind == "sha256" else None,
            updated=str(data["updated_at"]),
        )
    except (KeyError, TypeError) as error:
        raise StorageError(f"GitHub described an asset in a way that is not understood: {error}.", "Update wharf.") from error


def _int(value: Json) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no number")
    return value
