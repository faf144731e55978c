"""The names in a check of an index: who else has or reserves them, and which requirements this repository cannot satisfy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from wharf.distribution.dependencies import dependencies
from wharf.errors import InvalidDistributionError, StorageError
from wharf.index import record, wharf_toml
from wharf.index.branch_paths import METADATA
from wharf.index.snapshot import is_spelling
from wharf.sources.resolution_order import resolution_order

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from wharf.index.all_indexes import FoundIndexes
    from wharf.index.check_findings import CheckFindings
    from wharf.index.wharf_toml import IndexSettings

MOST_REQUIREMENTS: Final = 200_000
"""Different requirements of an index that are compared. One of 10,000 releases has some 20,000."""
MOST_COMPARISONS: Final = 5_000_000
"""Parts of requirements that are compared with versions: what hostile metadata can cost."""


@dataclass(frozen=True, slots=True)
class Required:
    """A project (PEP 503 name) and the versions of it that a requirement takes, as a specifier (PEP 440)."""

    project: str
    specifier: str

    def __str__(self) -> str:
        """As a requirement, without extras and markers."""
        return f"{self.project}{self.specifier}"


@dataclass(slots=True)
class Wanted:
    """What is required under any marker and for any extra, each with the first path that requires it."""

    findings: CheckFindings
    by: dict[Required, str] = field(default_factory=dict)

    def add(self, path: str, data: bytes) -> None:
        """Take the requirements out of core metadata, but for those that name an address."""
        try:
            found, _ = dependencies(data, path.rpartition("/")[2].removesuffix(METADATA))
        except InvalidDistributionError as error:
            self.findings.warning(path, f"Its requirements are not compared. {error.message}")
            return
        for each in found:
            if not each.url and len(self.by) < MOST_REQUIREMENTS:
                self.by.setdefault(Required(each.project, str(each.specifier)), path)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedIndex:
    """The index that is checked: its name, its settings, and the versions of each project that have files."""

    name: str
    settings: IndexSettings
    versions: Mapping[str, Sequence[str]]


class NamesCheck:
    """An index among the other indexes of its repository, each as it is now, and those that were removed."""

    def __init__(self, checked: CheckedIndex, found: FoundIndexes, findings: CheckFindings) -> None:
        self._checked = checked
        self._others = {index: each for index, each in found.snapshots.items() if index != checked.name}
        self._removed = found.removed
        self._broken = found.broken
        self._findings = findings
        try:
            self._order = tuple(resolution_order(checked.name, self._bases_of))
        except StorageError as error:
            findings.error(wharf_toml.PATH, error.message)
            self._order = ()

    def check_owners(self, names: Collection[str], *, settings_too: bool) -> None:
        """Warn about those of the names that an index has or reserves with which this one shares nothing.

        `settings_too`: the index's own reserved names are new, and are compared with the others.
        """
        strangers = {f"The index {index!r}": each for index, each in self._others.items() if not self._inherits(index)}
        strangers |= {f"The removed index {index!r}": each for index, each in self._removed.items()}
        own = self._checked.settings if settings_too else None
        for index, snapshot in strangers.items():
            there = set(snapshot.names())
            for name in sorted(names):
                if name in there:
                    self._warn(name, f"{index} has a project of this name, too, and neither of the two shows the other.")
                elif snapshot.settings.reserves(name):
                    self._warn(name, f"{index} reserves this name, and neither of the two shows the other.")
            for name in sorted(filter(own.reserves, there)) if own is not None and own.reserved else ():
                what = f"{index} has the project {name}, which is reserved here, and neither of the two shows the other."
                self._findings.warning(wharf_toml.PATH, what)

    def check_requirements(self, wanted: Wanted) -> dict[str, str]:
        """Warn about what this index with its bases cannot satisfy. Returns the names that no index has, each with a path.

        Without an order of the bases, nothing can be said.
        """
        elsewhere: dict[str, str] = {}
        if not self._order:
            return elsewhere
        layers = [self._layer(index) for index in self._order]
        comparisons = 0
        for required, path in wanted.by.items():
            found = _versions(required.project, layers)
            comparisons += len(found or ()) * (required.specifier.count(",") + 1)
            if comparisons > MOST_COMPARISONS:
                self._findings.warning(path, "This requirement and those after it are not compared: there are too many.")
                break
            if found is not None and not _satisfied(required, found):
                what = "none of its versions here fits" if found else "it has no files here"
                self._findings.warning(path, f"It requires {required}: this repository does not have it, {what}.")
            elif found is None and (holders := self._holders(required.project)):
                names = " and ".join(map(repr, holders))
                what = (
                    f"only the index {names} has the project, which is no base of this one"
                    if len(holders) == 1
                    else f"only the indexes {names} have the project, which are no bases of this one"
                )
                self._findings.warning(path, f"It requires {required}: this index does not have it, {what}.")
            elif found is None:
                elsewhere.setdefault(required.project, path)
        return elsewhere

    def check_public(self, names: Collection[str], required: Mapping[str, str], known: Collection[str]) -> None:
        """Compare names of this index, and names that are required from elsewhere, with those that the public index has."""
        for name in sorted(set(names) & set(known)):
            self._warn(name, "The public index has a project of this name, too: whoever asks both may get either.")
        for name, path in required.items():
            if name not in known:
                self._findings.warning(path, f"It requires {name}, which neither this repository nor the public index has.")

    def _inherits(self, index: str) -> bool:
        """Whether one of the two indexes shows the other."""
        if index in self._order:
            return True
        try:
            return self._checked.name in resolution_order(index, self._bases_of)
        except StorageError:  # its own check says so
            return False

    def _bases_of(self, index: str) -> Sequence[str] | None:
        if index == self._checked.name:
            return self._checked.settings.bases
        if index in self._broken and index not in self._others:
            raise StorageError(f"The base {index!r} cannot be read, so nobody can tell what it shows.", "Check that index.")
        found = self._others.get(index)
        return None if found is None else found.settings.bases

    def _layer(self, index: str) -> tuple[IndexSettings, Mapping[str, Sequence[str]]]:
        if index == self._checked.name:
            return self._checked.settings, self._checked.versions
        return self._others[index].settings, self._others[index].overview()

    def _holders(self, name: str) -> list[str]:
        return sorted(index for index, snapshot in self._others.items() if snapshot.versions(name))

    def _warn(self, name: str, message: str) -> None:
        self._findings.warning(record.folder(name), message)


def _versions(name: str, layers: Sequence[tuple[IndexSettings, Mapping[str, Sequence[str]]]]) -> list[str] | None:
    """The versions of a project that the layers have, the nearest first; None if none of them has the project."""
    found: list[str] | None = None
    for settings, versions in layers:
        if name in versions:
            found = [*(found or ()), *filter(is_spelling, versions[name])]
        if settings.shadows(name):
            break
    return found


def _satisfied(required: Required, versions: Iterable[str]) -> bool:
    """Whether one of the versions fits. Pre-releases do, because installers take one where there is nothing else."""
    specifier = SpecifierSet(required.specifier)
    return any(specifier.contains(Version(version), prereleases=True) for version in versions)
