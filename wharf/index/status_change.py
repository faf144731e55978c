"""SetStatus: the change to the status of a project, which stands in its `project.json`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.errors import NotFoundError, did_you_mean
from wharf.index import record
from wharf.index.change import Outcome, Records
from wharf.index.yank_and_remove import check_reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wharf.model import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStatus:
    """Give a project (PEP 503 form) a status with a reason, which may be None (PEP 792)."""

    project: str
    status: Status

    def __post_init__(self) -> None:
        check_reason(self.status.reason or "")

    @property
    def touched(self) -> Iterable[tuple[str, str]]:
        """No release."""
        return ()

    def apply(self, records: Records) -> Outcome:
        """No edits where the project has that status already. A state that cannot be read gives way to the new one."""
        if self.project not in records.names():
            near = did_you_mean(self.project, records.names())
            raise NotFoundError(f"There is no project {self.project!r} in this index.", f"{near}`wharf list` shows all.")
        before = records.state(self.project)
        after = record.with_status(before, self.status)
        return Outcome() if after == before else Outcome(edits={record.state_path(self.project): after})
