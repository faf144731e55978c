"""What is wrong with the index that the server shows: each problem is logged when it comes, and not again while it stays."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

log = logging.getLogger("wharf")

Where = str
"""`machine`: the branches on this machine cannot be read; `github`: GitHub cannot be asked; `index`: there is no index at the
root; `copy`: the copy of the indexes is damaged; `index NAME`: another index is not shown as it is."""
OF_OTHER = "index "


class IndexProblems:
    """The problems that there are, at most one of each kind.

    - A problem stays until it is ended. Nothing else takes it away.
    - The same problem is logged once.
    - With `hasty`, what comes before `asked` is set is not logged: whoever shows the first page tells it.
    - Only the event loop's thread changes it; any may ask whether there is a problem.
    """

    def __init__(self, *, hasty: bool, asked: asyncio.Event, blind: Callable[[], bool]) -> None:
        self._by_where: dict[Where, str] = {}
        self._hasty = hasty
        self._asked = asked
        self._blind = blind

    def __contains__(self, where: Where) -> bool:
        return where in self._by_where

    def others(self) -> list[str]:
        """The names of the other indexes that are not shown as they are."""
        return [where.removeprefix(OF_OTHER) for where in self._by_where if where.startswith(OF_OTHER)]

    @property
    def first(self) -> str | None:
        """The problem that came first; None if there is none."""
        return next(iter(self._by_where.values()), None)

    def begin(self, where: Where, error: BaseException, *, fault: bool = False) -> None:
        """Note a problem, and log it unless it is the same as before. `fault`: nobody raised it on purpose."""
        quiet = self._hasty and (where in self._by_where or not self._asked.is_set())
        if str(error) != self._by_where.get(where) and (fault or not quiet):
            what = "nothing is shown" if self._blind() else "the index stays as it was"
            log.error("%s: %s", what, error, exc_info=error if fault else None)
        self._by_where[where] = str(error)

    def begin_damage(self) -> None:
        """Note and log that the copy of the index is damaged."""
        self._by_where["copy"] = "The copy of the index is damaged. The server fetches it again."
        log.error(self._by_where["copy"])

    def end(self, *wheres: Where) -> bool:
        """The problems are over. Whether any of them was there and its end is worth a message."""
        ended = [self._by_where.pop(where, None) for where in wheres]
        return any(each is not None for each in ended) and not self._hasty
