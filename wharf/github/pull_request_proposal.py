"""A change to an index as a pull request: a commit on the index's tip, at a branch of its own, which rules can have reviewed.

The head lies outside of `wharf/`, so that it is no index. Its name follows from what is proposed: the same proposal made again
finds the pull request that is open.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wharf.errors import NotAllowedError, RefusedError, RejectedError, StorageError, UncertainError

if TYPE_CHECKING:
    from wharf.github.remote_branch import RemoteBranch
    from wharf.github.rest_calls import Pull
    from wharf.index.change import Outcome
    from wharf.index.commit_message import CommitMessage

FOLDER: Final = "wharf-proposals"
"""Where the heads are."""
MOST_FILES: Final = 3000
"""Files that GitHub shows of a pull request ("List pull requests files")."""

_NAMES: Final = 20  # of heads that are taken by something else


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An open pull request. `fresh`: it was opened now; otherwise it was there."""

    number: int
    address: str
    head: str
    commit: str
    fresh: bool


def propose(branch: RemoteBranch, tip: str, outcome: Outcome, message: CommitMessage, *, title: str, text: str) -> Proposal:
    """Propose an outcome on `tip`. Raises NotAllowedError, RefusedError for too many files, and StorageError.

    A pull request that is there counts only if its files are exactly those of the outcome: whoever may push could have opened
    another one under the name.
    """
    if len(outcome.edits) > MOST_FILES:
        raise RefusedError(
            f"The proposal has {len(outcome.edits)} files, and GitHub shows {MOST_FILES} of a pull request.",
            "Propose fewer releases at once, so that whoever reviews it sees all of it.",
        )
    rest, base = branch.github.rest, f"wharf/{branch.index}"
    commit = branch.proposed(tip, outcome, message)
    wanted = {path: _git_id(data) for path, data in outcome.edits.items() if data is not None}
    name = f"{FOLDER}/{branch.index}/{_digest(wanted)}"
    for head in (name, *(f"{name}-{number}" for number in range(2, _NAMES))):
        for pull in rest.pulls(head, base):
            if pull.head == commit or dict(rest.pull_files(pull.number)) == wanted:
                return _proposal(pull, head, fresh=False)
        there = rest.ref(f"heads/{head}")
        if there == commit or (there is None and branch.push_beside(commit, head)):
            return _opened(branch, head, base, title, text)
    raise StorageError(
        f"There are too many branches like {name} in {branch.github.address}.", f"Delete those in {FOLDER}/ that are not used."
    )


def _opened(branch: RemoteBranch, head: str, base: str, title: str, text: str) -> Proposal:
    """A new pull request; or the one that somebody has opened for that head meanwhile."""
    rest = branch.github.rest
    try:
        return _proposal(rest.create_pull(head, base, title, text), head, fresh=True)
    except NotAllowedError as error:
        web = branch.github.address.web
        raise NotAllowedError(
            error.message,
            "Opening a pull request needs the permission `pull requests: write` (classic tokens: `repo`). The branch is "
            f"pushed: {web}/compare/{base}...{head} opens one by hand.",
        ) from error
    except (UncertainError, RejectedError):
        found = next(iter(rest.pulls(head, base)), None)
        if found is None:
            raise
        return _proposal(found, head, fresh=False)


def _proposal(pull: Pull, head: str, *, fresh: bool) -> Proposal:
    return Proposal(number=pull.number, address=pull.address, head=head, commit=pull.head, fresh=fresh)


def _digest(wanted: dict[str, str]) -> str:
    lines = sorted(f"{path} {blob}\n" for path, blob in wanted.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def _git_id(data: bytes) -> str:
    """The id that git gives these bytes."""
    return hashlib.sha1(b"blob %d\0%b" % (len(data), data), usedforsecurity=False).hexdigest()
