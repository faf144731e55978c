"""A change that is carried out only by somebody who may: rights are those of the tip that it meets, never those it makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from wharf.errors import RefusedError
from wharf.index import record, wharf_toml

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from wharf.index.change import Change, Outcome, Records
    from wharf.index.wharf_toml import IndexSettings


class Check(Protocol):
    """What one person or program may do to an index. It may ask GitHub, so it may wait."""

    def __call__(self, settings: IndexSettings, projects: Collection[str]) -> None:
        """Whether files of all these projects (PEP 503 names) may be written. Raises NotAllowedError, or what asking raises."""
        ...

    def of_settings(self, settings: IndexSettings, keys: Collection[str]) -> None:
        """Whether these keys of `wharf.toml`, all of them about rights, may be changed. Raises as for projects."""
        ...


@dataclass(frozen=True, slots=True)
class Guarded:
    """A change together with the check of whoever wants it.

    - `check` is given the settings of the tip, at each try: a right that is taken away between two tries is gone, and a change
      cannot grant itself one.
    - It is asked about each project that the outcome writes or names, also where the files are there already.
    - A change that breaks off is not asked about: its own error says what is wrong.
    """

    change: Change
    check: Check

    @property
    def touched(self) -> Iterable[tuple[str, str]]:
        """Those of the change."""
        return self.change.touched

    def apply(self, records: Records) -> Outcome:
        """The outcome of the change. Raises what that raises, and what the check raises."""
        outcome = self.change.apply(records)
        before = records.index_file
        settings = wharf_toml.parse(before)
        if wharf_toml.PATH in outcome.edits:
            keys = wharf_toml.changed_rights(before, outcome.edits[wharf_toml.PATH] or b"")
            if keys:
                self.check.of_settings(settings, keys)
        projects = projects_of(outcome)
        if projects:
            self.check(settings, projects)
        return outcome


def guarded(change: Change, check: Check | None) -> Change:
    """The change under a check; without one, as it is."""
    return change if check is None else Guarded(change, check)


def projects_of(outcome: Outcome) -> list[str]:
    """The projects that an outcome writes or names, sorted. Raises RefusedError for a path that belongs to none of them."""
    found = {named.project for named in (*outcome.changed, *outcome.unchanged, *outcome.skipped)}
    found |= {release.project for release in outcome.gone}
    for path in outcome.edits:
        if path != wharf_toml.PATH:
            name = path.split("/")[2] if path.count("/") > 2 else ""
            if not path.startswith(f"{record.folder(name)}/"):
                raise RefusedError(f"Nothing says who may write {path}: it belongs to no project.", "This is a fault in wharf.")
            found.add(name)
    return sorted(found)
