"""verify: whether index and store agree, byte for byte, and what may be deleted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.assets.folder_store import FolderStore
from wharf.index import record
from wharf.model import Release
from wharf.operations.verify_findings import CountBytes, Finding, read_records, records
from wharf.operations.verify_folder import FolderAudit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wharf.index.snapshot import Snapshot
    from wharf.model import File
    from wharf.operations.verify_findings import Audit
    from wharf.repository.opening import Repository


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

    total: CountBytes = lambda _bytes: None
    advance: CountBytes = lambda _bytes: None


def verify(repository: Repository, *, repair: bool = False, progress: Progress | None = None) -> Verified:
    """Compare the index with the store. With `repair`, delete bytes that nobody names and what publishers left.

    Bytes are deleted only if no index named them before and after a time in which every publisher that was at work has ended,
    and never while a record cannot be read: it may name them.
    """
    progress = progress or Progress()
    audit = audit_of(repository)
    snapshot = repository.branch.snapshot()
    releases, problems = read_records(snapshot)
    progress.total(sum(file.size for release in releases for file in release.files))
    for release in releases:
        for file in release.files:
            problems += audit.check(release, file)
            problems += check_metadata(snapshot, release, file)
            progress.advance(file.size)
    problems = _still_true(repository, audit, problems)
    deleted, leftovers = audit.delete_unnamed(repair=repair)
    return Verified(
        problems=(*problems, *deleted),
        leftovers=leftovers,
        files=sum(len(release.files) for release in releases),
    )


def audit_of(repository: Repository) -> Audit:
    """A look at the store of a repository."""
    if isinstance(repository.assets, FolderStore) and repository.folder is not None:
        return FolderAudit(repository, repository.folder, repository.assets)
    from wharf.github.release_store import Releases
    from wharf.operations.verify_releases import ReleasesAudit

    if not isinstance(repository.assets, Releases):
        raise TypeError(f"nothing is known of stores like {type(repository.assets).__name__}")
    return ReleasesAudit(repository, repository.assets)


def _still_true(repository: Repository, audit: Audit, problems: list[Finding]) -> list[Finding]:
    """The problems without those of files that were removed during the check."""
    if not problems:
        return []
    repository.branch.fetch()
    named = {
        audit.path(file) for each in records(repository.branch.snapshot()) if isinstance(each, Release) for file in each.files
    }
    of_bytes = {"missing-bytes", "other-bytes"}
    return [each for each in problems if each.kind not in of_bytes or each.path in named]


def check_metadata(snapshot: Snapshot, release: Release, file: File) -> Iterator[Finding]:
    """What is wrong with the core metadata of a file on the branch."""
    path = record.metadata_path(release.project, release.version, file.filename)
    data = snapshot.metadata(release.project, release.version, file.filename)
    if data is None:
        yield Finding(kind="missing-metadata", path=path, detail="the core metadata of a file is not on the branch")
    elif file.core_metadata and hashlib.sha256(data).hexdigest() != file.core_metadata:
        yield Finding(kind="other-metadata", path=path, detail="the core metadata is not what the record announces")
