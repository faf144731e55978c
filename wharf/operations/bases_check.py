"""Whether an index may have certain bases: all of them are there, and none leads back to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.errors import RefusedError, StorageError, UsageError, did_you_mean
from wharf.sources.resolution_order import resolution_order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wharf.index.branch import Branch
    from wharf.index.index_states import IndexState


@dataclass(frozen=True, slots=True)
class BasesCheck:
    """Asks all indexes of the repository as they are at this moment, so that a change can ask it again at each try."""

    branch: Branch

    def __call__(self, bases: tuple[str, ...]) -> dict[str, str]:
        """The commits, by name, of the indexes below these bases. Raises UsageError, and RefusedError for a broken one."""
        states = self.branch.states() if bases else {}
        for base in bases:
            if base not in states and base != self.branch.index:
                raise self._unknown(base, states)
        order = self.order(states, bases)[1:]
        return {name: commit for name in order if (commit := states[name].commit) is not None}

    def order(self, states: Mapping[str, IndexState], bases: tuple[str, ...]) -> list[str]:
        """The index and all below it, in their order. Raises as when it is called."""
        try:
            return resolution_order(self.branch.index, lambda name: self._bases_of(name, states, bases))
        except StorageError as error:
            raise UsageError(error.message, error.hint) from error

    def check_landed(self) -> None:
        """Look once more, after the index got its bases. Raises StorageError if somebody changed another index at that moment.

        In a folder, nobody can: all indexes are compared in the step that moves the branch. On GitHub, git compares the other
        ones before it sends the push.
        """
        states = self.branch.states()
        state = states.get(self.branch.index)
        if state is None or state.settings is None:
            return
        try:
            self.order(states, state.settings.bases)
        except (UsageError, RefusedError) as error:
            raise StorageError(
                f"The change was made, and at the same moment somebody changed another index: {error.message}", error.hint
            ) from error

    def _bases_of(self, name: str, states: Mapping[str, IndexState], bases: tuple[str, ...]) -> Sequence[str] | None:
        if name == self.branch.index:
            return bases
        state = states.get(name)
        if state is None and name in self.branch.all_names().removed:
            raise RefusedError(
                f"The index {name!r} is a base, and was removed.",
                f"`wharf index restore {name}` brings it back as it was; or take it out of the bases.",
            )
        if state is None:
            return None
        if state.settings is None:
            raise RefusedError(
                f"The index {name!r} cannot be read, so nobody knows its bases: {state.problem}",
                f"Fix it, or leave {name} out of the bases.",
            )
        return state.settings.bases

    def _unknown(self, base: str, states: Mapping[str, IndexState]) -> UsageError:
        removed = base in self.branch.all_names().removed
        verb, does = ("restore", "brings it back") if removed else ("create", "makes it")
        near = "" if removed else did_you_mean(base, states)
        return UsageError(
            f"There is no index {base!r}, so it cannot be a base of {self.branch.index!r}.",
            f"{near}`wharf index {verb} {base}` {does}.",
        )
