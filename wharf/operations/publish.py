"""publish for one person: a group of one, in which what is refused is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.distribution import read_distribution
from wharf.errors import WharfError
from wharf.operations.publish_group import Member, Published, publish_group
from wharf.operations.upload_rights import rights_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wharf.assets.asset_store import Progress
    from wharf.index.guarded_change import Check
    from wharf.operations.publish_inputs import Input
    from wharf.repository.opening import Repository

__all__ = ["Published", "publish"]


def publish(
    repository: Repository,
    inputs: Iterable[Input],
    *,
    actor: str | None = None,
    dry_run: bool = False,
    skip_existing: bool = False,
    create: bool = True,
    strict: bool = False,
    limit: int = read_distribution.DEFAULT_LIMIT,
    progress: Progress | None = None,
    check: Check | None = None,
) -> Published:
    """Publish files of any mix of projects, all or none. `limit` is in bytes a file; `actor` is as in a CommitMessage.

    `check` says whether whoever publishes may (by itself: what the index says of the token that is used). It is asked before
    anything is stored, and again at the commit.

    With `skip_existing`, a file whose name is taken by other bytes is left out instead of a ConflictError. Without `create` an
    index that is not there is a NoIndexError; but in a folder, the first index and the default one are made all the same. With
    `strict`, a warning is an error. All files that are refused are named in one error.

    Raises InvalidDistributionError, ConflictError, RefusedError or StorageError, and then nothing is published.
    """
    member = Member(inputs=inputs, check=check or rights_of(repository), skip_existing=skip_existing)
    (done,) = publish_group(
        repository, [member], actor=actor, dry_run=dry_run, create=create, strict=strict, limit=limit, progress=progress
    )
    if isinstance(done, WharfError):
        raise done
    return done
