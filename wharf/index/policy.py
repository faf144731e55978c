"""Which files of a project an index shows, by the rules of `[policy]` in its `wharf.toml` (docs/index-format.md). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from datetime import datetime


class Judged(Protocol):
    """What a policy looks at in a file. `since` is the moment from which its age counts; None: nobody knows."""

    @property
    def filename(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def size(self) -> int | None: ...  # noqa: D102
    @property
    def yanked(self) -> str | None: ...  # noqa: D102
    @property
    def since(self) -> datetime | None: ...  # noqa: D102


F = TypeVar("F", bound=Judged)


@dataclass(frozen=True, slots=True)
class Hidden:
    """A file that is not shown: by which rule (its key, as in `policy.deny`), why in words, and until when at least (None: for
    as long as the rule holds).
    """

    filename: str
    rule: str
    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict(Generic[F]):
    """What a policy lets through of a project, and what not; `until` is when that may change by time alone (None: never)."""

    shown: tuple[F, ...]
    hidden: tuple[Hidden, ...] = ()
    until: datetime | None = None
