"""PruneReleases: the change that takes releases out of an index by the rules of `[[retention]]`, as they are on the tip."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from wharf.errors import RecordError
from wharf.index import retention, wharf_toml
from wharf.index.change import Named, Outcome, Records
from wharf.index.yank_and_remove import removal_of
from wharf.model import version_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from wharf.index.retention import Dropped, RetentionRule
    from wharf.model import Release


class OtherIndexes(Protocol):
    """The other indexes of the repository, each at one commit. `beside` has these commits by name, as in an Outcome."""

    @property
    def beside(self) -> Mapping[str, str]:
        """Those that are not removed."""
        ...

    def files(self, project: str) -> Collection[tuple[str, str]]:
        """Sha256 and name of each file of a project that any of them names. Raises RecordError where nobody can say."""
        ...


@dataclass(frozen=True, slots=True)
class Decision:
    """What the rules came to: the releases that are dropped, and the projects that stay as they are, with the reason.

    `rules` is how many there are. `seen` has all releases of the projects that a rule matches, by the names of these.
    """

    dropped: tuple[Dropped, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    rules: int = 0
    seen: Mapping[str, Sequence[Release]] = field(default_factory=dict)


class PruneReleases:
    """Take the releases out of the index that its own rules do not keep at `now`. Their names stay reserved.

    - `others` is asked at each try. What another index names stays.
    - A project of which a record cannot be read, here or in another index, stays as it is.
    - `decision` is that of the last try.
    """

    def __init__(self, now: datetime, others: Callable[[], OtherIndexes]) -> None:
        self._now = now
        self._others = others
        self.decision = Decision()

    @property
    def touched(self) -> Iterable[tuple[str, str]]:
        """Nobody knows before: every record of the tip is at hand."""
        return ()

    def apply(self, records: Records) -> Outcome:
        """The files that leave are `changed`. Raises StorageError where git is damaged, or another index cannot be read."""
        rules = wharf_toml.parse(records.index_file).retention
        others = self._others() if rules else None
        found: list[Dropped] = []
        skipped: list[tuple[str, str]] = []
        seen: dict[str, Sequence[Release]] = {}
        for name in records.names() if others is not None else ():
            try:
                if others is not None and retention.rule_for(rules, name) is not None:
                    seen[name] = _releases(records, name)
                    found += self._dropped(rules, name, seen[name], others)
            except RecordError as error:
                skipped.append((name, error.message))
        self.decision = Decision(tuple(found), tuple(skipped), len(rules), seen)
        edits: dict[str, bytes | None] = {}
        for each in found:
            edits |= removal_of(each.release, {file.filename for file in each.release.files})
        changed = tuple(
            Named(project=each.release.project, version=each.release.version, file=file)
            for each in found
            for file in each.release.files
        )
        return Outcome(edits=edits, changed=changed, beside=others.beside if others is not None and edits else {})

    def _dropped(
        self, rules: tuple[RetentionRule, ...], name: str, releases: Sequence[Release], others: OtherIndexes
    ) -> tuple[Dropped, ...]:
        def is_held(release: Release) -> bool:
            named = others.files(name)
            return any((file.sha256, file.filename) in named for file in release.files)

        return retention.dropped(rules, name, releases, self._now, is_held)


def _releases(records: Records, name: str) -> Sequence[Release]:
    """All releases of a project. Raises RecordError."""
    found = records.releases(name, records.versions(name))
    if len({version_key(each.version) for each in found}) < len(found):
        raise RecordError(name, "a version is there in two spellings")
    return found
