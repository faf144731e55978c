"""A repository as it was at a moment, with all of its indexes."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from wharf.index.past_branch import PastBranch
from wharf.repository.opening import check_index

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wharf.index.moment import Moment
    from wharf.repository.opening import Repository


@contextmanager
def repository_at(repository: Repository, moment: Moment, now: float | None = None) -> Iterator[Repository]:
    """The same repository, whose branch is that of the moment and is only read.

    On GitHub, this brings the history of all indexes. `now` is in seconds since 1970; without it, it is the time at GitHub, or
    that of this machine. Raises as `PastBranch`, as `check_index`, and as fetching does.
    """
    with repository.branch.with_history() as branch:
        branch.indexes()
        check_index(replace(repository, branch=branch))
        if now is None:  # in a folder that may only be read, nothing can be written to see what the clock there says
            now = time.time() if repository.github is None else branch.now()
        yield replace(repository, branch=PastBranch(branch, moment, now))
