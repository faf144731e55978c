"""promote: releases of one index into another one of the same repository, as one commit. No bytes move.

The source is read while nobody can delete what it names; on GitHub, where no lock is shared, the assets are looked at after
the commit. A crash before the commit shows nothing, and the same command again finishes the work.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wharf.distribution.file_names import plain
from wharf.errors import NotFoundError, RefusedError, StorageError, UsageError, did_you_mean
from wharf.index.change import Named
from wharf.index.commit_message import CommitMessage
from wharf.index.guarded_change import guarded
from wharf.index.index_name import is_index_name
from wharf.index.promotion import PromotedRelease, PromoteReleases
from wharf.model import version_key
from wharf.operations.dependency_search import DependencySearch
from wharf.operations.index_with_bases import read_with_bases
from wharf.operations.upload_rights import rights_of
from wharf.repository.opening import check_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wharf.errors import RecordError
    from wharf.github.pull_request_proposal import Proposal
    from wharf.index.branch import Branch
    from wharf.index.change import Outcome
    from wharf.index.guarded_change import Check
    from wharf.index.snapshot import Snapshot
    from wharf.model import Release
    from wharf.operations.dependency_search import Followed, Left
    from wharf.repository.opening import Repository

MOST_BYTES: Final = 256 << 20
"""Bytes of core metadata in one promotion: all of it is in memory until the commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A release that is asked for, and the extras (PEP 503 form) whose requirements count, too."""

    project: str
    version: str
    extras: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """What came of a promotion. `commit` is None where nothing was new, and in a dry run.

    `followed` are the releases that come along as dependencies, `left` the requirements that other indexes have to meet.
    `not_announced` are files whose core metadata cannot be stored beside them, so that static pages do not announce it.
    `otherwise_yanked` are files that the target has in another state of yank than the source. With `proposal`, the index is
    as it was, and all of that is what the pull request would come to.
    """

    commit: str | None
    promoted: tuple[Named, ...]
    unchanged: tuple[Named, ...]
    followed: tuple[Followed, ...] = ()
    left: tuple[Left, ...] = ()
    not_announced: tuple[Named, ...] = ()
    otherwise_yanked: tuple[Named, ...] = ()
    proposal: Proposal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionPlan:
    """A promotion before it is carried out: the change, what it comes to on the target as it was, and where it comes from."""

    change: PromoteReleases
    outcome: Outcome
    source: Snapshot
    target: Snapshot
    followed: tuple[Followed, ...]
    left: tuple[Left, ...]

    @property
    def files(self) -> list[Named]:
        """All files, as the source records them. If the target moves, each of them may be new to it."""
        releases = [each.release for each in self.change.releases]
        return [Named(project=each.project, version=each.version, file=file) for each in releases for file in each.files]


def promote(
    repository: Repository,
    wanted: Sequence[Wanted],
    source: str,
    *,
    with_dependencies: bool = False,
    dry_run: bool = False,
    actor: str | None = None,
    check: Check | None = None,
) -> Promoted:
    """Promote releases of the index `source` into the index that is open. `actor` is as in a CommitMessage.

    `check` says whether the person may do that (by itself: what the target says of the token that is used).
    Raises NotAllowedError, NotFoundError, ConflictError, RefusedError or StorageError, and then nothing is promoted; but for
    the StorageError that says that a file was deleted at that moment.
    """
    check = check or rights_of(repository)
    with opened_source(repository, source) as branch, repository.assets.reuse() as reuse:
        plan = planned(repository, branch, wanted, with_dependencies=with_dependencies, check=check)
        if plan.outcome.edits:
            reuse.check(plan.files)
        if dry_run or not plan.outcome.edits:
            if not dry_run:
                repository.branch.sync_tip()
            return result(None, plan, plan.outcome, ())
        change = plan.change
        left_out: tuple[Named, ...] = ()
        if plan.target.settings.metadata_assets:
            metadata = {name: data for each in plan.change.releases for name, data in each.metadata.items()}
            located, missing = reuse.announce([(each, metadata[each.file.filename]) for each in plan.outcome.changed])
            change, left_out = plan.change.located(located), tuple(missing)
        message = CommitMessage(verb="promote", actor=actor, reason=f"From the index {source}.")
        done = repository.branch.commit(guarded(change, check), message)
        reuse.settle(done.outcome.changed)
        return result(done.commit, plan, done.outcome, left_out)


@contextlib.contextmanager
def opened_source(repository: Repository, source: str) -> Iterator[Branch]:
    """The branch of the index that releases come from. Raises UsageError for the target itself, and NoIndexError."""
    if not is_index_name(source):
        near = did_you_mean(source.lower(), repository.branch.local_indexes())
        raise UsageError(f"{plain(repr(source))} is not the name of an index.", f"{near}Name it as in `--from staging`.")
    if source == repository.branch.index:
        raise UsageError(
            f"The releases come from the index {source!r} and go to the same one.",
            "Name two indexes, as in `--from staging --to main`.",
        )
    with repository.branch.sibling(source) as branch:
        branch.fetch()
        check_index(dataclasses.replace(repository, branch=branch))
        yield branch


def planned(
    repository: Repository, source: Branch, wanted: Sequence[Wanted], *, with_dependencies: bool, check: Check | None = None
) -> PromotionPlan:
    """What a promotion comes to. Raises NotAllowedError, NotFoundError, ConflictError, RefusedError or StorageError."""
    snapshot = source.snapshot()
    chosen = _chosen(repository, source, snapshot, wanted)
    followed: tuple[Followed, ...] = ()
    left: tuple[Left, ...] = ()
    if with_dependencies:
        repository.branch.indexes()  # which brings the bases
        search = DependencySearch(snapshot, read_with_bases(repository))
        search.follow(chosen)
        followed, left = tuple(search.followed), tuple(search.left)
    releases = list({(each.project, each.version): each for each in _all(chosen, followed)}.values())
    change = PromoteReleases(releases=tuple(_with_metadata(snapshot, releases, source.index)))
    target = repository.branch.prepared(change)
    return PromotionPlan(
        change=change,
        outcome=guarded(change, check).apply(target),
        source=snapshot,
        target=target,
        followed=followed,
        left=left,
    )


def _chosen(
    repository: Repository, source: Branch, snapshot: Snapshot, wanted: Sequence[Wanted]
) -> list[tuple[Release, frozenset[str]]]:
    """The releases that were asked for, as the source records them. Raises NotFoundError or RecordError."""
    found = {
        project.name: (project, broken) for project, broken in snapshot.projects(dict.fromkeys(each.project for each in wanted))
    }
    chosen = []
    for each in wanted:
        project, broken = found.get(each.project, (None, []))
        release = project.release(each.version) if project is not None else None
        if release is None or not release.files:
            _raise_broken(each, broken)
            raise _missing(repository, source, snapshot, each)
        chosen.append((release, each.extras))
    return chosen


def _raise_broken(wanted: Wanted, broken: Sequence[RecordError]) -> None:
    """Raise the error of the record that was asked for, if that is there and cannot be read."""
    for error in broken:
        if version_key(error.path.split("/")[-2]) == version_key(wanted.version):
            raise error


def _missing(repository: Repository, source: Branch, snapshot: Snapshot, wanted: Wanted) -> NotFoundError:
    """The error for a release that the source does not record itself; the target may, or it may show the one of a base."""
    name, index, target = f"{wanted.project} {wanted.version}", source.index, repository.branch.index
    if _has(repository.branch.snapshot(), wanted):
        return NotFoundError(
            f"The index {index!r} has no {name}, and the index {target!r} has it.",
            f"Did you swap --from and --to? The other way it is `wharf promote {wanted.project}=={wanted.version} "
            f"--from {target} --to {index}`.",
        )
    repository.branch.indexes()  # which brings the bases
    with contextlib.suppress(StorageError):  # whatever is wrong with a base, this error is about the release
        layers = read_with_bases(repository.of_index(index)).layers
        base = next((layer.index for layer in layers[1:] if _has(layer.snapshot, wanted)), None)
        if base is not None:
            return NotFoundError(
                f"The index {index!r} has no {name} itself: it shows the one of its base {base!r}.",
                f"Promote it from there: `--from {base}`.",
            )
    if snapshot.versions(wanted.project):
        hint = f"`wharf show {wanted.project} --index {index}` shows what it has."
    else:
        hint = f"{did_you_mean(wanted.project, snapshot.names())}`wharf list --index {index}` shows what it has."
    return NotFoundError(f"The index {index!r} has no {name}.", hint)


def _has(snapshot: Snapshot, wanted: Wanted) -> bool:
    return any(version_key(each) == version_key(wanted.version) for each in snapshot.versions(wanted.project))


def _all(chosen: Sequence[tuple[Release, frozenset[str]]], followed: Sequence[Followed]) -> Iterator[Release]:
    yield from (release for release, _ in chosen)
    yield from (each.release for each in followed)


def _with_metadata(source: Snapshot, releases: Sequence[Release], index: str) -> Iterator[PromotedRelease]:
    """The releases with their core metadata. Raises StorageError for a file that lacks it, and RefusedError for too much."""
    size = 0
    for release, metadata in zip(releases, source.metadata_of(releases), strict=True):
        size += sum(map(len, metadata.values()))
        if size > MOST_BYTES:
            raise RefusedError(
                f"The core metadata of these releases has more than {MOST_BYTES >> 20} MiB.",
                "Promote some of them first, in several commands.",
            )
        for file in release.files:
            data = metadata.get(file.filename)
            if data is None or (file.core_metadata is not None and hashlib.sha256(data).hexdigest() != file.core_metadata):
                found = "is missing" if data is None else "is not what its record says"
                raise StorageError(
                    f"The core metadata of {file.filename} in the index {index!r} {found}.",
                    f"`wharf verify --index {index}` tells more; remove the file there and publish it again.",
                )
        yield PromotedRelease(release=release, metadata=metadata)


def result(commit: str | None, plan: PromotionPlan, done: Outcome, left_out: tuple[Named, ...]) -> Promoted:
    """What came of a plan, by the outcome that it came to."""
    source = {file.filename: file for each in plan.change.releases for file in each.release.files}
    return Promoted(
        commit=commit,
        promoted=done.changed,
        unchanged=done.unchanged,
        followed=plan.followed,
        left=plan.left,
        not_announced=left_out,
        otherwise_yanked=tuple(
            each
            for each in done.unchanged
            if each.file.filename in source and source[each.file.filename].yanked != each.file.yanked
        ),
    )
