"""remove: out of the index first, then the bytes, and only those that no index of the repository names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.branch import Message
from wharf.change import Named, RemoveFiles, check_reason
from wharf.errors import StorageError
from wharf.model import Release

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wharf.repository import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What came of a removal: the files that left the index, and those whose bytes are still stored, with the reason."""

    commit: str | None
    removed: tuple[Named, ...]
    kept: tuple[Named, ...] = ()
    reason: str = ""


def remove(repository: Repository, project: str, version: str, filename: str | None, *, reason: str, actor: str) -> Removed:
    """Take a release, or one file of it, out of the index, and delete the bytes. Raises NotFoundError or UsageError."""
    check_reason(reason)
    change = RemoveFiles(project=project, version=version, filename=filename)
    done = repository.branch.commit(change, Message(verb="remove", actor=actor, reason=reason))
    removed = done.outcome.changed
    kept, why = repository.assets.erase(removed, lambda: _still_named(repository, removed)) if removed else ((), "")
    return Removed(commit=done.commit, removed=removed, kept=tuple(kept), reason=why)


def _still_named(repository: Repository, files: Sequence[Named]) -> tuple[Named, ...]:
    """Those files that some index names, or may name in a record that cannot be read."""
    held: dict[str, Named] = {}
    with repository.every_index() as branches:
        for branch in branches:
            try:
                snapshot = branch.snapshot()
                for named in files:
                    found = snapshot.records(named.project) or ()
                    if any(not isinstance(each, Release) or _names(each, named) for each in found):
                        held[named.file.filename] = named
            except StorageError:
                return tuple(files)
    return tuple(held.values())


def _names(release: Release, named: Named) -> bool:
    file = release.file(named.file.filename)
    return file is not None and file.sha256 == named.file.sha256
