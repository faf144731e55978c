"""The newest versions of projects on both sides of a difference, with as few folders read as that takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from wharf.index.branch_paths import METADATA
from wharf.index.git_objects import parse_tree
from wharf.model import version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wharf.index.difference import ChangedProject
    from wharf.index.git_objects import GitObjects
    from wharf.model import Release


class NewestVersion(NamedTuple):
    """The newest version of a project with files: its record if it differs, and the git ids of its core metadata.

    Where the version and its core metadata are alike on both sides, `metadata` is empty on both.
    """

    version: str
    release: Release | None
    metadata: tuple[str, ...]


Pair: TypeAlias = "tuple[NewestVersion | None, NewestVersion | None]"
"""Before and after; None: the project has no files there."""


def newest_versions(
    objects: GitObjects, before: Mapping[str, Mapping[str, str]], changed: Mapping[str, ChangedProject]
) -> dict[str, Pair]:
    """The newest versions of all projects that changed, before and after.

    `before` has the git ids of the folders of all versions there were, by project and version.
    """
    searches = {name: _Search(before.get(name, {}), project) for name, project in changed.items()}
    while asked := [(search, version) for search in searches.values() for version in search.unknown()]:
        _look(objects, asked)
    _look(objects, [(search, version) for search in searches.values() for version in search.needed()])
    return {name: search.pair() for name, search in searches.items()}


def _look(objects: GitObjects, asked: Iterable[tuple[_Search, str]]) -> None:
    """Read the folders of versions as they were."""
    wanted = list(asked)
    for (search, version), tree in zip(
        wanted, objects.must(search.folders[version] for search, version in wanted), strict=True
    ):
        files = parse_tree(tree).files
        search.seen[version] = {name.removesuffix(METADATA): id_ for name, id_ in files.items() if name.endswith(METADATA)}


class _Search:
    """The search in one project. A folder is looked at only where no record that differs says whether there are files."""

    def __init__(self, folders: Mapping[str, str], project: ChangedProject) -> None:
        self.folders = folders
        self.seen: dict[str, dict[str, str]] = {}
        self._changed = project.versions
        known = [(version, each) for each in {**folders, **project.versions} if (version := version_of(each)) is not None]
        self._ordered = [each for _, each in sorted(known, reverse=True)]
        self._at = [0, 0]

    def unknown(self) -> set[str]:
        """The versions whose folders have to be looked at to go on, on either side."""
        asked = set()
        for later in (0, 1):
            while (version := self._version(later)) is not None and (there := self._has_files(version, later)) is not True:
                if there is None:
                    asked.add(version)
                    break
                self._at[later] += 1
        return asked

    def needed(self) -> set[str]:
        """The newest versions whose core metadata is to be compared, and was not looked at."""
        both = set() if self._alike() else {self._version(later) for later in (0, 1)}
        return {each for each in both if each is not None and each in self.folders and each not in self.seen}

    def pair(self) -> Pair:
        """What was found."""
        return self._newest(0), self._newest(1)

    def _version(self, later: int) -> str | None:
        return self._ordered[self._at[later]] if self._at[later] < len(self._ordered) else None

    def _has_files(self, version: str, later: int) -> bool | None:
        """None: only its folder tells. Every file has its core metadata beside the record; without, all files were removed."""
        changed = self._changed.get(version)
        if changed is not None and changed.differs and not changed.unread:
            release = changed.after if later else changed.before
            return release is not None and bool(release.files)
        if changed is not None and later and changed.metadata:
            return True
        if version not in self.folders:
            return False
        return bool(self.seen[version]) if version in self.seen else None

    def _alike(self) -> bool:
        """Whether the newest version is the same on both sides, with the same files and core metadata."""
        version = self._version(0)
        if version is None or version != self._version(1):
            return False
        changed = self._changed.get(version)
        return changed is None or (not changed.metadata and _names(changed.before) == _names(changed.after))

    def _newest(self, later: int) -> NewestVersion | None:
        version = self._version(later)
        if version is None:
            return None
        changed = self._changed.get(version)
        release = None if changed is None else changed.after if later else changed.before
        files = {} if self._alike() else dict(self.seen.get(version, {}))
        if later and changed is not None:
            files |= changed.metadata
        names = sorted(files if release is None else files.keys() & _names(release))
        return NewestVersion(version, release, tuple(files[name] for name in names))


def _names(release: Release | None) -> set[str]:
    return set() if release is None else {file.filename for file in release.files}
