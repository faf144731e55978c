"""What a reader asks of a source of projects, whatever it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from wharf.errors import RecordError
    from wharf.model import Project


class Source(Protocol):
    """Projects to be read, all of them as they were at one moment. Every method may raise StorageError for damage."""

    def names(self) -> Sequence[str]:
        """The PEP 503 names of all projects, sorted."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is a project of that name (PEP 503 form)."""
        ...

    def validator(self, name: str) -> str | None:
        """40 hex digits that change when, and only when, what is shown of the project may differ; None: no such project."""
        ...

    def projects(self, names: Iterable[str]) -> Iterator[tuple[Project, list[RecordError]]]:
        """The projects of these names, in their order, without names that have none; each with the records that cannot be read.

        All are read at once: whoever wants thousands asks in parts.
        """
        ...

    def core_metadata(self, name: str, filename: str) -> bytes | None:
        """The core metadata (PEP 658) of a file, byte for byte; None where the file is not shown, or has none announced."""
        ...
