"""prune: releases leave the index by its rules of retention, as one commit; then bytes go that nothing keeps any more."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wharf.errors import RecordError, StorageError
from wharf.index.commit_message import CommitMessage
from wharf.index.guarded_change import Guarded
from wharf.index.index_name import BRANCHES
from wharf.index.prune_releases import PruneReleases
from wharf.operations.kept_by_past import kept_by_past
from wharf.operations.stored_bytes import delete_bytes, still_named
from wharf.operations.upload_rights import rights_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wharf.index.change import Named
    from wharf.index.prune_releases import Decision
    from wharf.index.snapshot import Snapshot
    from wharf.operations.kept_by_past import KeptByPast
    from wharf.repository.opening import Repository

Count = Callable[[int], None]
"""Gets a number of files."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Who wants to know how far it is: told the files to delete in all, then those that were dealt with."""

    total: Count = lambda _files: None
    advance: Count = lambda _files: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What a prune does or did: the releases that leave, and the files whose bytes are freed now, or later.

    `freed` also has files that left the index before, and that nothing keeps any more. `later` are files of these releases that
    stay stored because a past or another index keeps them. `kept` are those whose bytes could not be deleted, with the reason.
    `commit` is None where nothing left the index.
    """

    commit: str | None
    decision: Decision
    freed: tuple[Named, ...]
    later: tuple[Named, ...]
    kept: tuple[Named, ...] = ()
    reason: str = ""

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to do."""
        return not self.decision.dropped and not self.freed


def planned(repository: Repository) -> Pruned:
    """What a prune would do now. Nothing is written. Raises what `prune` raises."""
    change = _change(repository)
    snapshot = repository.branch.snapshot()
    leaving = Guarded(change, rights_of(repository)).apply(snapshot).changed
    past, before = _left_before(repository, snapshot, change.decision, {})
    keeps = bool(snapshot.settings.keep_past)
    later = tuple(each for each in leaving if keeps or not past.certain or past.until(each.file) is not None)
    # Not asked whether this index names them: it does, until it is pruned.
    goes = (*(each for each in leaving if each not in later), *before)
    return Pruned(commit=None, decision=change.decision, freed=goes, later=later, reason=_uncertain(past))


def prune(repository: Repository, *, progress: Progress | None = None, actor: str | None = None) -> Pruned:
    """Take the releases out of the index that its rules do not keep, as one commit; delete the bytes that nothing keeps.

    The rules are applied on the tip that the commit meets. Bytes go that no index names and no past keeps: of these releases,
    and of what left the index before, also by a prune that died. Raises NotAllowedError where the token may not write one of
    the projects, StorageError where an index cannot be read, and where somebody published bytes that were being deleted.
    """
    progress = progress or Progress()
    change = _change(repository)
    done = repository.branch.commit(Guarded(change, rights_of(repository)), CommitMessage(verb="prune", actor=actor))
    unnamed: dict[str, str] = {}
    snapshot = repository.branch.snapshot()
    if done.commit is not None:  # what the change saw is what was there: its commit is a child of that tip
        snapshot = repository.branch.snapshot_at(done.commit)
    past, left = _left_before(repository, snapshot, change.decision, unnamed, done.outcome.changed)
    progress.total(len(left))
    kept, why = delete_bytes(
        repository, left, past=lambda: kept_by_past(repository), unnamed=unnamed, dealt_with=progress.advance
    )
    held = {_key(each) for each in kept}
    going = {_key(each) for each in left}
    return Pruned(
        commit=done.commit,
        decision=change.decision,
        freed=tuple(each for each in left if _key(each) not in held),
        later=tuple(each for each in done.outcome.changed if _key(each) not in going),
        kept=kept,
        reason=why or _uncertain(past),
    )


def _left_before(
    repository: Repository,
    snapshot: Snapshot,
    decision: Decision,
    unnamed: dict[str, str],
    leaving: Sequence[Named] = (),
) -> tuple[KeptByPast, tuple[Named, ...]]:
    """The files that are to be deleted: they are stored, they left this index, no index names them, and no past keeps them.

    `leaving` have just left it; where they are stored, their records said. `decision` saw some of the releases. Of a project
    with a record that cannot be read, nothing is deleted. `unnamed` gets the commits that name none of the files.
    """
    names = snapshot.names()
    others = (
        release
        for project, broken in snapshot.projects(each for each in names if each not in decision.seen)
        if not broken
        for release in project.releases
    )
    gone = [each for each in (*itertools.chain.from_iterable(decision.seen.values()), *others) if each.removed]
    if snapshot.commit is not None:
        unnamed[repository.branch.ref] = snapshot.commit
    past = kept_by_past(repository)
    if not past.certain:
        return past, ()
    releases = [
        dataclasses.replace(release, removed=removed)
        for release in gone
        if (removed := {name: sha256 for name, sha256 in release.removed.items() if (sha256, name) not in past.files})
    ]
    left = [*leaving, *(repository.assets.left_of(releases) if releases else ())]
    left = [each for each in left if past.until(each.file) is None]
    still = {_key(each) for each in still_named(repository, left, unnamed)} if left else set()
    left = [each for each in left if _key(each) not in still]
    if left:
        rights_of(repository)(snapshot.settings, sorted({each.project for each in left}))
    return past, tuple(left)


def _change(repository: Repository) -> PruneReleases:
    return PruneReleases(datetime.fromtimestamp(repository.branch.now(), UTC), lambda: _Others(repository))


def _uncertain(past: KeptByPast) -> str:
    if past.certain:
        return ""
    return f"the past of an index cannot be read ({past.unread[0].path}: {past.unread[0].detail.rstrip('.')})"


def _key(named: Named) -> tuple[str, str, str]:
    return named.project, named.version, named.file.filename


class _Others:
    """The other indexes of a repository as they are now, removed ones too."""

    def __init__(self, repository: Repository) -> None:
        self._snapshots: list[Snapshot] = []
        self._beside: dict[str, str] = {}
        with repository.every_index() as branches:
            for branch in branches:
                if branch.ref == repository.branch.ref:
                    continue
                snapshot = branch.snapshot()
                if snapshot.commit is None:
                    raise StorageError(
                        f"The index {branch.index!r} is removed or restored at this moment.", "Run the same command again."
                    )
                self._snapshots.append(snapshot)
                if branch.ref.startswith(BRANCHES):
                    self._beside[branch.index] = snapshot.commit

    @property
    def beside(self) -> Mapping[str, str]:
        """Those that are not removed."""
        return self._beside

    def files(self, project: str) -> set[tuple[str, str]]:
        """As for any OtherIndexes."""
        found: set[tuple[str, str]] = set()
        for snapshot in self._snapshots:
            for each in snapshot.records(project) or ():
                if isinstance(each, RecordError):
                    raise each
                found |= {(file.sha256, file.filename) for file in each.files}
        return found
