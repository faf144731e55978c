"""publish: distributions into the store, then into the index, in an order in which no crash shows anything that is not true.

Read and check every file; apply the change dry, so that a conflict is known before anything is stored; store the bytes; one
commit for all. Until the commit nobody sees anything, and running the same command again finishes the work.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from wharf.assets.asset_store import Incoming, Progress
from wharf.distribution import read_distribution
from wharf.distribution.file_names import Name
from wharf.errors import StorageError
from wharf.github import quota
from wharf.index import asset_location, record
from wharf.index.add_files import AddFiles, NewFile
from wharf.index.change import Named, Outcome
from wharf.index.commit_message import CommitMessage
from wharf.index.guarded_change import Guarded
from wharf.model import File
from wharf.operations.publish_inputs import CheckedInput, Input, check_inputs
from wharf.operations.upload_rights import rights_of
from wharf.repository.opening import check_spelling, no_index

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wharf.assets.asset_store import AssetStore, Intake, Opener
    from wharf.distribution.read_distribution import Distribution
    from wharf.index.guarded_change import Check
    from wharf.repository.opening import Repository


_DIFFERENCE = 60.0  # seconds between two clocks that count as right: the store tells whole seconds, and answers take time
_WITH_CREATE = ", and so does this command with --create"


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


def publish(
    repository: Repository,
    inputs: Iterable[Input],
    *,
    actor: str | None = None,
    dry_run: bool = False,
    skip_existing: bool = False,
    create: bool = True,
    strict: bool = False,
    limit: int = read_distribution.DEFAULT_LIMIT,
    progress: Progress | None = None,
    check: Check | None = None,
) -> Published:
    """Publish files of any mix of projects, all or none. `limit` is in bytes a file; `actor` is as in a CommitMessage.

    `check` says whether whoever publishes may (by itself: what the index says of the token that is used). It is asked before
    anything is stored, and again at the commit.

    With `skip_existing`, a file whose name is taken by other bytes is left out instead of a ConflictError. Without `create` an
    index that is not there is a NoIndexError; but in a folder, the first index and the default one are made all the same. With
    `strict`, a warning is an error. All files that are refused are named in one error.

    Raises InvalidDistributionError, ConflictError, RefusedError or StorageError, and then nothing is published.
    """
    progress, check = progress or Progress(), check or rights_of(repository)
    _clock()  # before a byte is read
    with ExitStack() as stack:
        intake: Intake | None = None
        if not dry_run:
            store: AssetStore = repository.assets
            intake = stack.enter_context(store.intake(progress))
        # While the files are read, the tip is on its way.
        fetched = stack.enter_context(ThreadPoolExecutor(1)).submit(repository.branch.fetch)
        read = check_inputs(inputs, intake, limit, progress, strict=strict)
        now = _clock()
        change = AddFiles(files=tuple(_new_file(each, now) for each, _ in read), skip_existing=skip_existing)
        fetched.result()
        snapshot = repository.branch.prepared(change)
        planned = Guarded(change, check).apply(snapshot)
        warnings = tuple(f"{each.filename}: {warning}" for each, _ in read for warning in each.warnings)
        fresh = snapshot.commit is None
        if fresh and repository.github:
            _check_new(repository, intake, create=create)
        elif fresh:
            _check_new_in_folder(repository, create=create)  # before a byte is stored
        beside = snapshot.settings.metadata_assets and repository.github is not None
        if repository.github and planned.changed:
            contents = _contents(planned.changed, beside=beside)
            progress.planned(contents, quota.duration(contents))
        if intake is None:
            return _published(None, planned, planned, warnings, began=fresh)
        if fresh and repository.github and planned.changed:
            repository.branch.begin(actor)
        new, known = (_incoming(some, read, beside=beside) for some in (planned.changed, planned.unchanged))
        stored = intake.put(new, known, snapshot.release, snapshot.commit or repository.branch.tip())
        located = Guarded(change.located(stored).dated(_by_store(repository, now) if stored else now), check)
        done = repository.branch.commit(located, CommitMessage(verb="publish", actor=actor))
        intake.settle(done.outcome.changed)
        return _published(done.commit, planned, done.outcome, warnings, began=fresh)


def _clock() -> datetime:
    """The time of the upload. Raises StorageError where the clock was never set: its time stands in the record for ever."""
    now = datetime.now(UTC)
    if not record.is_upload_time(now):
        raise StorageError(
            f"The clock of this machine says {now:%Y-%m-%d %H:%M} UTC, and files are recorded with the time of their upload.",
            "Set the clock, or wait until it is set from the network, then run the same command again.",
        )
    return now


def _by_store(repository: Repository, now: datetime) -> datetime:
    """A time of this machine, moved to the clock of the store where the two differ by more than a minute."""
    ahead = repository.branch.now() - datetime.now(UTC).timestamp()
    return now if abs(ahead) <= _DIFFERENCE else now + timedelta(seconds=ahead)


def _check_new(repository: Repository, intake: Intake | None, *, create: bool) -> None:
    """Raise NoIndexError if the index may not be made, and StorageError if it was there before and is missing now.

    A new one beside old releases would hide all of them, and the next `wharf verify --repair` would delete them.
    """
    tag = intake.published_before() if intake else None
    if tag is not None:
        repository.branch.fetch()  # or somebody began it since
        if repository.branch.tip() is None:
            index = repository.branch.index
            if index in repository.branch.all_names().removed:
                raise no_index(repository)
            raise StorageError(
                f"The branch wharf/{index} of {repository.address} is gone, and was there: {tag} was published to it.",
                "Restore the branch on GitHub. If it was meant to go, "
                f"`wharf init --index {index} {repository.address}` makes the index again.",
            )
    if not create:
        raise no_index(repository, more=_WITH_CREATE)


def _check_new_in_folder(repository: Repository, *, create: bool) -> None:
    """Raise NoIndexError for a removed index; and for one beside others, if it may not be made."""
    repository.branch.check_not_removed()
    if not create:
        check_spelling(repository, more=_WITH_CREATE)


def _contents(files: Sequence[Named], *, beside: bool) -> int:
    """How many contents GitHub counts for new files: each, its metadata `beside` it, and for a version a draft and its release.

    At most: less where a release that is there takes the files, or an earlier try left some.
    """
    versions = {(each.project, each.version) for each in files}
    with_metadata = [each for each in files if beside and each.file.core_metadata]
    return len(files) + len(with_metadata) + 2 * len(versions)


def _published(commit: str | None, planned: Outcome, done: Outcome, warnings: tuple[str, ...], *, began: bool) -> Published:
    """The result, by the outcome that was planned, and the one that came of what was new (in a dry run the same)."""
    later = Outcome() if done is planned else done
    return Published(
        commit=commit,
        published=done.changed,
        unchanged=(*planned.unchanged, *later.unchanged),
        skipped=(*planned.skipped, *later.skipped),
        warnings=warnings,
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
