"""What `verify` finds, and what it needs of a store to find it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from wharf.errors import RecordError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wharf.index.snapshot import Snapshot
    from wharf.model import File, Release
    from wharf.repository.opening import Repository

Kind = Literal[
    "missing-bytes",
    "other-bytes",
    "missing-metadata",
    "other-metadata",
    "broken-record",
    "unnamed-bytes",
    "odd-file",
    "unread-index",
    "temporary",
    "kept-for-past",
    "upload-session",
    "unlocked",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it should be: its kind, the path that it is about (on the branch or in the store), and why."""

    kind: Kind
    path: str
    detail: str
    repaired: bool = False


Findings = tuple[list[Finding], tuple[Finding, ...]]
"""Problems, and leftovers, which harm nobody."""


class Audit(Protocol):
    """One look at a whole store."""

    def path(self, file: File) -> str:
        """What findings call a file's bytes."""
        ...

    def has(self, file: File) -> bool:
        """Whether something is stored where a file's bytes should be, as far as this look has seen."""
        ...

    def check(self, release: Release, file: File) -> Iterator[Finding]:
        """What is wrong with the bytes of a file that the index names."""
        ...

    def delete_unnamed(self, *, repair: bool) -> Findings:
        """Bytes that no index names, and what publishers left; with `repair` they are deleted, as far as that is safe."""
        ...


@dataclass(frozen=True, slots=True)
class NamedFiles:
    """The files that all `indexes` of a repository name. `certain`: each record of each index could be read."""

    files: tuple[File, ...]
    certain: bool
    unread: tuple[Finding, ...]
    indexes: frozenset[str]


def records(snapshot: Snapshot) -> Iterator[Release | RecordError]:
    """Every record of an index, and an error in the place of each, or of a project's state, that cannot be read."""
    for name in snapshot.names():
        yield from snapshot.records(name) or ()
        try:
            snapshot.status(name)
        except RecordError as error:
            yield error


def read_records(snapshot: Snapshot) -> tuple[list[Release], list[Finding]]:
    """The releases of an index, and a finding for each record that cannot be read."""
    releases: list[Release] = []
    broken: list[Finding] = []
    for each in records(snapshot):
        if isinstance(each, RecordError):
            broken.append(Finding(kind="broken-record", path=each.path, detail=each.message))
        else:
            releases.append(each)
    return releases, broken


def named_files(repository: Repository) -> NamedFiles:
    """What must not be deleted."""
    files: list[File] = []
    unread: list[Finding] = []
    with repository.every_index() as branches:
        certain = bool(branches)  # bytes and not one index: then it is the indexes that are lost
        for branch in branches:
            try:
                snapshot = branch.snapshot()
                certain &= snapshot.commit is not None  # it was removed or restored since the indexes were listed
                for each in records(snapshot):
                    if isinstance(each, RecordError):
                        certain = False
                    else:
                        files += each.files
            except StorageError as error:
                # An index of a later format, or a damaged one: whatever it names stays.
                certain = False
                unread.append(Finding(kind="unread-index", path=branch.ref.removeprefix("refs/heads/"), detail=error.message))
        indexes = frozenset(branch.index for branch in branches)
    return NamedFiles(tuple(files), certain, tuple(unread), indexes)


def unnamed_detail(*, certain: bool, past: bool) -> str:
    """Why bytes that nobody names are a finding, and whether they may go. `past`: the past of each index could be read."""
    if certain and past:
        return "no index names these bytes"
    if certain:
        return "no index names these bytes; they stay, because the past of an index cannot be read, and may keep them"
    return "no record that can be read names these bytes; they stay, because some cannot be read"


CountBytes = Callable[[int], None]
"""Gets a number of bytes."""
