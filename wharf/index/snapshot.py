"""Snapshots: an index at one commit, the only thing that readers see."""

from __future__ import annotations

import functools
import itertools
import logging
import re
from typing import TYPE_CHECKING

from packaging.version import Version

from wharf.distribution.file_names import Name
from wharf.errors import DamagedError, InvalidDistributionError, LostRecordError, RecordError, StorageError
from wharf.index import record, wharf_toml
from wharf.index.git_objects import Tree, parse_tree
from wharf.index.known_records import KnownRecords
from wharf.index.small_pack import object_id
from wharf.index.tree_ids import TreeIds
from wharf.model import Project, Release, Status, is_name, version_key, version_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from wharf.index.git_objects import GitObject, GitObjects

log = logging.getLogger("wharf")

_AT_ONCE = 200  # releases whose core metadata is in memory at the same time


class Snapshot:
    """An index at one commit, also the Records that changes are applied to. Reads what it is asked for, when it is asked.

    `settings` is what the index says about itself, `index_file` the same as it stands there.

    - All that is read comes from one `commit`. None stands for an index that has no commit yet: it is empty.
    - Absent is only what the folder above does not name. An object that is named and cannot be read is damage: a StorageError,
      or in the place of one record a RecordError.
    - A project has the same tree id in two snapshots when, and only when, nothing in its folder differs.
    - A project whose state cannot be read counts as quarantined.
    """

    def __init__(self, objects: GitObjects, commit: str | None, previous: Snapshot | None = None) -> None:
        self.commit = commit
        self.index_file = wharf_toml.NEW
        self.settings = wharf_toml.IndexSettings()
        self._objects = objects
        self._shards: dict[str, str] = {}
        self._projects: dict[str, dict[str, str]] = {}
        self._known: KnownRecords = KnownRecords() if previous is None else previous._known
        self._names: tuple[str, ...] | None = None
        self._last: tuple[str, Tree | None] | None = None
        if commit is not None:
            root = objects.trees([f"{commit}^{{tree}}"])[0]
            if wharf_toml.PATH not in root.files:
                raise StorageError(
                    f"The branch at {commit[:12]} has no {wharf_toml.PATH}: it is not a wharf index.",
                    "Name another index with --index.",
                )
            blob = root.files[wharf_toml.PATH]
            known = wharf_toml.KNOWN.get(blob)
            if known is None and previous is not None and object_id("blob", previous.index_file) == blob:
                known = previous.index_file
            self.index_file = objects.must([blob])[0].data if known is None else known
            self.settings = wharf_toml.parse(self.index_file)
            if "projects" in root.folders:
                self._shards = objects.trees([root.folders["projects"]])[0].folders
        if previous is not None:  # what did not change comes from there; `previous` itself may go then
            ids, shards = previous._shards, self._shards
            self._projects = {each: names for each, names in [*previous._projects.items()] if shards.get(each) == ids[each]}

    def names(self) -> tuple[str, ...]:
        """The PEP 503 names of all projects, sorted."""
        if self._names is None:
            self._names = tuple(sorted(self.tree_ids()))
        return self._names

    def overview(self) -> dict[str, tuple[str, ...]]:
        """All projects that have files, sorted, with their versions, oldest first. Reads folders only, no record."""
        found: dict[str, set[str]] = {}
        for path in self._objects.paths(f"{self.commit}:projects") if self.commit and self.names() else ():
            _, name, version, filename = [*path.split("/"), "", "", ""][:4]
            # Every file has its core metadata beside the record: a version without any has only removed files.
            if filename.endswith(".metadata") and is_name(name) and is_spelling(version):
                found.setdefault(name, set()).add(version)
        return {name: tuple(sorted(found[name], key=Version)) for name in sorted(found)}

    def tree_ids(self) -> TreeIds:
        """The git id of each project's folder, by name: it changes when, and only when, the project does."""
        self._load(self._shards)
        return TreeIds(self._projects)

    def tree_id(self, name: str) -> str | None:
        """The git id of the folder of one project; None: no such project. Reads at most one folder of folders."""
        shard = name[:2]
        if shard in self._shards:
            self._load([shard])
        return self._projects.get(shard, {}).get(name)

    def weight(self) -> int:
        """The bytes that it has in memory, by a cautious estimate that counts what it shares with other snapshots."""
        last = None if self._last is None else self._last[1]
        versions = 0 if last is None else len(last.folders) + len(last.files)
        return 4000 + 350 * (versions + len(self._shards) + sum(map(len, self._projects.values())))

    def project(self, name: str) -> Project | None:
        """One project; records that do not parse are logged by name and left out."""
        found, broken = next(iter(self.projects([name])), (None, ()))
        for each in broken:
            log.warning("left out: %s", each.message)
        return found

    def projects(self, names: Iterable[str]) -> Iterator[tuple[Project, list[RecordError]]]:
        """The projects of these names, without names that have none; each with the records that cannot be read.

        A project whose state cannot be read counts as quarantined, and its RecordError is among them. All are read at once.
        """
        folders = self._folders(names)
        records = self._records(folders)
        states = self._objects.read(blob for _, folder in folders if (blob := folder.files.get("project.json")) is not None)
        state = iter(states)
        for (name, folder), found in zip(folders, records, strict=True):
            releases = [each for each in found if isinstance(each, Release)]
            broken = [each for each in found if isinstance(each, RecordError)]
            status = Status()
            if "project.json" in folder.files:
                try:
                    status = _status(name, next(state))
                except RecordError as error:
                    # Nobody knows what the state forbids, so nothing is offered.
                    broken.append(error)
                    status = Status(marker="quarantined", reason="its project.json cannot be read")
            yield Project(name=name, releases=tuple(sorted(releases, key=_by_version)), status=status), broken

    def records(self, name: str) -> list[Release | RecordError] | None:
        """All records of one project, a RecordError in the place of each that cannot be read; None: no such project."""
        folder = self._folder(name)
        return None if folder is None else self._records([(name, folder)])[0]

    def records_of_file(self, name: str, filename: str) -> list[Release | RecordError]:
        """The records, as in `records`, of the version that a file's name says; none if it is no name of a distribution."""
        folder = self._folder(name)
        try:
            version = Name.parse(filename).version
        except InvalidDistributionError:
            return []
        same = {} if folder is None else {each: tree for each, tree in folder.folders.items() if version_key(each) == version}
        return self._records([(name, Tree(folders={each: tree for each, tree in same.items() if is_spelling(each)}))])[0]

    def _records(self, folders: Sequence[tuple[str, Tree]]) -> list[list[Release | RecordError]]:
        """All records of some projects, read at once, without those that are known from a commit before."""
        known = [self._known.of(name, folder) for name, folder in folders]
        asked = [
            [(version, tree) for version, tree in folder.folders.items() if version not in same]
            for (_, folder), same in zip(folders, known, strict=True)
        ]
        trees = iter(self._objects.read([tree for versions in asked for _, tree in versions]))
        found = [[(version, next(trees)) for version, _ in versions] for versions in asked]
        blobs = [
            [None if tree is None else parse_tree(tree).files.get("release.json") for _, tree in versions] for versions in found
        ]
        data = iter(self._objects.read([blob for each in blobs for blob in each if blob is not None]))
        results = []
        for (name, folder), same, versions, some in zip(folders, known, found, blobs, strict=True):
            # A folder without a record does not belong to a release; a folder that cannot be read may.
            fresh = {
                version: _parsed(name, version, None if blob is None else next(data))
                for (version, tree), blob in zip(versions, some, strict=True)
                if tree is None or blob is not None
            }
            self._known.put(name, folder, fresh)
            results.append(_of_one_spelling(name, [each for v in folder.folders if (each := same.get(v) or fresh.get(v))]))
        return results

    def versions(self, project: str) -> list[str]:
        """The spellings of all versions that have a folder."""
        return [*self.version_ids(project)]

    def version_ids(self, project: str) -> dict[str, str]:
        """The git id of the folder of each version, as it is spelled: it changes when, and only when, the version does."""
        folder = self._folder(project)
        return {} if folder is None else {each: id_ for each, id_ in folder.folders.items() if is_spelling(each)}

    def file_ids(self, project: str, version: str) -> dict[str, str]:
        """The git ids of the record and of each core metadata of a version, by their names; nothing if it is not there."""
        id_ = self.version_ids(project).get(version)
        return {} if id_ is None else self._objects.trees([id_])[0].files

    def version_ids_of(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """The ids of `version_ids` for those projects of the names that there are, read at once."""
        found = self._folders(names)
        return {name: {each: id_ for each, id_ in tree.folders.items() if is_spelling(each)} for name, tree in found}

    def prefetch(self, releases: Iterable[tuple[str, str]]) -> None:
        """Read the records of releases (project, version) and their projects' states at once, where a clone lacks them."""
        wanted: list[str] = []
        for project, versions in itertools.groupby(sorted(releases), key=lambda each: each[0]):
            folder = self._folder(project)
            if folder is not None:
                asked = {version_key(version) for _, version in versions}
                same = [name for name in folder.folders if version_key(name) in asked]
                found = [tree.files.get("release.json") for tree in self._objects.trees(folder.folders[name] for name in same)]
                wanted += [blob for blob in (*found, folder.files.get("project.json")) if blob]
        self._objects.read(wanted)

    def release(self, project: str, version: str) -> Release | None:
        """The record at exactly that spelling, or None. Raises RecordError."""
        data = self._file(project, version, "release.json")
        return None if data is None else record.parse(data, project=project, version=version)

    def releases(self, project: str, versions: Collection[str]) -> list[Release]:
        """The records at exactly these spellings, as far as there are any, read at once. Raises RecordError."""
        folder = self._folder(project)
        known = [each for each in versions if folder is not None and each in folder.folders]
        trees = self._objects.trees(folder.folders[each] for each in known) if folder is not None else []
        blobs = {each: blob for each, tree in zip(known, trees, strict=True) if (blob := tree.files.get("release.json"))}
        found = zip(blobs, self._objects.must(blobs.values()), strict=True)
        return [record.parse(each.data, project=project, version=version) for version, each in found]

    def status(self, project: str) -> Status:
        """The project's status. Raises RecordError."""
        state = self.state(project)
        return Status() if state is None else record.parse_status(state, project=project)

    def state(self, project: str) -> bytes | None:
        """The bytes of the project's `project.json`, or None."""
        folder = self._folder(project)
        blob = None if folder is None else folder.files.get("project.json")
        return None if blob is None else self._objects.must([blob])[0].data

    def metadata(self, name: str, version: str, filename: str) -> bytes | None:
        """The core metadata kept for one file, byte for byte, or None."""
        return self._file(name, version, f"{filename}.metadata")

    def metadata_of(self, releases: Sequence[Release]) -> Iterator[dict[str, bytes]]:
        """The core metadata kept for the files of releases of this snapshot, by file name, without what is not there.

        That of 200 releases is read at once.
        """
        for at in range(0, len(releases), _AT_ONCE):
            some = releases[at : at + _AT_ONCE]
            folders = dict(self._folders({each.project for each in some}))
            trees = self._objects.trees(folders[each.project].folders[each.version] for each in some)
            kept = [
                {file.filename: blob for file in each.files if (blob := tree.files.get(f"{file.filename}.metadata"))}
                for each, tree in zip(some, trees, strict=True)
            ]
            found = iter(self._objects.must(blob for each in kept for blob in each.values()))
            yield from ({filename: next(found).data for filename in each} for each in kept)

    def _load(self, shards: Iterable[str]) -> None:
        """Read the folders' ids of those shards, as far as they are not known."""
        fresh = [shard for shard in shards if shard not in self._projects]
        for shard, tree in zip(fresh, self._objects.trees(self._shards[shard] for shard in fresh), strict=True):
            whole = all(map(_was_name, tree.folders)) and {name[:2] for name in tree.folders} <= {shard}
            self._projects[shard] = tree.folders if whole else _named(tree, shard)

    def _folder(self, name: str) -> Tree | None:
        """The folder of a project, or None. The last one is kept, as one of many versions takes long to read."""
        last = self._last
        if last is None or last[0] != name:
            found = self._folders([name])
            self._last = last = (name, found[0][1] if found else None)
        return last[1]

    def _folders(self, names: Iterable[str]) -> list[tuple[str, Tree]]:
        """The folders of those projects of the names that there are."""
        known = [name for name in names if is_name(name) and name[:2] in self._shards]
        self._load({name[:2] for name in known})
        ids = [(name, tree) for name in known if (tree := self._projects[name[:2]].get(name)) is not None]
        return list(zip((name for name, _ in ids), self._objects.trees(tree for _, tree in ids), strict=True))

    def _file(self, name: str, version: str, filename: str) -> bytes | None:
        """The bytes of one file in a version's folder, or None."""
        folder = self._folder(name)
        if folder is None or version not in folder.folders:
            return None
        blob = self._objects.trees([folder.folders[version]])[0].files.get(filename)
        return None if blob is None else self._objects.must([blob])[0].data


_was_name = functools.lru_cache(maxsize=1 << 16)(is_name)  # of a shard of a thousand names, a commit brings one


def _named(tree: Tree, shard: str) -> dict[str, str]:
    """The folders of a shard whose names are those of projects, and belong there."""
    return {name: id_ for name, id_ in tree.folders.items() if is_name(name) and name[:2] == shard}


def project_names(objects: GitObjects, commit: str) -> tuple[str, ...]:
    """The PEP 503 names of all projects at a commit, whatever its settings say. Raises StorageError for damage."""
    root = objects.trees([f"{commit}^{{tree}}"])[0]
    if "projects" not in root.folders:
        return ()
    shards = objects.trees([root.folders["projects"]])[0].folders
    found = zip(shards, objects.trees(shards.values()), strict=True)
    return tuple(sorted(name for shard, tree in found for name in tree.folders if is_name(name) and name[:2] == shard))


@functools.lru_cache(maxsize=1 << 14)
def is_spelling(version: str) -> bool:
    """Whether a folder's name can be a version: what `packaging` forgives, such as blanks around it, has no place in a path."""
    return bool(re.fullmatch(r"[A-Za-z0-9.!+_-]{1,200}", version)) and version_of(version) is not None


def _parsed(name: str, version: str, blob: GitObject | None) -> Release | RecordError:
    where = _path(name, version)
    if blob is None:
        return LostRecordError(where)
    if not is_spelling(version):
        return RecordError(where, "its folder is not named as a version")
    try:
        return record.parse(blob.data, project=name, version=version)
    except RecordError as error:
        return error


def _path(name: str, version: str) -> str:
    return f"{record.folder(name)}/{ascii(version)[1:-1]}/release.json"


def _of_one_spelling(name: str, found: Sequence[Release | RecordError]) -> list[Release | RecordError]:
    """The same, with an error in the place of what has the version of a record before it, in another spelling."""
    seen: set[Version | str] = set()
    shown: list[Release | RecordError] = []
    for each in found:
        key = version_key(each.version) if isinstance(each, Release) else ""
        if key in seen and isinstance(each, Release):
            shown.append(RecordError(_path(name, each.version), "another folder has the same version in another spelling"))
            continue
        seen.add(key)
        shown.append(each)
    return shown


def _status(name: str, blob: GitObject | None) -> Status:
    if blob is None:
        raise DamagedError(f"The git object with the state of {name} is missing or damaged.", "`wharf verify` tells more.")
    return record.parse_status(blob.data, project=name)


def _by_version(release: Release) -> tuple[Version, str]:
    return version_of(release.version) or Version(release.version), release.version
