"""verify: whether index and store agree, byte for byte, and what may be swept away."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from wharf import record
from wharf.errors import RecordError, StorageError
from wharf.model import Release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wharf.model import File
    from wharf.repository import Repository
    from wharf.snapshot import Snapshot

PATIENCE = 10.0
"""Seconds to wait for publishers at work."""

Kind = Literal[
    "missing-bytes",
    "other-bytes",
    "missing-metadata",
    "other-metadata",
    "broken-record",
    "unnamed-bytes",
    "unread-index",
    "temporary",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it should be: its kind, the path that it is about (on the branch or in the store), and why."""

    kind: Kind
    path: str
    detail: str
    repaired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Problems, and leftovers, which harm nobody."""

    problems: tuple[Finding, ...]
    leftovers: tuple[Finding, ...]
    files: int

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong that was not repaired."""
        return all(problem.repaired for problem in self.problems)


@dataclass(frozen=True, slots=True)
class Progress:
    """Who wants to know how far it is: told the bytes to read in all, then those read."""

    total: Callable[[int], None] = lambda _bytes: None
    advance: Callable[[int], None] = lambda _bytes: None


def verify(repository: Repository, *, repair: bool = False, progress: Progress | None = None) -> Verified:
    """Compare the index with the store. With `repair`, delete bytes that nobody names and files that publishers left.

    Bytes are deleted only if no index named them before and after the lock was had that publishers share, and never while a
    record cannot be read: it may name them.
    """
    progress = progress or Progress()
    snapshot = repository.branch.snapshot()
    problems: list[Finding] = []
    releases: list[Release] = []
    for each in _records(snapshot):
        if isinstance(each, RecordError):
            problems.append(Finding(kind="broken-record", path=each.path, detail=each.message))
        else:
            releases.append(each)
    progress.total(sum(file.size for release in releases for file in release.files))
    for release in releases:
        for file in release.files:
            problems += _check_bytes(repository, release, file)
            problems += _check_metadata(snapshot, release, file)
            progress.advance(file.size)
    problems = _still_true(repository, problems)
    swept, leftovers = _sweep(repository, repair=repair)
    return Verified(
        problems=(*problems, *swept),
        leftovers=leftovers,
        files=sum(len(release.files) for release in releases),
    )


def _still_true(repository: Repository, problems: list[Finding]) -> list[Finding]:
    """The problems less those of files that were removed while they were looked at."""
    if not problems:
        return []
    named = {
        _asset((file.sha256, file.filename))
        for each in _records(repository.branch.snapshot())
        if isinstance(each, Release)
        for file in each.files
    }
    return [each for each in problems if not each.path.startswith("assets/") or each.path in named]


def _records(snapshot: Snapshot) -> Iterator[Release | RecordError]:
    for name in snapshot.names():
        yield from snapshot.records(name) or ()
        try:
            snapshot.status(name)
        except RecordError as error:
            yield error


def _check_bytes(repository: Repository, release: Release, file: File) -> Iterator[Finding]:
    found = repository.assets.digest(file.sha256, file.filename)
    path = f"assets/{file.sha256}/{file.filename}"
    if found is None:
        detail = f"{release.project} {release.version} names {file.filename}, whose bytes are gone; publish the same file again"
        yield Finding(kind="missing-bytes", path=path, detail=detail)
    elif found != file.sha256 or repository.assets.size(file.sha256, file.filename) != file.size:
        detail = f"the bytes of {file.filename} have another digest or size ({found}); publish the same file again"
        yield Finding(kind="other-bytes", path=path, detail=detail)


def _check_metadata(snapshot: Snapshot, release: Release, file: File) -> Iterator[Finding]:
    path = record.metadata_path(release.project, release.version, file.filename)
    data = snapshot.metadata(release.project, release.version, file.filename)
    if data is None:
        yield Finding(kind="missing-metadata", path=path, detail="the core metadata of a file is not on the branch")
    elif file.core_metadata and hashlib.sha256(data).hexdigest() != file.core_metadata:
        yield Finding(kind="other-metadata", path=path, detail="the core metadata is not what the record announces")


def _sweep(repository: Repository, *, repair: bool) -> tuple[list[Finding], tuple[Finding, ...]]:
    """Findings about bytes that nobody names (problems), and about temporary files (leftovers)."""
    before = _unnamed(repository)[0]
    with repository.assets.alone(PATIENCE) as alone:
        if not alone:
            detail = "a publisher is at work and may be about to name it"
            waiting = [Finding(kind="unnamed-bytes", path=_asset(each), detail=detail) for each in sorted(before)]
            return [], (*waiting, *_temporary(repository))
        after, certain, unread = _unnamed(repository)
        unnamed = sorted(before & after)
        leftovers = _temporary(repository)
        if repair:
            deleted = {str(path.relative_to(repository.folder)) for path in repository.assets.delete_temporary()}
            leftovers = tuple(dataclasses.replace(each, repaired=each.path in deleted) for each in leftovers)
            for each in unnamed if certain else ():
                repository.assets.delete(*each)
    detail = (
        "no index names these bytes"
        if certain
        else "no record that can be read names these bytes; they stay, because some cannot be read"
    )
    return [Finding(kind="unnamed-bytes", path=_asset(each), detail=detail, repaired=repair and certain) for each in unnamed], (
        *unread,
        *leftovers,
    )


def _unnamed(repository: Repository) -> tuple[set[tuple[str, str]], bool, tuple[Finding, ...]]:
    """Stored files that no index names, whether every record of every index could be read, and the indexes that could not."""
    stored = set(repository.assets.assets())
    unread: list[Finding] = []
    with repository.every_index() as branches:
        certain = bool(branches)  # bytes and not one index: then it is the indexes that are lost
        for branch in branches:
            try:
                for each in _records(branch.snapshot()):
                    if isinstance(each, RecordError):
                        certain = False
                    else:
                        stored -= {(file.sha256, file.filename) for file in each.files}
            except StorageError as error:
                # An index of a later format, or a damaged one: whatever it names stays.
                certain = False
                unread.append(Finding(kind="unread-index", path=f"wharf/{branch.index}", detail=error.message))
    return stored, certain, tuple(unread)


def _temporary(repository: Repository) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            kind="temporary", path=str(path.relative_to(repository.folder)), detail="left by a publisher, or of one at work"
        )
        for path in repository.assets.leftovers()
    )


def _asset(each: tuple[str, str]) -> str:
    return "assets/" + "/".join(each)
