"""A repository as it was at a moment, with all of its indexes."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from wharf.index.past_branch import PastBranch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wharf.index.moment import Moment
    from wharf.repository.opening import Repository


@contextmanager
def repository_at(repository: Repository, moment: Moment, now: float | None = None) -> Iterator[Repository]:
    """The same repository, whose branch is that of the moment and is only read.

    On GitHub, this brings the history of all indexes. `now` is in seconds since 1970.
    Raises as `PastBranch`, and as fetching does.
    """
    with repository.branch.with_history() as branch:
        branch.indexes()
        yield replace(repository, branch=PastBranch(branch, moment, time.time() if now is None else now))
