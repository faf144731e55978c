"""publish: distributions into the store, then into the index, in an order in which no crash shows anything that is not true.

Read and check every file; apply the changes dry, so that a conflict is known before anything is stored; store the bytes; one
commit for all. Until the commit nobody sees anything, and running the same command again finishes the work.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wharf.assets.asset_store import Incoming, Progress
from wharf.distribution import read_distribution
from wharf.distribution.file_names import Name
from wharf.errors import ConflictError, InvalidDistributionError, StorageError
from wharf.github import quota
from wharf.index import asset_location, record
from wharf.index.add_files import AddFiles, NewFile
from wharf.index.change import Named, Outcome
from wharf.index.commit_message import CommitMessage
from wharf.index.grouped_changes import GroupedChanges, GroupOutcome
from wharf.index.guarded_change import Guarded
from wharf.model import File
from wharf.operations.index_beginning import check_beginning
from wharf.operations.publish_inputs import CheckedInput, Input, check_inputs
from wharf.operations.store_time import by_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from wharf.assets.asset_store import AssetStore, Intake, Opener, Refuse
    from wharf.distribution.read_distribution import Distribution
    from wharf.errors import WharfError
    from wharf.index.guarded_change import Check
    from wharf.index.snapshot import Snapshot
    from wharf.repository.opening import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What came of a publish. `commit` is None where nothing was new, and in a dry run. `began`: it makes the index, too.

    `skipped` are those whose names are taken by other bytes, where that was not to be a conflict.
    """

    commit: str | None
    published: tuple[Named, ...]
    unchanged: tuple[Named, ...]
    skipped: tuple[Named, ...] = ()
    warnings: tuple[str, ...] = ()
    began: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """What one of a group publishes, all or nothing of it. `check` and `skip_existing` are those of `publish`."""

    inputs: Iterable[Input]
    check: Check
    skip_existing: bool = False


@dataclass(slots=True)
class _Part:
    """A member that nothing has refused so far: its place in the group, its files, and its change."""

    number: int
    check: Check
    read: Sequence[CheckedInput]
    change: AddFiles
    planned: Outcome = dataclasses.field(default_factory=Outcome)


def publish_group(
    repository: Repository,
    members: Sequence[Member],
    *,
    actor: str | None = None,
    dry_run: bool = False,
    create: bool = True,
    strict: bool = False,
    limit: int = read_distribution.DEFAULT_LIMIT,
    progress: Progress | None = None,
) -> list[Published | WharfError]:
    """Publish what several want who act as one person with one token, with one commit. The rest is as for `publish`.

    - A member that is refused, for its files, its names or its rights, is told so in its place of the result. The others land,
      also when the conflict comes only with the newer tip of another writer. So they do where the store refuses the release or
      a file of a member, as a rule of a repository on GitHub may have it.
    - A member meets what those before it bring: the same file again is `unchanged`, another one under its name a conflict.
    - What is wrong for all is raised, as a store that cannot be written: nothing of any of them is published then.
    """
    progress = progress or Progress()
    _clock()  # before a byte is read
    results: dict[int, Published | WharfError] = {}
    store: AssetStore = repository.assets
    with contextlib.suppress(_NobodyLeftError), ExitStack() as stack:
        intake: Intake | None = None if dry_run else stack.enter_context(store.intake(progress))
        fetched = _fetching(repository, stack)
        parts = _read(members, results, lambda some: check_inputs(some, intake, limit, progress, strict=strict))
        fetched()
        group = _group(parts)
        snapshot = repository.branch.prepared(group)
        planned = group.apply(snapshot)
        parts = _still(parts, planned, results)
        if snapshot.commit is None:
            check_beginning(repository, intake, create=create)  # before a byte is stored
        if repository.github and planned.changed:
            contents = _contents(planned.changed, beside=_beside(repository, snapshot))
            progress.planned(contents, quota.duration(contents))
        commit: str | None = None
        outcomes: Sequence[Outcome | WharfError] = [each.planned for each in parts]
        if intake is not None:
            if snapshot.commit is None and repository.github and planned.changed:
                repository.branch.begin(actor)
            refused: list[tuple[Named, WharfError]] = []
            named, stored = _store(repository, snapshot, intake, parts, refused)
            try:
                parts = _unrefused(parts, refused, results)
                done = repository.branch.commit(
                    _located(repository, parts, named), CommitMessage(verb="publish", actor=actor), stored
                )
            finally:
                stored()  # also where there is no commit: the files are not given back before they lie still
            intake.settle(done.outcome.changed)
            commit, outcomes = done.commit, _outcomes(done.outcome)
        for each, outcome in zip(parts, outcomes, strict=True):
            results[each.number] = _result(commit, each, outcome, began=snapshot.commit is None)
    return [results[number] for number in range(len(members))]


