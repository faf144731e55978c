"""What doctor says of all indexes of a repository: their bases, which of them are removed, and which cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wharf.errors import RefusedError, UsageError
from wharf.operations.bases_check import BasesCheck
from wharf.operations.doctor_findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wharf.index.branch import Branch

_MOST: Final = 50
"""Indexes that are named."""


def of_indexes(branch: Branch) -> Iterator[Finding]:
    """One finding for all that are well, and one for each that is not. Raises StorageError."""
    states = branch.states()
    well = []
    for name, state in sorted(states.items()):
        if state.settings is None:
            if name != branch.index:  # of that one it is said already
                yield Finding(
                    what="indexes",
                    state="problem",
                    detail=f"the index {name!r} cannot be read: {state.problem}",
                    hint="Undo with git what somebody pushed to its branch: docs/reference.md says how.",
                )
            continue
        bases = state.settings.bases
        try:
            BasesCheck(branch.sibling(name)).order(states, bases)
        except (UsageError, RefusedError) as error:
            yield Finding(what="indexes", state="problem", detail=error.message, hint=error.hint)
            continue
        well.append(f"{name} (with the base{'s' * (len(bases) > 1)} {', '.join(bases)})" if bases else name)
    if len(states) > 1 and well:
        more = f" and {len(well) - _MOST} more" if len(well) > _MOST else ""
        yield Finding(what="indexes", detail=f"{', '.join(well[:_MOST])}{more}")
    removed = branch.all_names().removed
    if removed:
        line = f"`wharf index restore {removed[0]}` brings it back." if len(removed) == 1 else "`wharf index list` shows them."
        yield Finding(what="indexes", detail=f"removed: {', '.join(removed[:_MOST])}", hint=line)
