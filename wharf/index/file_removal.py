"""Which commit took a file away from an index, and why, as the history of its branch tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wharf.index import history, record

if TYPE_CHECKING:
    from wharf.index.git import Git

LONGEST: Final = 1000
"""Characters of a verb, an actor or a reason that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A commit after which an index does not have a file any more: its verb, who made it (`actor`), and the reason it gives.

    No text has more than LONGEST characters: anybody may have written the commit.
    """

    commit: str
    verb: str
    actor: str
    reason: str


def find(program: Git, since: str, tip: str, project: str, version: str, filename: str) -> Removal | None:
    """The last first parent of `tip` (or itself) after `since` that took the file away; None: there is none.

    One process looks at folders only, so that a clone without files does as well. Raises StorageError.
    """
    path = record.metadata_path(project, version, filename)  # every file of a release has this beside the record
    found = history.removal(program, since, tip, path)
    if found is None:
        return None
    verb, actor, reason = (text[:LONGEST] for text in (found.verb, found.actor, found.reason))
    return Removal(commit=found.commit, verb=verb, actor=actor, reason=reason)