class _NobodyLeftError(Exception):
    """All are refused: what is under way at the store is broken off."""


def _fetching(repository: Repository, stack: ExitStack) -> Callable[[], None]:
    """Bring the tip while the files are read; what waits for it. In a folder it is there."""
    if repository.github is None:
        return repository.branch.fetch
    return stack.enter_context(ThreadPoolExecutor(1)).submit(copy_context().run, repository.branch.fetch).result


def _read(
    members: Sequence[Member],
    results: dict[int, Published | WharfError],
    check: Callable[[Iterable[Input]], Sequence[CheckedInput]],
) -> list[_Part]:
    """The members whose files pass every check. Raises _NobodyLeftError if there is none."""
    found: list[tuple[int, Member, Sequence[CheckedInput]]] = []
    for number, each in enumerate(members):
        try:
            found.append((number, each, check(each.inputs)))
        except (InvalidDistributionError, ConflictError) as error:
            results[number] = error
    if not found:
        raise _NobodyLeftError
    now = _clock()
    return [
        _Part(
            number,
            each.check,
            read,
            AddFiles(files=tuple(_new_file(one, now) for one, _ in read), skip_existing=each.skip_existing),
        )
        for number, each, read in found
    ]


def _group(parts: Sequence[_Part]) -> GroupedChanges:
    return GroupedChanges(tuple(Guarded(each.change, each.check) for each in parts))


def _outcomes(outcome: Outcome) -> Sequence[Outcome | WharfError]:
    """Those of the members that a group consisted of."""
    return outcome.members if isinstance(outcome, GroupOutcome) else ()


def _still(parts: Sequence[_Part], planned: Outcome, results: dict[int, Published | WharfError]) -> list[_Part]:
    """The parts that the plan does not refuse. Raises _NobodyLeftError if it refuses all."""
    for each, outcome in zip(parts, _outcomes(planned), strict=True):
        if isinstance(outcome, Outcome):
            each.planned = outcome
        else:
            results[each.number] = outcome
    if not (left := [each for each in parts if each.number not in results]):
        raise _NobodyLeftError
    return left


def _beside(repository: Repository, snapshot: Snapshot) -> bool:
    """Whether core metadata is stored next to the files."""
    return snapshot.settings.metadata_assets and repository.github is not None


def _store(
    repository: Repository,
    snapshot: Snapshot,
    intake: Intake,
    parts: Sequence[_Part],
    refused: list[tuple[Named, WharfError]],
) -> tuple[Sequence[Named], Callable[[], object]]:
    """Begin to bring all bytes into the store; what is new there, and what waits for it.

    A file that the store does not take is one of the `refused`; where there is no other member, it is raised.
    """
    beside = _beside(repository, snapshot)
    new = [one for each in parts for one in _incoming(each.planned.changed, each.read, beside=beside)]
    known = [one for each in parts for one in _incoming(each.planned.unchanged, each.read, beside=beside)]
    refuse: Refuse = lambda some, error: refused.extend((each, error) for each in some)  # noqa: E731
    tip = snapshot.commit or repository.branch.tip()
    return intake.put(new, known, snapshot.release, tip, refuse if len(parts) > 1 else None)


