"""A change: what a verb wants of an index, as a value that can be applied to any tip. Each kind of change has its own file.

Applying reads only the records that the change touches and decides every conflict. Nothing is written here: the outcome
says which paths of the branch get which bytes, and the branch puts them there by compare-and-swap or applies the change
again to a newer tip.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from wharf.errors import RefusedError, StorageError
from wharf.index import record, wharf_toml

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from wharf.model import File, Release, Status

Stored: TypeAlias = "Callable[[], object]"
"""Waits until what a change names is stored. Raises StorageError if it cannot be."""


def at_once() -> None:
    """What waits for what is there already."""


class Records(Protocol):
    """What a change may read of the tip. `index_file` is its `wharf.toml`."""

    @property
    def index_file(self) -> bytes:
        """The bytes of `wharf.toml`; of an index that is still to be made, those that it will have."""
        ...

    def names(self) -> Sequence[str]:
        """The names of all projects."""
        ...

    def tree_ids(self) -> Mapping[str, str]:
        """An id for each project, by name, that changes when, and only when, something in its folder does."""
        ...

    def version_ids(self, project: str) -> Mapping[str, str]:
        """The same for each version of a project, as it is spelled."""
        ...

    def file_ids(self, project: str, version: str) -> Mapping[str, str]:
        """The same for the record and each core metadata of a version, by their names; nothing if it is not there."""
        ...

    def versions(self, project: str) -> Sequence[str]:
        """The spellings of all versions that have a record."""
        ...

    def release(self, project: str, version: str) -> Release | None:
        """The record at exactly that spelling, or None. Raises RecordError."""
        ...

    def releases(self, project: str, versions: Collection[str]) -> Sequence[Release]:
        """The records at exactly these spellings, as far as there are any, read at once. Raises RecordError."""
        ...

    def status(self, project: str) -> Status:
        """The project's status. Raises RecordError."""
        ...

    def state(self, project: str) -> bytes | None:
        """The bytes of the project's `project.json`, or None."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A file together with the release that it belongs to."""

    project: str
    version: str
    file: File


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a change comes to on one tip: bytes by path (None: the path goes), and the files it made or found as they were.

    `skipped` has the files that it left out because their names are taken by other bytes. `gone` has releases of which files
    were asked for that had left the index before, in `removed`. `beside` has the commits, by name, of
    other indexes that were read to decide it. If one of them moves before this lands, the change is applied again.

    - What the writer writes, the reader accepts: each record, metadata file and `wharf.toml` in `edits` can be read. Else
      RefusedError is raised, and there is no outcome.
    - Without `edits` there is nothing to commit, whatever else is in it.
    """

    edits: Mapping[str, bytes | None] = field(default_factory=dict)
    changed: tuple[Named, ...] = ()
    unchanged: tuple[Named, ...] = ()
    skipped: tuple[Named, ...] = ()
    gone: tuple[Release, ...] = ()
    beside: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path, data in self.edits.items():
            try:
                if data is not None and path == wharf_toml.PATH:
                    wharf_toml.parse(data)
                elif data is not None:
                    record.check(path, data)
            except StorageError as error:
                raise RefusedError(
                    f"Nothing was written, because no reader would take it: {error.message}",
                    "A shorter reason, or fewer and shorter entries in this release, make it fit.",
                ) from error


class Change(Protocol):
    """A change to an index."""

    @property
    def touched(self) -> Iterable[tuple[str, str]]:
        """The releases, as project and version, whose records it may read."""
        ...

    def apply(self, records: Records) -> Outcome:
        """The outcome on one tip. Raises ConflictError, NotFoundError, RefusedError or RecordError: nothing is done then."""
        ...
