"""What is said of files that a policy hides: to who asks for one, to the log, and to whoever ran a command that failed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from wharf.server.http.answer import Answer, text
from wharf.server.logs.operator_log import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.index.policy import Hidden
    from wharf.server.upstream.judged_projects import JudgedProject

log = logging.getLogger("wharf")

_MOST = 20  # projects that are remembered


class HiddenFiles:
    """Says that files are hidden. `clock` gives seconds that pass.

    `of_projects` has the first few projects of which a policy hides files, with a reason.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.of_projects: dict[str, str] = {}
        self._clock = clock
        self._minute, self._refused = clock(), set[str]()

    def refused(self, hidden: Hidden) -> Answer:
        """What is said at the address of a file that a policy hides, also of one of the repository's own."""
        until = "" if hidden.until is None else f" Until {hidden.until:%Y-%m-%d %H:%M} UTC."
        if self._is_told(hidden.filename):
            log.warning("%s is not sent: %s (%s).%s", hidden.filename, hidden.reason, hidden.rule, until)
        return text(403, f"This index hides {hidden.filename}: {hidden.reason} ({hidden.rule}).{until}")

    def note(self, project: JudgedProject) -> None:
        """Remember that something of a project is hidden."""
        name = project.seen.project.name
        if project.hidden and (name in self.of_projects or len(self.of_projects) < _MOST):
            first = next(iter(project.hidden.values()))
            more = f" and {len(project.hidden) - 1} more files" if len(project.hidden) > 1 else ""
            self.of_projects[name] = f"{first.filename}{more}: {first.reason} ({first.rule})"

    def _is_told(self, filename: str) -> bool:
        """Whether the log says that a file is refused: once a minute for each, and for so many in a minute."""
        now = self._clock()
        if now >= self._minute + 60:
            self._minute, self._refused = now, set()
        if filename in self._refused or len(self._refused) >= REFUSALS:
            return False
        self._refused.add(filename)
        if len(self._refused) == REFUSALS:
            log.warning("Further files that are not sent are not told before the minute is over.")
        return True