def _unrefused(
    parts: Sequence[_Part], refused: Sequence[tuple[Named, WharfError]], results: dict[int, Published | WharfError]
) -> list[_Part]:
    """The parts whose files the store took, all of them. Raises _NobodyLeftError if there is none."""
    errors = {Name.parse(named.file.filename): error for named, error in refused}
    for each in parts:
        error = next((errors[name] for one, _ in each.read if (name := Name.parse(one.filename)) in errors), None)
        if error is not None:  # also of one whose file would have been there, brought by a member before it
            results[each.number] = error
    if not (left := [each for each in parts if each.number not in results]):
        raise _NobodyLeftError
    return left


def _located(repository: Repository, parts: Sequence[_Part], stored: Sequence[Named]) -> GroupedChanges:
    """The changes with the locations of what was stored, and its time."""
    now = datetime.now(UTC)
    moment = by_store(repository, now) if stored else now
    for each in parts:
        each.change = each.change.located(stored).dated(moment)
    return _group(parts)


def _clock() -> datetime:
    """The time of the upload. Raises StorageError where the clock was never set: its time stands in the record for ever."""
    now = datetime.now(UTC)
    if not record.is_upload_time(now):
        raise StorageError(
            f"The clock of this machine says {now:%Y-%m-%d %H:%M} UTC, and files are recorded with the time of their upload.",
            "Set the clock, or wait until it is set from the network, then run the same command again.",
        )
    return now


def _contents(files: Sequence[Named], *, beside: bool) -> int:
    """How many contents GitHub counts for new files: each, its metadata `beside` it, and for a version a draft and its release.

    At most: less where a release that is there takes the files, or an earlier try left some.
    """
    versions = {(each.project, each.version) for each in files}
    with_metadata = [each for each in files if beside and each.file.core_metadata]
    return len(files) + len(with_metadata) + 2 * len(versions)


def _result(commit: str | None, part: _Part, done: Outcome | WharfError, *, began: bool) -> Published | WharfError:
    """What a member is told, by what was planned, and what came of what was new (in a dry run the same)."""
    if not isinstance(done, Outcome):
        return done
    planned = part.planned
    later = Outcome() if done is planned else done
    decided = {each.file.filename for each in (*later.changed, *later.unchanged, *later.skipped)}
    return Published(
        commit=commit if done.edits else None,
        published=done.changed,
        unchanged=(*(each for each in planned.unchanged if each.file.filename not in decided), *later.unchanged),
        skipped=(*planned.skipped, *later.skipped),
        warnings=tuple(f"{each.filename}: {warning}" for each, _ in part.read for warning in each.warnings),
        began=began and bool(done.changed),
    )


def _incoming(some: Iterable[Named], read: Iterable[CheckedInput], *, beside: bool) -> list[Incoming]:
    """Files for the store; `beside`: each with its core metadata next to it."""
    found = {Name.parse(each.filename): (each, opener) for each, opener in read}
    return [_one(named, *found[Name.parse(named.file.filename)], beside=beside) for named in some]


def _one(named: Named, read: Distribution, opener: Opener, *, beside: bool) -> Incoming:
    """A file for the store; `beside`: with its core metadata next to it, if that may be announced."""
    digest = named.file.core_metadata
    name = asset_location.metadata_name(named.file.filename)
    if not beside or digest is None or len(name) > asset_location.LONGEST_NAME:
        return Incoming(named, opener)
    file = File(filename=name, sha256=digest, size=len(read.metadata), upload_time=named.file.upload_time)
    metadata = Incoming(dataclasses.replace(named, file=file), lambda: io.BytesIO(read.metadata))
    return Incoming(named, opener, metadata)


def _new_file(each: Distribution, now: datetime) -> NewFile:
    announced = hashlib.sha256(each.metadata).hexdigest() if each.announces_metadata else None
    return NewFile(
        project=each.project,
        version=each.version,
        file=File(
            filename=each.filename,
            sha256=each.sha256,
            size=each.size,
            upload_time=now,
            requires_python=each.requires_python,
            core_metadata=announced,
        ),
        metadata=each.metadata,
    )
