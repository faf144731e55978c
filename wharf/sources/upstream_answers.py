"""What is asked of an upstream and what it answers, whatever it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from wharf.errors import StorageError
    from wharf.sources.upstream_page_store import KeptPage
    from wharf.sources.upstream_project import UpstreamFile, UpstreamProject
    from wharf.transport.http_client import Download

LARGEST_METADATA: Final = 16 << 20
"""Bytes of core metadata that are read."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The upstream's word: a project, that it has none of that name, or that what it said last time still holds (`same`).

    It may be used for `lifetime` seconds.
    """

    lifetime: float
    project: UpstreamProject | None = None
    same: bool = False
    etag: str | None = None
    last_modified: str | None = None


class Upstream(Protocol):
    """What answers for an upstream, whatever it is made of. Nothing is kept here. Every method may raise StorageError."""

    def ask(self, name: str, kept: KeptPage | None) -> Answered:
        """What the upstream has of a project; `kept` is the page of the last time, which may still hold."""
        ...

    def core_metadata(self, file: UpstreamFile) -> bytes:
        """The core metadata of a file, not yet compared with their sha256."""
        ...

    def open(self, file: UpstreamFile) -> AbstractContextManager[Download]:
        """The bytes of a file as they come, not checked."""
        ...

    def error(self, why: str) -> StorageError:
        """The error that says what the upstream does: `why` is the rest of the sentence."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
