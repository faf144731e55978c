"""dispatch: tell the repository on GitHub that its index may have changed, so that a workflow there can act on it.

What the token of an Actions job does starts no other workflow, except by such an event ("Triggering a workflow from a
workflow").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wharf.errors import NotAllowedError, NotFoundError, StorageError, UsageError

if TYPE_CHECKING:
    from wharf.repository.opening import Repository

LONGEST: Final = 100
"""Characters that the type of an event may have ("Create a repository dispatch event")."""


def check(repository: Repository, kind: str) -> None:
    """Raise UsageError for an event that cannot be sent, before anything else is done."""
    if repository.github is None:
        raise UsageError("--dispatch is for a repository on GitHub: a folder has no workflows.", "Leave it out.")
    if not kind.strip() or len(kind) > LONGEST:
        raise UsageError(f"The type of an event has 1 to {LONGEST} characters.", "Write it as in --dispatch wharf-published.")


def dispatch(repository: Repository, kind: str) -> None:
    """Send a `repository_dispatch` event; its payload is the index and the commit that it is at.

    Needs the permission `contents: write`. Raises StorageError.
    """
    if repository.github is None:
        raise TypeError("a store in a folder has no events")
    payload = {"index": repository.branch.index, "commit": repository.branch.tip()}
    try:
        repository.github.rest.dispatch(kind, payload)
    except (NotAllowedError, NotFoundError, StorageError) as error:
        raise StorageError(
            f"The files are published, but the event {kind!r} was not sent: {error.message}",
            "Run the same command again: it sends the event, and publishes nothing twice.",
        ) from error
