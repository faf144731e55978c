"""An index and its bases as one source of projects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.version import Version

from wharf.errors import LostRecordError, RecordError
from wharf.index.git_objects import joint_id
from wharf.index.snapshot import is_spelling
from wharf.model import Project, Release, Status, version_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from wharf.index.policy import Hidden
    from wharf.index.snapshot import Snapshot

_Read = tuple[Project, list[RecordError]]
"""A project as one index has it, with the records that cannot be read."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Layer:
    """One index: its name, its snapshot, and the git ids of its projects' folders by name (`Snapshot.tree_ids`)."""

    index: str
    snapshot: Snapshot
    trees: Mapping[str, str]


class Layers:
    """The projects of an index together with those of its bases.

    `layers` are the index and all of its bases, in their resolution order. An index without bases is one layer, and is shown as
    its snapshot is.

    - A version has the files of the nearest index that has files of it, and no others, in whatever spelling its number is.
    - A version whose record cannot be read hides that version of the bases: nobody knows which files it has.
    - Of the names that an index shadows, its bases show nothing through it. A base that is reached another way shows them.
    - The status of a project is that of the nearest index that says one.
    - Nothing about a project is computed or kept before somebody asks for it. The list of names is kept from then on.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = tuple(layers)
        self._by_index = {layer.index: layer for layer in layers}
        self._shadowed = any(each.shadow and each.bases for each in (layer.snapshot.settings for layer in layers))
        self._names: tuple[str, ...] | None = None
        self._list_validator: str | None = None
        for layer in layers:
            if not {*layer.snapshot.settings.bases} <= self._by_index.keys():
                raise ValueError(f"a base of {layer.index} is not among the layers")

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The index and its bases, in their order."""
        return self._layers

    @property
    def until(self) -> datetime | None:
        """The next moment at which what is shown changes by time alone; None: never, as of every index without a policy."""
        return None

    def may_hide(self, name: str) -> bool:
        """Whether a policy can hide files of a project (PEP 503 form), now or later."""
        del name
        return False

    def hidden_files(self, name: str) -> tuple[Hidden, ...]:
        """The files of a project (PEP 503 form) that a policy hides. May raise StorageError for damage."""
        del name
        return ()

    def names(self) -> tuple[str, ...]:
        """The PEP 503 names of all projects, sorted."""
        if self._names is None:
            filled = [layer for layer in self._layers if layer.trees]
            if len(filled) == 1 and not self._shadowed:
                self._names = filled[0].snapshot.names()  # which all indexes with this base share
            else:
                found = {name for layer in filled for name in layer.trees}
                self._names = tuple(sorted(name for name in found if not self._shadowed or self.has(name)))
        return self._names

    def overview(self) -> dict[str, tuple[str, ...]]:
        """All projects that have files, sorted, with their versions, oldest first. Reads folders only, no record."""
        versions = {layer.index: layer.snapshot.overview() for layer in self._layers}
        found: dict[str, tuple[str, ...]] = {}
        for name in self.names():
            shown: dict[Version | str, str] = {}
            for layer in self._visible(name):
                for version in versions[layer.index].get(name, ()):
                    shown.setdefault(version_key(version), version)
            if shown:
                found[name] = tuple(sorted(shown.values(), key=Version))
        return found

    def list_validator(self) -> str:
        """40 hex digits that change when a name comes or goes, and only then."""
        if self._list_validator is None:
            self._list_validator = joint_id(self.names())
        return self._list_validator

    def has(self, name: str) -> bool:
        """Whether there is a project of that name (PEP 503 form)."""
        return any(name in layer.trees for layer in self._visible(name))

    def validator(self, name: str) -> str | None:
        """The git id of the project's folder, of several folders one for all of them; None: no such project."""
        trees = [tree for layer in self._visible(name) if (tree := layer.trees.get(name)) is not None]
        return None if not trees else trees[0] if len(trees) == 1 else joint_id(trees)

    def projects(self, names: Iterable[str]) -> Iterator[tuple[Project, list[RecordError]]]:
        """The projects of these names, in their order, without names that have none; each with the records that cannot be read.

        All are read at once, those of each index. Raises StorageError for damage.
        """
        if len(self._layers) == 1:
            yield from self._layers[0].snapshot.projects(names)
            return
        asked = list(names)
        holders = {name: self._holders(name) for name in asked}
        found: dict[str, list[_Read]] = {}
        for layer in self._layers:
            held = [name for name, those in holders.items() if layer.index in those]
            for project, broken in layer.snapshot.projects(held):
                found.setdefault(project.name, []).append((project, [self._placed(each, layer) for each in broken]))
        for name in asked:
            if name in found:
                yield _merged(found[name])

    def core_metadata(self, name: str, filename: str) -> bytes | None:
        """The core metadata (PEP 658) of a file, byte for byte; None where the file is not shown, or has none announced."""
        found = self.holder(name, filename)
        file = None if found is None else found[1].file(filename)
        if found is None or file is None or file.core_metadata is None or self.status(name).marker == "quarantined":
            return None
        return found[0].snapshot.metadata(name, found[1].version, filename)

    def kept_metadata(self, name: str, filename: str) -> bytes | None:
        """The core metadata that is kept of a file, announced or not, to be shown: no resolver may rely on it."""
        found = self.holder(name, filename)
        return None if found is None else found[0].snapshot.metadata(name, found[1].version, filename)

    def holder(self, name: str, filename: str) -> tuple[Layer, Release] | None:
        """The layer that gives the version which a file's name says, and that release; None where no files of it are shown."""
        for layer in self._holders(name).values():
            found = layer.snapshot.records_of_file(name, filename)
            shown = [each for each in found if isinstance(each, Release) and each.files]
            if shown:
                return layer, shown[0]
            if any(isinstance(each, RecordError) for each in found):
                return None
        return None

    def status(self, name: str) -> Status:
        """The status of a project (PEP 503 form). One that cannot be read counts as quarantined."""
        return _status(name, self._holders(name).values())

    def _holders(self, name: str) -> dict[str, Layer]:
        """The layers that show a project of that name, the nearest first, by the names of their indexes."""
        return {layer.index: layer for layer in self._visible(name) if name in layer.trees}

    def _visible(self, name: str) -> Iterable[Layer]:
        """The layers that a name is looked for in, the nearest first."""
        if not self._shadowed:
            return self._layers
        seen = {self._layers[0].index}
        waiting = [self._layers[0]]
        while waiting:
            settings = waiting.pop().snapshot.settings
            fresh = [] if settings.shadows(name) else [base for base in settings.bases if base not in seen]
            seen.update(fresh)
            waiting += (self._by_index[base] for base in fresh)
        return [layer for layer in self._layers if layer.index in seen]

    def _placed(self, error: RecordError, layer: Layer) -> RecordError:
        """The error with a path that says on which branch, where it is that of a base."""
        if layer is self._layers[0]:
            return error
        path = f"wharf/{layer.index}:{error.path}"
        return LostRecordError(path) if isinstance(error, LostRecordError) else RecordError(path, error.reason)


