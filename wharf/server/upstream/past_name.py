"""A name at an address of the past: what counts for it besides what counts now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from wharf.index.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class PastName:
    """What was so of one (normal) name at a moment. It never changes, and it holds nothing of that moment in memory.

    `moment` has its zone; None: a commit whose time is ahead of now, where an upstream shows what it has now. `policy` is
    the one that the index had. `owned` and `reserved` are by any index of the repository; `unread`: one of them cannot be
    read, so nobody knows.
    """

    moment: datetime | None
    policy: Policy | None
    owned: bool
    reserved: bool
    unread: bool

    @property
    def is_kept(self) -> bool:
        """Whether it did not leave the repository, or may be one that must not."""
        return self.owned or self.reserved or self.unread
