"""Indexes in memory, for tests that need thousands: real snapshots over git objects that no repository holds."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from wharf.index import record
from wharf.index.git import Git
from wharf.index.git_objects import GitObject, GitObjects
from wharf.index.snapshot import Snapshot
from wharf.model import File, Release
from wharf.sources.layers import Layer, Layers
from wharf.sources.resolution_order import resolution_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

METADATA = b"Metadata-Version: 2.1\nName: demo\n"


class MemoryObjects(GitObjects):
    """Objects in a dictionary, and how often they were asked for."""

    def __init__(self) -> None:
        super().__init__(Git(Path("/nowhere")))
        self._objects: dict[str, GitObject] = {}
        self.asked = 0

    def _read(self, names: Iterable[str]) -> list[GitObject | None]:
        found = [self._objects.get(name) for name in names]
        self.asked += len(found)
        return found

    def put(self, files: Mapping[str, bytes]) -> str:
        """The id of a commit whose tree has these files."""
        commit = self._keep("commit", b"".join(b"%s %s\n" % (path.encode(), data) for path, data in sorted(files.items())))
        tree = self._tree({tuple(path.split("/")): data for path, data in files.items()})
        self._objects[f"{commit}^{{tree}}"] = self._objects[tree]
        return commit

    def lose(self, data: bytes) -> None:
        """Damage the repository: a file's object is gone."""
        del self._objects[hashlib.sha1(b"blob %d\0%b" % (len(data), data)).hexdigest()]

    def _tree(self, files: Mapping[tuple[str, ...], bytes]) -> str:
        entries = []
        for name in sorted({path[0] for path in files}):
            below = {path[1:]: data for path, data in files.items() if path[0] == name}
            mode, id_ = ("100644", self._keep("blob", below[()])) if () in below else ("40000", self._tree(below))
            entries.append(f"{mode} {name}\0".encode() + bytes.fromhex(id_))
        return self._keep("tree", b"".join(entries))

    def _keep(self, kind: str, data: bytes) -> str:
        id_ = hashlib.sha1(b"%s %d\0%b" % (kind.encode(), len(data), data)).hexdigest()
        self._objects[id_] = GitObject(id=id_, kind=kind, data=data)
        return id_


def settings_file(bases: Sequence[str] = (), shadow: Sequence[str] = ()) -> dict[str, bytes]:
    """A `wharf.toml` by its path."""
    text = f"format = 1\nbases = {json.dumps([*bases])}\nshadow = {json.dumps([*shadow])}\n"
    return {"wharf.toml": text.encode()}


def wheel(project: str, version: str, owner: str = "", *, yanked: str | None = None, announced: bool = True) -> File:
    """A wheel whose bytes are those of one index, `owner`."""
    data = METADATA + owner.encode()
    return File(
        filename=f"{project.replace('-', '_')}-{version}-py3-none-any.whl",
        sha256=hashlib.sha256(f"{project} {version} {owner}".encode()).hexdigest(),
        size=1,
        upload_time=datetime(2026, 1, 1, tzinfo=UTC),
        yanked=yanked,
        core_metadata=hashlib.sha256(data).hexdigest() if announced else None,
    )


def release_files(project: str, version: str, *files: File, owner: str = "", removed: Sequence[str] = ()) -> dict[str, bytes]:
    """A release by the paths of its record and its core metadata."""
    value = Release(project=project, version=version, files=files, removed=dict.fromkeys(removed, "f" * 64))
    found = {record.path(project, version): record.render(value)}
    for file in files:
        found[record.metadata_path(project, version, file.filename)] = METADATA + owner.encode()
    return found


def layers_of(objects: GitObjects, commits: Mapping[str, str], index: str) -> Layers:
    """An index and its bases, as a server puts them together; `commits` are the tips of all indexes."""
    snapshots = {name: Snapshot(objects, commit) for name, commit in commits.items()}
    order = resolution_order(index, lambda name: snapshots[name].settings.bases if name in snapshots else None)
    return Layers([Layer(name, snapshots[name], snapshots[name].tree_ids()) for name in order])
