"""publish: distributions into the store, then into the index, in an order that no crash can turn into a lie.

Read and check every file; apply the change dry, so that a conflict is known before anything is stored; store the bytes; one
commit for all. Until the commit nobody sees anything, and running the same command again finishes the work.
"""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

from wharf import distribution
from wharf.branch import Message
from wharf.change import AddFiles, Named, NewFile
from wharf.distribution.names import Name
from wharf.errors import ConflictError, StorageError
from wharf.model import File

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from wharf.distribution import Distribution
    from wharf.folder import Staging
    from wharf.repository import Repository


_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Input:
    """A file to publish: the name it is to have, and how to open it for reading, at its beginning."""

    filename: str
    open: Callable[[], BinaryIO]

    @staticmethod
    def of(path: Path) -> Input:
        """The file at a path, under its own name."""
        return Input(path.name, lambda: path.open("rb"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What came of a publish. `commit` is None where nothing was new, and in a dry run."""

    commit: str | None
    published: tuple[Named, ...]
    unchanged: tuple[Named, ...]
    warnings: tuple[str, ...] = ()


def publish(
    repository: Repository,
    inputs: Iterable[Input],
    *,
    actor: str,
    dry_run: bool = False,
    limit: int = distribution.DEFAULT_LIMIT,
    progress: Callable[[int], None] = lambda _count: None,
) -> Published:
    """Publish files of any mix of projects, all or none. `progress` is told the bytes read; `limit` is in bytes a file.

    Raises InvalidDistributionError, ConflictError, RefusedError or StorageError, and then nothing is published.
    """
    with ExitStack() as stack:
        staging = None
        if not dry_run:
            stack.enter_context(repository.assets.publishing())
            staging = stack.enter_context(repository.assets.stage())
        read = _distinct(_read(each, staging, limit, progress) for each in inputs)
        distributions = [each for each, _ in read]
        now = datetime.now(UTC)
        change = AddFiles(files=tuple(_new_file(each, now) for each in distributions))
        planned = change.apply(repository.branch.snapshot())
        warnings = tuple(f"{each.filename}: {warning}" for each in distributions for warning in each.warnings)
        if dry_run:
            return Published(commit=None, published=planned.changed, unchanged=planned.unchanged, warnings=warnings)
        repository.assets.put((staged, each.sha256, each.filename) for each, staged in read if staged is not None)
        for each in distributions:
            _check_stored(repository, each)
        done = repository.branch.commit(change, Message(verb="publish", actor=actor))
        return Published(
            commit=done.commit, published=done.outcome.changed, unchanged=done.outcome.unchanged, warnings=warnings
        )


def _read(
    each: Input, staging: Staging | None, limit: int, progress: Callable[[int], None]
) -> tuple[Distribution, Path | None]:
    """Check one file. It is read once, into the store's staging: what is checked is the copy, so that it is what is kept."""
    Name.parse(each.filename)  # no byte of what is no distribution is copied
    with each.open() as file:
        if staging is None:
            found = distribution.read(file, each.filename, limit=limit)
            progress(found.size)
            return found, None
        with staging.new() as (path, copy):
            left = limit + 1
            while left and (chunk := file.read(min(_CHUNK, left))):
                copy.write(chunk)
                left -= len(chunk)
                progress(len(chunk))
            copy.seek(0)
            return distribution.read(copy, each.filename, limit=limit), path


def _distinct(
    read: Iterable[tuple[Distribution, Path | None]],
) -> Sequence[tuple[Distribution, Path | None]]:
    """The same file given twice counts once; two files that claim one name are a conflict."""
    kept: dict[object, tuple[Distribution, Path | None]] = {}
    for each in read:
        key = Name.parse(each[0].filename)
        other = kept.setdefault(key, each)[0]
        if (other.filename, other.sha256) != (each[0].filename, each[0].sha256):
            names = " and ".join(sorted({other.filename, each[0].filename}))
            raise ConflictError(
                f"{names} given twice with different bytes."
                if other.filename == each[0].filename
                else f"{names} are two names of one file.",
                "Give each distribution once: an old build folder may have come in between.",
            )
    return list(kept.values())


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


def _check_stored(repository: Repository, each: Distribution) -> None:
    size = repository.assets.size(each.sha256, each.filename)
    if size != each.size:
        raise StorageError(
            f"{each.filename} was stored with {size} bytes instead of {each.size}.", "Run the same command again."
        )
