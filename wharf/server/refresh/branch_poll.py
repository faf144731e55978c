"""How the server asks GitHub for new commits of the index branches, and brings them to this machine."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from wharf.errors import StorageError, WharfError
from wharf.index import ref_names
from wharf.index.index_name import BRANCHES

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.github.api import GitHub
    from wharf.index.branch import Branch
    from wharf.model import Json

REPAIR_EVERY: Final = 60.0
"""Seconds before a clone is fetched once more; doubled each time up to an hour, as what is wrong may lie elsewhere."""
_REPAIR_AT_LEAST = 3600.0


class BranchPoll:
    """Asks for the refs of all index branches with the validator of the last answer, and fetches all when one moved.

    - An answer that nothing has changed costs nothing of the quota. Without a token there is no such answer: git asks. Git
      asks as well after a commit that was made here: the validator is known to be old, and git is not counted.
    - Where the answer lists the commits that are here already, nothing is fetched.
    - The validator is kept only after the fetch that it called for.
    - `absent`: GitHub was asked, and has no branch of the own index.
    - An answer that has not all refs says nothing about the others: then git asks each time.
    - `must_fetch`: what is on this machine has to be fetched whether or not the branch moved.
    - `bring` may be called from another thread, by one at a time; all else is for the event loop's thread.
    """

    def __init__(self, branch: Branch, *, clock: Callable[[], float]) -> None:
        self.absent = False
        self.must_fetch = False
        self._branch = branch
        self._clock = clock
        self._etag: str | None = None
        self._moved = False  # by this server, since GitHub was asked last
        self._repaired, self._repair_pause = 0.0, REPAIR_EVERY

    def bring(self, github: GitHub, *, once: bool) -> None:
        """Ask, and fetch if need be. `once`: a question that fails is not asked again. Raises WharfError and OSError."""
        (moved, self._moved), must_fetch = (self._moved, False), self.must_fetch
        etag, fetches = None, True
        if github.source is not None and not moved:
            before = None if must_fetch else self._etag
            with _without_retries(github) if once else contextlib.nullcontext(github) as client:
                reply = client.call("GET", "{repo}/git/matching-refs/heads/wharf/", etag=before, allow=(404, 409))
            whole = 'rel="next"' not in reply.headers.get("link", "")
            etag = before if reply.status == 304 else reply.headers.get("etag") if whole else None
            fetches = reply.status != 304 and (must_fetch or not whole or not self._is_here(reply.data))
        if fetches:
            self.must_fetch = False
            try:
                self._branch.fetch()
            except (WharfError, OSError):
                self.must_fetch = must_fetch
                raise
            self.absent = self._branch.tip() is None
        self._etag = etag

    def moved(self) -> None:
        """Note that this server made a commit, and brought all branches before."""
        self._moved = True

    def _is_here(self, listed: Json) -> bool:
        """Whether these are the branches that are here, each at the same commit."""
        found: dict[str, str | None] = {}
        for each in listed if isinstance(listed, list) else ():
            if not isinstance(each, dict) or not isinstance(at := each.get("object"), dict):
                return False
            found[str(each.get("ref"))] = str(at.get("sha"))
        branch = self._branch
        if f"{BRANCHES}{branch.index}" not in found or not branch.has_every_index:
            return False
        names = [f"{BRANCHES}{name}" for name in ref_names.below(branch.git_dir, BRANCHES)]
        return found == {name: branch.commit_at(name) for name in names}

    def forget(self) -> None:
        """Ask next time as if nothing was known of the branch."""
        self._etag = None

    def distrust(self) -> bool:
        """Have the copy on this machine fetched again, as it is damaged. False: that was done a moment ago."""
        if self._repaired and self._clock() < self._repaired + self._repair_pause:
            return False
        self._repair_pause = min(self._repair_pause * 2, _REPAIR_AT_LEAST) if self._repaired else REPAIR_EVERY
        self._repaired = self._clock()
        self._branch.distrust()
        self.must_fetch = True
        return True


def _without_retries(github: GitHub) -> GitHub:
    """The same repository and token, without a second try of what fails."""
    from wharf.github.api import GitHub
    from wharf.github.request_turns import Waiting

    def give_up(_seconds: float) -> None:
        raise StorageError(f"{github.address.host} does not answer.", "Check the network, and whether GitHub is up.")

    return GitHub(github.address, github.source, waiting=Waiting(0.0, sleep=give_up))
