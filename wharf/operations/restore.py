"""restore: the records of an index as they were at a moment, as one new commit. The history is never rewritten.

The past is read from the history of the branch. On GitHub no lock is shared with whoever deletes bytes, so the assets of files
that come back are looked at before the commit and after it. A crash before the commit shows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wharf.errors import NotFoundError, did_you_mean
from wharf.index import history, record
from wharf.index.commit_message import CommitMessage
from wharf.index.git import Git
from wharf.index.guarded_change import Guarded, guarded
from wharf.index.restoration import RestoreRecords, differing, differing_versions
from wharf.operations.upload_rights import rights_of
from wharf.repository.at_moment import repository_at

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from wharf.assets.asset_store import Reuse
    from wharf.index.branch import Branch
    from wharf.index.change import Named, Outcome, Records
    from wharf.index.guarded_change import Check
    from wharf.index.moment import Moment
    from wharf.index.restoration import FileKey, Restoration
    from wharf.index.snapshot import Snapshot
    from wharf.repository.opening import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came of a restoration. `commit` is None in a dry run, and where the index is as it was. `past` is what it was at.

    `not_announced` are files whose core metadata cannot be stored beside them, so that static pages do not announce it.
    """

    commit: str | None
    past: str
    steps: Restoration
    not_announced: tuple[Named, ...] = ()


@dataclass(slots=True)
class _Told:
    """A change that remembers what it came to on the tip that it met last."""

    change: RestoreRecords
    touched: Sequence[tuple[str, str]]
    steps: Restoration | None = None

    def apply(self, records: Records) -> Outcome:
        self.steps = self.change.steps(records)
        return self.steps.outcome


def restore(
    repository: Repository,
    moment: Moment,
    projects: Collection[str] = (),
    *,
    dry_run: bool = False,
    actor: str | None = None,
    check: Check | None = None,
) -> Restored:
    """Bring the projects (none named: all) back to what they were at a moment. `actor` and `check` are as in promote.

    Raises what `repository_at` does; NotFoundError for a project that is neither there nor was; NotAllowedError; RecordError
    for a record of today that cannot be read; and StorageError, also if a file was deleted at that moment.
    """
    check = check or rights_of(repository)
    with repository_at(repository, moment) as then, repository.assets.reuse() as reuse:
        past = then.branch.snapshot()
        tip = repository.branch.snapshot()
        names = _names(past, tip, projects)
        touched = _touched(past, tip, names)
        if repository.github is not None:
            then.branch.objects.bring(id_ for each in touched for id_ in past.file_ids(*each).values())
            tip.prefetch(touched)
        first = RestoreRecords(past=past, projects=names, touched=touched)
        candidates = first.steps(tip).back
        change = _checked(first, candidates, _removed_for_ever(then.branch, past, candidates), reuse)
        plan = _Told(change, touched)
        guarded(plan, check).apply(tip)
        if dry_run:
            return Restored(commit=None, past=str(past.commit), steps=_steps(plan))
        not_announced: tuple[Named, ...] = ()
        if tip.settings.metadata_assets:
            plan.change, not_announced = _announced(plan, reuse)
        message = CommitMessage(verb="restore", actor=actor, reason=f"To {moment.text}: as at {str(past.commit)[:12]}.")
        done = repository.branch.commit(Guarded(plan, check), message)
        steps = _steps(plan)
        reuse.settle(steps.back)
        return Restored(commit=done.commit, past=str(past.commit), steps=steps, not_announced=not_announced)


def coming_back(then: Repository, now: Repository, reuse: Reuse) -> tuple[Sequence[Named], Sequence[tuple[Named, str]]]:
    """The files that an index had at a moment and has no more: those that can be named again, and the others with the reason.

    `then` and `now` are the repository of its index. Raises RecordError for a record of today that cannot be read.
    """
    past, tip = then.branch.snapshot(), now.branch.snapshot()
    touched = _touched(past, tip, None)
    if now.github is not None:
        then.branch.objects.bring(id_ for each in touched for id_ in past.file_ids(*each).values())
        tip.prefetch(touched)
    change = RestoreRecords(past=past, touched=touched)
    candidates = change.steps(tip).back
    steps = _checked(change, candidates, _removed_for_ever(then.branch, past, candidates), reuse).steps(tip)
    return steps.back, steps.lost


def _names(past: Snapshot, tip: Snapshot, projects: Collection[str]) -> frozenset[str] | None:
    """The projects that were named; None: all."""
    there = past.tree_ids().keys() | tip.tree_ids().keys()
    for each in projects:
        if each not in there:
            raise NotFoundError(
                f"There is no project {each!r} in this index, and there was none.", did_you_mean(each, there).strip()
            )
    return frozenset(projects) or None


def _touched(past: Snapshot, tip: Snapshot, names: Collection[str] | None) -> tuple[tuple[str, str], ...]:
    """The releases whose records are read."""
    found: dict[tuple[str, str], None] = {}
    for name in differing(past, tip, names):
        for some in differing_versions(past, tip, name):
            found |= dict.fromkeys((name, version) for version in some)
    return tuple(found)


def _removed_for_ever(branch: Branch, past: Snapshot, candidates: Sequence[Named]) -> dict[FileKey, str]:
    """The files that left the index by `remove` since then, with the reason why they stay away."""
    paths = {record.metadata_path(each.project, each.version, each.file.filename): each for each in candidates}
    removals = {} if not paths else history.removals(Git(branch.git_dir), str(past.commit), branch.ref, paths)
    return {
        _key(paths[path]): f"{removal.actor} removed it for ever ({removal.commit[:12]})"
        for path, removal in removals.items()
        if removal.verb == "remove"
    }


def _checked(change: RestoreRecords, candidates: Sequence[Named], lost: dict[FileKey, str], reuse: Reuse) -> RestoreRecords:
    """The change, with the files whose bytes can be named again, and those that are lost."""
    rest = [each for each in candidates if _key(each) not in lost]
    lost = {**lost, **{_key(each): why for each, why in reuse.missing(rest)}}
    return replace(change, lost=lost, safe=frozenset(_key(each) for each in rest if _key(each) not in lost))


def _announced(plan: _Told, reuse: Reuse) -> tuple[RestoreRecords, tuple[Named, ...]]:
    """The change with core metadata stored beside the files that come back, and the files where that cannot be done."""
    steps, change = _steps(plan), plan.change
    edits = steps.outcome.edits
    files = [(each, edits[record.metadata_path(each.project, each.version, each.file.filename)] or b"") for each in steps.back]
    located, left = reuse.announce(files)
    return replace(change, locations={_key(each): each.file.location for each in located}), tuple(left)


def _steps(plan: _Told) -> Restoration:
    if plan.steps is None:
        raise TypeError("a change that was never applied came to nothing")
    return plan.steps


def _key(named: Named) -> FileKey:
    return named.project, named.file.filename, named.file.sha256
