"""Several changes as one commit: each is applied to what the ones before it leave, and one that is refused stops no other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.errors import ConflictError, MayNotWriteError, NotFoundError, RecordError, RefusedError
from wharf.index.amended_records import AmendedRecords
from wharf.index.change import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wharf.errors import WharfError
    from wharf.index.change import Change, Records


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOutcome(Outcome):
    """What became of a group: one outcome, and in `members`, in order, that of each change, or why there is none."""

    members: tuple[Outcome | WharfError, ...] = ()

    def __post_init__(self) -> None:
        """Each of the outcomes was checked when it was made."""


@dataclass(frozen=True, slots=True)
class GroupedChanges:
    """Changes that share one commit, in order.

    - Each is decided as if those before it had landed, at every try again: who is refused now may land on the next tip.
    - A change that its own project or its own rights refuse has no part in the commit, and the rest has.
    - Any other error, as of GitHub that does not answer, is one of all.
    """

    changes: tuple[Change, ...]

    @property
    def touched(self) -> Iterable[tuple[str, str]]:
        """Those of all changes."""
        return {each for change in self.changes for each in change.touched}

    def apply(self, records: Records) -> GroupOutcome:
        """The outcome on one tip. Raises what is not about a single change."""
        after = AmendedRecords(records)
        members: list[Outcome | WharfError] = []
        for each in self.changes:
            try:
                outcome = each.apply(after if after.edits else records)
            except (ConflictError, MayNotWriteError, NotFoundError, RefusedError, RecordError) as error:
                members.append(error)
            else:
                members.append(outcome)
                after.amend(outcome.edits)
        done = [each for each in members if isinstance(each, Outcome)]
        return GroupOutcome(
            edits=after.edits,
            changed=tuple(named for each in done for named in each.changed),
            unchanged=tuple(named for each in done for named in each.unchanged),
            skipped=tuple(named for each in done for named in each.skipped),
            gone=tuple(release for each in done for release in each.gone),
            beside={name: commit for each in done for name, commit in each.beside.items()},
            members=tuple(members),
        )
