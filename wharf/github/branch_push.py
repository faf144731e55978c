"""Refs of a repository on GitHub moved by one push, all of them or none, each from where it was read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.errors import NotAllowedError
from wharf.github.clone import REMOTE, said
from wharf.index.index_name import BRANCHES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.github.clone import Clone

_STALE = re.compile(r"fetch first|non-fast-forward|stale info|failed to update ref|cannot lock ref|reference already exists")
_REFUSED = re.compile(r"GH006|GH013|protected branch|pre-receive hook declined|hook declined|verified signature", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What came of a push: whether it landed, whether it did not because a ref had moved, and what git said."""

    done: bool
    stale: bool = False
    err: str = ""


def push(
    clone: Clone, moves: Mapping[str, tuple[str | None, str | None]], beside: Mapping[str, str], *, more: str = ""
) -> Pushed:
    """Move refs from one commit to another (None: there is none), if the indexes of `beside` are at their commits.

    Nothing is forced: a lease has git compare where the ref is, and without one it would make a branch again that was deleted
    meanwhile. `more` is what else to do about rules of a branch. Raises NotAllowedError, and what the API says of a failure.
    """
    wanted = {**moves, **{f"{BRANCHES}{name}": (commit, commit) for name, commit in beside.items()}}
    leases = [f"--force-with-lease={ref}:{old or ''}" for ref, (old, _) in wanted.items()]
    refs = [f"{new or ''}:{ref}" for ref, (_, new) in wanted.items()]
    status, _, err = clone.remote(fetching=False).attempt("push", "--quiet", "--atomic", *leases, REMOTE, *refs)
    if status == 0:
        return Pushed(done=True)
    if _REFUSED.search(err):
        ref = next(iter(moves))
        raise NotAllowedError(
            f"GitHub does not let git push to {ref} of {clone.github.address}: {said(err)}",
            f"Exempt {ref.removeprefix('refs/heads/')} from the branch's rules{more}.",
        )
    stale = _STALE.search(err) is not None
    if not stale:
        clone.explain("push", err)
    return Pushed(done=False, stale=stale, err=err)
