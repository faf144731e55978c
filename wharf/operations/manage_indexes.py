"""Indexes made, listed, removed and brought back. What is removed stays stored, and its name stays taken."""

from __future__ import annotations

import json
import random
import shlex
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wharf.errors import ConflictError, NotFoundError, RefusedError, StorageError, UsageError, did_you_mean
from wharf.index.index_name import NOT_TO_BE_MADE, is_index_name
from wharf.index.wharf_toml import KEYS_OF_RIGHTS, UNREAD
from wharf.index.wharf_toml_change import SetSettings, Setting
from wharf.operations.bases_check import BasesCheck
from wharf.operations.upload_rights import rights_of
from wharf.repository.opening import no_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wharf.index.index_states import IndexState
    from wharf.repository.opening import Repository

_TRIES: Final = 8
"""How often a decision is made again because somebody wrote to the repository meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The indexes of a repository, and the commits of the removed ones, both by name."""

    there: Mapping[str, IndexState]
    removed: Mapping[str, str]


def listing(repository: Repository) -> Listing:
    """All indexes as they are now. Raises StorageError."""
    branch = repository.branch
    there = branch.states()  # which brings the removed ones, too
    kept = filter(is_index_name, branch.local_names().removed)
    removed = {name: commit for name in kept if (commit := branch.sibling(name, removed=True).tip()) is not None}
    return Listing(there=there, removed=removed)


def above_of(index: str, states: Mapping[str, IndexState]) -> list[str]:
    """The indexes that have this one as a base, sorted."""
    return sorted(name for name, each in states.items() if each.settings is not None and index in each.settings.bases)


def create(repository: Repository, bases: tuple[str, ...], actor: str | None = None) -> str:
    """Make an index with these bases; its commit.

    Raises UsageError for a name that no index can have, and for a base that is not there; ConflictError for a name that is
    taken, also by a removed index; NotAllowedError and StorageError.
    """
    branch = repository.branch
    name = branch.index
    check_name(name)
    setting = (Setting(("bases",), list(bases)),) if bases else ()
    for _ in tries():
        check_free(repository, name, bases)
        outcome = SetSettings(setting, BasesCheck(branch)).apply(branch.snapshot())
        commit = branch.begin(actor, outcome)
        if commit is not None:
            if bases:
                BasesCheck(branch).check_landed()
            return commit
    raise busy(repository)


def remove(repository: Repository) -> str:
    """Take the index away; its last commit, which is kept.

    Raises NoIndexError, and RefusedError while another index has it as a base, or cannot be read and may have it;
    NotAllowedError if the token may not change its rights. Without settings that can be read, it counts as one with [upload].
    """
    branch = repository.branch
    for _ in tries():
        states = branch.states()
        state = states.pop(branch.index, None)
        if state is None:
            raise no_index(repository)
        if state.commit is None:
            raise StorageError(f"The index {branch.index!r} cannot be removed: {state.problem}.", "`wharf doctor` says more.")
        _check_no_base(branch.index, states)
        # With the index, its rules would go.
        rights_of(repository).of_settings(UNREAD if state.settings is None else state.settings, KEYS_OF_RIGHTS)
        if branch.remove(state.commit, {name: each.commit for name, each in states.items() if each.commit is not None}):
            if repository.github is not None:
                _check_no_new_base(repository, state.commit)
            return state.commit
        _check_kept(repository, state.commit)
    raise busy(repository)


def restore(repository: Repository) -> str:
    """Bring a removed index back as it was; its commit.

    Raises NotFoundError if none was removed, ConflictError if there is one of that name, and as `create` for its bases.
    """
    branch = repository.branch
    check = BasesCheck(branch)
    for _ in tries():
        found = listing(repository)
        commit = found.removed.get(branch.index)
        if commit is None and branch.index in found.there:
            raise ConflictError(
                f"The index {branch.index!r} is there already, so there is nothing to restore.", "`wharf index list` shows all."
            )
        if commit is None:
            near = did_you_mean(branch.index, found.removed)
            raise NotFoundError(f"No index {branch.index!r} was removed.", f"{near}`wharf index list` shows all.")
        if branch.index in found.there:
            raise _taken_twice(branch.index, repository)
        beside = check(branch.sibling(branch.index, removed=True).snapshot().settings.bases)
        if branch.restore(commit, beside):
            if beside:
                check.check_landed()
            return commit
    raise busy(repository)


def check_name(name: str) -> None:
    """Raise UsageError for a name that no new index can have."""
    if name in NOT_TO_BE_MADE:
        raise UsageError(f"No index can be called {name!r}: addresses use that word.", "Choose another name.")


def check_free(repository: Repository, name: str, bases: tuple[str, ...]) -> None:
    """Raise ConflictError for a name that is taken, also by a removed index. `bases` are those that were asked for."""
    setting = shlex.quote(f"bases={json.dumps(bases)}")
    more = f" `wharf index settings {name} --set {setting}` gives it these bases." if bases else ""
    there, removed = repository.branch.all_names()
    if name in there:
        raise ConflictError(
            f"There is an index {name!r} in {repository.address}.", f"`wharf index show {name}` says what it is.{more}"
        )
    if name in removed:
        raise ConflictError(
            f"There was an index {name!r} in {repository.address}, and nothing else gets its name.",
            f"`wharf index restore {name}` brings it back as it was.",
        )


def _check_no_base(index: str, others: Mapping[str, IndexState]) -> None:
    above = above_of(index, others)
    if above:
        line = f"`wharf index settings {above[0]}` shows its bases"
        raise RefusedError(f"{index!r} is a base of {', '.join(map(repr, above))}.", f"Take it out there first: {line}.")
    unread = sorted(name for name, each in others.items() if each.settings is None)
    if unread:
        raise RefusedError(
            f"The index {unread[0]!r} cannot be read, so nobody knows whether {index!r} is a base of it: "
            f"{others[unread[0]].problem}",
            "Fix that one first.",
        )


def _check_no_new_base(repository: Repository, commit: str) -> None:
    """Bring the index back if another one got it as a base while it was removed.

    Raises RefusedError then. On GitHub, no push compares indexes that are not there yet.
    """
    branch = repository.branch
    states = branch.states()
    above = above_of(branch.index, states)
    if above and branch.restore(commit, {}):
        _check_no_base(branch.index, {name: states[name] for name in above})


def _check_kept(repository: Repository, commit: str) -> None:
    """Raise ConflictError if another removed index has the place where this one would be kept."""
    branch = repository.branch
    there, removed = branch.all_names()
    if branch.index in there and branch.index in removed and branch.sibling(branch.index, removed=True).tip() != commit:
        raise _taken_twice(branch.index, repository)


def _taken_twice(index: str, repository: Repository) -> ConflictError:
    return ConflictError(
        f"{repository.address} has both an index {index!r} and a removed one of that name: somebody made it again with git.",
        f"With git, give the ref refs/wharf/removed/{index} another name below refs/wharf/removed/.",
    )


def tries() -> Iterator[int]:
    """A count for each try of what others may write to at the same moments, with a pause before each but the first."""
    for count in range(_TRIES):
        if count:
            time.sleep(random.uniform(0, 0.05 * 2**count))  # noqa: S311 - spreads writers, guards nothing
        yield count


def busy(repository: Repository) -> StorageError:
    """The error after the last try."""
    return StorageError(
        f"Others kept writing to {repository.address} at the same moments.", "Nothing is lost: run the same command again."
    )