def _merged(found: Sequence[_Read]) -> _Read:
    """One project of those that several indexes have, the nearest first."""
    if len(found) == 1:
        return found[0]
    shown: dict[Version | str, Release] = {}
    hidden: set[Version | str] = set()
    told: list[RecordError] = []
    for project, broken in found:
        taken = hidden | {key for key, release in shown.items() if release.files}
        for release in project.releases:
            key = version_key(release.version)
            if key not in taken and (release.files or key not in shown):
                shown[key] = release
        for error in broken:
            version = _version_of(error)
            if version is None or version not in taken:
                told.append(error)
            if version is not None:
                hidden.add(version)
    releases = sorted(shown.values(), key=lambda each: Version(each.version))
    status = next((project.status for project, _ in found if project.status != Status()), Status())
    return replace(found[0][0], releases=tuple(releases), status=status), told


def _version_of(error: RecordError) -> Version | str | None:
    """The version whose record cannot be read; None for the state of a project, and for a folder that is no version's."""
    *_, version, filename = error.path.split("/")
    return version_key(version) if filename == "release.json" and is_spelling(version) else None


def _status(name: str, holders: Iterable[Layer]) -> Status:
    """The status of a project; one that cannot be read counts as quarantined."""
    for layer in holders:
        try:
            status = layer.snapshot.status(name)
        except RecordError:
            return Status(marker="quarantined")
        if status != Status():
            return status
    return Status()
