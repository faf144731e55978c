"""All indexes of a repository at one moment: their commits and settings, read at once. A broken one is named, not raised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.errors import StorageError
from wharf.index import wharf_toml
from wharf.index.git_objects import parse_tree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.index.git_objects import GitObject, GitObjects
    from wharf.index.wharf_toml import IndexSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexState:
    """One index: its commit, `wharf.toml` as it stands there, and the settings in it.

    If it cannot be read, `problem` says why, and `settings` is None. A ref that is lost has no commit either.
    """

    index: str
    commit: str | None
    file: bytes = b""
    settings: IndexSettings | None = None
    problem: str = ""


def read(objects: GitObjects, refs: Mapping[str, str]) -> dict[str, IndexState]:
    """The indexes at these refs, by their names."""
    commits = {name: each.id for name, each in zip(refs, objects.read(refs.values()), strict=True) if each is not None}
    roots = dict(zip(commits, objects.read(f"{commit}^{{tree}}" for commit in commits.values()), strict=True))
    blobs = {name: blob for name, root in roots.items() if (blob := _blob(root)) is not None}
    wanted = [each for each in dict.fromkeys(blobs.values()) if each not in wharf_toml.KNOWN]
    found = dict(zip(wanted, objects.read(wanted), strict=True))
    files = {name: wharf_toml.KNOWN.get(blob) or _data(found.get(blob)) for name, blob in blobs.items()}
    return {name: _state(name, commits.get(name), files.get(name)) for name in refs}


def _blob(root: GitObject | None) -> str | None:
    try:
        return None if root is None else parse_tree(root).files.get(wharf_toml.PATH)
    except StorageError:
        return None


def _data(found: GitObject | None) -> bytes | None:
    return None if found is None else found.data


def _state(index: str, commit: str | None, data: bytes | None) -> IndexState:
    if commit is None:
        return IndexState(index=index, commit=None, problem="its ref or its commit is lost or damaged")
    if data is None:
        return IndexState(index=index, commit=commit, problem=f"its {wharf_toml.PATH} is missing or damaged")
    try:
        return IndexState(index=index, commit=commit, file=data, settings=wharf_toml.parse(data))
    except StorageError as error:
        return IndexState(index=index, commit=commit, file=data, problem=error.message)
