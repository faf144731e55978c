"""Large indexes, made quickly: through the project's own changes and branch, without the bytes of the files."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import shutil
import time
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wheels import core_metadata

from wharf.assets.folder_store import FolderStore
from wharf.index import wharf_toml
from wharf.index.add_files import AddFiles, NewFile
from wharf.index.branch import Branch
from wharf.index.change import Outcome
from wharf.index.commit_message import CommitMessage
from wharf.model import File

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from wharf.index.change import Records
    from wharf.model import Json

_BATCH = 5000  # files a commit
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
_SEEDED = "seeded"
_WHY = CommitMessage(verb="publish", actor="bench")

PROJECTS_OF_EACH = 20
"""How many projects of its base an index has a version of."""


def store(folder: Path, projects: int, versions: int) -> Path:
    """A store with that many releases of one wheel each in a subfolder of `folder`; one from an earlier run is used again."""
    target = folder / f"{projects}x{versions}"
    if not (target / _SEEDED).exists():
        FolderStore(target).create()
        names = (project(number) for number in range(projects))
        _commit(target, (_file(name, f"1.{version}") for name in names for version in range(versions)))
        (target / _SEEDED).touch()
    return target


def indexes(folder: Path, projects: int, versions: int, count: int) -> tuple[Path, list[str]]:
    """Such a store, `main` in it the base of `count` - 1 more indexes, and their names.

    Each of these has a version of its own of PROJECTS_OF_EACH projects of `main`, in the place of the newest one there.
    """
    target = folder / f"{projects}x{versions}x{count}"
    names = _names(count)
    if not (target / _SEEDED).exists():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(store(folder, projects, versions), target)
        (target / _SEEDED).unlink()
        for at, name in enumerate(names):
            _add_index(target / "index.git", name, _own_files(at, projects, versions))
        (target / _SEEDED).touch()
    return target, names


def located_indexes(git_dir: Path, projects: int, versions: int, count: int) -> list[str]:
    """The same `count` - 1 indexes upon the `main` of a repository whose files lie at GitHub; their names."""
    names = _names(count)
    for at, name in enumerate(names):
        first = projects * versions + at * PROJECTS_OF_EACH + 1
        _add_index(
            git_dir, name, [_located(each, first + more) for more, each in enumerate(_own_files(at, projects, versions))]
        )
    return names


def _names(count: int) -> list[str]:
    return [f"team-{number:02}" for number in range(1, count)]


def _own_files(at: int, projects: int, versions: int) -> list[NewFile]:
    """What the index at that place has itself."""
    first = at * PROJECTS_OF_EACH
    return [_file(project(number % projects), f"1.{versions - 1}.0") for number in range(first, first + PROJECTS_OF_EACH)]


def _add_index(git_dir: Path, name: str, files: list[NewFile]) -> None:
    with Branch(git_dir, name) as branch:
        branch.commit(AddFiles(files=tuple(files)), _WHY)
        branch.commit(_WithLines('bases = ["main"]\n'), _WHY)


def project(number: int) -> str:
    """The name of one of the projects of a store."""
    return f"{_initials(number)}-project-{number:05}"


def add_release(target: Path, index: str, name: str, version: str) -> None:
    """One more release of one wheel, whose bytes are not there, as one commit."""
    with Branch(target / "index.git", index) as branch:
        branch.commit(AddFiles(files=(_file(name, version),)), _WHY)


def add_releases(target: Path, releases: Iterable[tuple[str, str]]) -> None:
    """Releases of one wheel each, whose bytes are not there."""
    _commit_to(target / "index.git", (_file(name, version) for name, version in releases))


def add_located_release(git_dir: Path, index: str, name: str, version: str) -> None:
    """One more release of one wheel, recorded as published to GitHub, as one commit."""
    with Branch(git_dir, index) as branch:
        branch.commit(AddFiles(files=(_located(_file(name, version), time.time_ns()),)), _WHY)


@dataclass(frozen=True, slots=True)
class _WithLines:
    """The change that gives a wharf.toml more lines."""

    lines: str

    @property
    def touched(self) -> Iterable[tuple[str, str]]:
        return ()

    def apply(self, records: Records) -> Outcome:
        return Outcome(edits={wharf_toml.PATH: records.index_file + self.lines.encode()})


def repository(git_dir: Path, projects: int, versions: int) -> list[File]:
    """As many releases in the index branch of a repository whose files lie at GitHub, their metadata beside them; the files."""
    names = (project(number) for number in range(projects))
    return add_located(git_dir, ((name, f"1.{version}") for name in names for version in range(versions)))


def add_located(git_dir: Path, releases: Iterable[tuple[str, str]]) -> list[File]:
    """Releases of one wheel each, recorded as published to GitHub; the files."""
    new = [_located(_file(name, version), number) for number, (name, version) in enumerate(releases, 1)]
    _commit_to(git_dir, iter(new))
    return [each.file for each in new]


def _located(new: NewFile, number: int) -> NewFile:
    location: dict[str, Json] = {
        "release": number,
        "tag": f"{new.project}-{new.version}",
        "asset": 2 * number,
        "name": new.file.filename,
        "metadata": 2 * number + 1,
    }
    return dataclasses.replace(new, file=dataclasses.replace(new.file, location=location))


def add_project(target: Path, name: str, files: int) -> None:
    """A project of that many releases of one wheel each, whose bytes are not there."""
    FolderStore(target).create()
    _commit(target, (_file(name, f"1.{version}") for version in range(files)))


def add_settings(target: Path, lines: str) -> None:
    """More lines for the index's wharf.toml."""
    with Branch(target / "index.git", "main") as branch:
        branch.commit(_WithLines(lines), _WHY)


def _commit(target: Path, files: Iterator[NewFile]) -> None:
    with Branch(target / "index.git", "main") as branch:
        branch.create(FolderStore(target).scratch())
    _commit_to(target / "index.git", files)


def _commit_to(git_dir: Path, files: Iterator[NewFile]) -> None:
    with Branch(git_dir, "main") as branch:
        while batch := tuple(itertools.islice(files, _BATCH)):
            branch.commit(AddFiles(files=batch), _WHY)


def _file(project: str, version: str) -> NewFile:
    filename = f"{project.replace('-', '_')}-{version}-py3-none-any.whl"
    metadata = core_metadata(project, version, 1000 + zlib.crc32(filename.encode()) % 3000)
    file = File(
        filename=filename,
        sha256=hashlib.sha256(filename.encode()).hexdigest(),
        size=20_000,
        upload_time=_MOMENT,
        requires_python=">=3.9",
        core_metadata=hashlib.sha256(metadata).hexdigest(),
    )
    return NewFile(project=project, version=version, file=file, metadata=metadata)


def _initials(number: int) -> str:
    """Two letters, so that the projects spread over folders as real names do."""
    return chr(97 + number % 26) + chr(97 + number // 26 % 26)
