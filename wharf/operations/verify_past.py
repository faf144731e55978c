"""verify at a moment of the past: whether what the index named then is stored, and who took away what is not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from wharf.index import history, record
from wharf.index.git import Git
from wharf.operations.verify import Progress, audit_of, check_metadata
from wharf.operations.verify_findings import read_records

if TYPE_CHECKING:
    from wharf.index.history import HistoryEntry
    from wharf.index.past_branch import PastBranch
    from wharf.model import File, Release
    from wharf.operations.verify_findings import Finding
    from wharf.repository.opening import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneFile:
    """A file whose bytes are gone since it left the index: its path in the store, and the commit that took it out."""

    path: str
    project: str
    version: str
    filename: str
    commit: str
    verb: str
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedPast:
    """Problems, and the files that are gone on purpose, of `files` that the index named."""

    problems: tuple[Finding, ...]
    gone: tuple[GoneFile, ...]
    files: int


def verify_past(repository: Repository, branch: PastBranch, progress: Progress | None = None) -> VerifiedPast:
    """Compare the index at a moment with what is stored now. `branch` is that of the repository. Nothing is written.

    Bytes of a file that left the index since are no problem if they are gone: the result has the commit that took it out.
    """
    progress = progress or Progress()
    branch.bring()
    audit, left = audit_of(repository), _Left(branch)
    snapshot = branch.snapshot()
    releases, problems = read_records(snapshot)
    gone: list[GoneFile] = []
    progress.total(sum(file.size for release in releases for file in release.files))
    for release in releases:
        for file in release.files:
            entry = left.since(release, file)
            if entry is not None and not audit.has(file):
                gone.append(_gone(audit.path(file), release, file, entry))
            else:
                problems += audit.check(release, file)
            problems += check_metadata(snapshot, release, file)
            progress.advance(file.size)
    return VerifiedPast(problems=tuple(problems), gone=tuple(gone), files=sum(len(each.files) for each in releases))


@dataclass(frozen=True)
class _Left:
    """The files that the index of a moment had and has no more."""

    branch: PastBranch

    def since(self, release: Release, file: File) -> HistoryEntry | None:
        """The commit that took a file out since; None: the index has it, or it never left."""
        path = record.metadata_path(release.project, release.version, file.filename)
        return None if path in self._named else self._removals.get(path)

    @cached_property
    def _removals(self) -> dict[str, HistoryEntry]:
        before, now = self.branch.tip(), self.branch.present.tip()
        return history.removals(Git(self.branch.git_dir), before, now) if before and now else {}

    @cached_property
    def _named(self) -> set[str]:
        """The paths that the index has now; none are read where nothing left it."""
        now = self.branch.present.tip()
        return {path for path, _ in self.branch.contents(now).entries()} if now and self._removals else set()


def _gone(path: str, release: Release, file: File, entry: HistoryEntry) -> GoneFile:
    return GoneFile(
        path=path,
        project=release.project,
        version=release.version,
        filename=file.filename,
        commit=entry.commit,
        verb=entry.verb,
        actor=entry.actor,
        reason=entry.reason,
    )
