"""Whether a publish may begin the index that it finds missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.errors import StorageError
from wharf.repository.opening import check_spelling, no_index

if TYPE_CHECKING:
    from wharf.assets.asset_store import Intake
    from wharf.repository.opening import Repository

_WITH_CREATE = ", and so does this command with --create"


def check_beginning(repository: Repository, intake: Intake | None, *, create: bool) -> None:
    """Raise NoIndexError if the index may not be made, and StorageError if it was there before and is missing now."""
    if repository.github:
        _check_new(repository, intake, create=create)
    else:
        _check_new_in_folder(repository, create=create)


def _check_new(repository: Repository, intake: Intake | None, *, create: bool) -> None:
    """Raise NoIndexError if the index may not be made, and StorageError if it was there before and is missing now.

    A new one beside old releases would hide all of them, and the next `wharf verify --repair` would delete them.
    """
    tag = intake.published_before() if intake else None
    if tag is not None:
        repository.branch.fetch()  # or somebody began it since
        if repository.branch.tip() is None:
            index = repository.branch.index
            if index in repository.branch.all_names().removed:
                raise no_index(repository)
            raise StorageError(
                f"The branch wharf/{index} of {repository.address} is gone, and was there: {tag} was published to it.",
                "Restore the branch on GitHub. If it was meant to go, "
                f"`wharf init --index {index} {repository.address}` makes the index again.",
            )
    if not create:
        raise no_index(repository, more=_WITH_CREATE)


def _check_new_in_folder(repository: Repository, *, create: bool) -> None:
    """Raise NoIndexError for a removed index; and for one beside others, if it may not be made."""
    repository.branch.check_not_removed()
    if not create:
        check_spelling(repository, more=_WITH_CREATE)
