"""Which commit took a file away from an index, and why, as the history of its branch tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wharf.index import record
from wharf.index.commit_message import parse_commit_message
from wharf.index.history import LONGEST_COMMIT

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
    path = f"{record.folder(project)}/{version}/{filename}.metadata"  # every file of a release has this beside the record
    plainly = ("--no-ext-diff", "--no-textconv", "--no-renames")
    words = ("log", "-1", "--first-parent", "-m", "--name-only", "--diff-filter=D", *plainly, "--format=%H%x00%an%x00%B%x00")
    out, _ = program.beginning(LONGEST_COMMIT, "--literal-pathspecs", *words, f"{since}..{tip}", "--", path)
    if not out:
        return None
    commit, author, text, _ = [*out.decode(errors="replace").split("\0", 3), "", "", ""][:4]
    verb, actor, _, message = parse_commit_message(text, author)
    reason = message.partition("\n")[2].strip() or _unsigned(verb, message)
    return Removal(commit=commit, verb=verb[:LONGEST], actor=actor[:LONGEST], reason=reason[:LONGEST])


def _unsigned(verb: str, message: str) -> str:
    """The reason of a commit that wharf did not make: all that it says."""
    return message if verb == "edit" else ""
