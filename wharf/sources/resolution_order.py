"""The order in which an index and its bases are looked at: what an index has counts before what its bases have. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wharf.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_MOST_TOLD = 8  # names of a circle that a message tells


def resolution_order(index: str, bases_of: Callable[[str], Sequence[str] | None]) -> list[str]:
    """The index and all of its bases, each one once: an index before its bases, and the bases of one index in their order.

    That is the order of a walk that goes to the bases of an index before it goes to the next index beside it, with the last of
    several visits counted. `bases_of` gives the bases of an index, None if there is no such index; it is asked once for each.
    Raises StorageError for a base that there is not, and for an index that is a base of itself.
    """
    found = _bases(index, bases_of, None, ())
    way = {index: found}  # the indexes on the way from the first one to where the walk is, with their bases
    left: list[Iterator[str]] = [reversed(found)]  # of each index on the way, the bases that the walk has not been to
    done: dict[str, None] = {}
    # The walk goes from the last base to the first, and an index is done after its bases. Turned round, that is the order.
    while left:
        base = next(left[-1], None)
        if base is None:
            left.pop()
            done[way.popitem()[0]] = None
        elif base in way:
            raise _circle(base, way)
        elif base not in done:
            above = next(reversed(way))
            way[base] = found = _bases(base, bases_of, above, way[above])
            left.append(reversed(found))
    return [*reversed(done)]


def _bases(
    index: str, bases_of: Callable[[str], Sequence[str] | None], above: str | None, beside: Sequence[str]
) -> Sequence[str]:
    """The bases of an index, which is one of those of `above`, beside the others."""
    found = bases_of(index)
    if found is not None:
        return found
    if above is None:
        raise StorageError(f"There is no index {index!r}.", "`wharf index list` shows all.")
    raise StorageError(
        f"The index {above!r} has the base {index!r}, and there is no such index.",
        f"Make it: `wharf index create {index}`; or take it out of the bases: `{_without(index, above, beside)}`.",
    )


def _circle(base: str, way: dict[str, Sequence[str]]) -> StorageError:
    """What to say of a base that is on the way to itself."""
    names = [*way]
    circle = [*names[names.index(base) :], base]
    told = circle if len(circle) <= _MOST_TOLD else [*circle[: _MOST_TOLD // 2], "…", *circle[-_MOST_TOLD // 2 :]]
    return StorageError(
        f"The index {base!r} is a base of itself: {' -> '.join(told)}.",
        f"Take one of them out of the bases of another: `{_without(base, names[-1], way[names[-1]])}`.",
    )


def _without(base: str, index: str, bases: Sequence[str]) -> str:
    """The command that takes a base out of an index."""
    return f"wharf index settings {index} --set 'bases={json.dumps([each for each in bases if each != base])}'"
