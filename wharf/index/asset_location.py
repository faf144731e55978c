"""Where the asset of a file is, as its record says (docs/index-format.md). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wharf.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Collection

    from wharf.model import File, Json


LONGEST_NAME: Final = 255
"""Bytes that a file's name can have nearly everywhere."""


@dataclass(frozen=True, slots=True)
class AssetLocation:
    """Where a file is: its asset, the release's tag, the stored name, and the repository (owner/name) if it is another one.

    `metadata` is the asset with its core metadata, if that lies beside it.
    """

    asset: int
    tag: str
    name: str
    repository: str | None
    metadata: int | None = None


def locate(file: File, others: Collection[str]) -> AssetLocation:
    """Where a file is by its record; `others` are the repositories (owner/name, lower case) that it may name.

    Raises StorageError if it does not say, or names another one.
    """
    asset, metadata = (id_of(file.location.get(key)) for key in ("asset", "metadata"))
    tag, name, other = (file.location.get(key) for key in ("tag", "name", "repository"))
    if asset is None or not isinstance(tag, str) or not isinstance(name, str):
        raise StorageError(
            f"The record of {file.filename} does not say which asset it is.",
            "Remove it from the index and publish it again.",
        )
    if other is None:
        return AssetLocation(asset, tag, name, None, metadata)
    if not isinstance(other, str) or other.lower() not in others:
        raise StorageError(
            f"The record of {file.filename} places it in another repository, {other!r}.",
            "If that is meant, name it in `repositories` of your config.toml.",
        )
    return AssetLocation(asset, tag, name, other, metadata)


def id_of(value: Json | None) -> int | None:
    """An id as GitHub gives them; None for anything else that a record may hold in its place."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 63 else None


def ids(file: File) -> set[int]:
    """The assets that a file's record names, in whichever repository."""
    found = (id_of(file.location.get(key)) for key in ("asset", "metadata"))
    return {each for each in found if each is not None}


def metadata_name(name: str) -> str:
    """The name of the asset with a file's core metadata, from the stored name of the file (PEP 658, "Specification")."""
    return f"{name}.metadata"
