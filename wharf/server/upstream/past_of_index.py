"""What an address of the past says of names that its index did not have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from wharf.index.policy import Policy
    from wharf.server.claimed_names import ClaimedNames


@dataclass(frozen=True, slots=True, eq=False)
class PastOfIndex:
    """An index at a moment: the policy that it had, and the names that all indexes of the repository had and reserved.

    `moment` has its zone; None: what an upstream has now. That is so for a commit whose time is ahead of now.
    """

    moment: datetime | None
    policy: Policy | None
    claims: ClaimedNames
