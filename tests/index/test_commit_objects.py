"""The objects of a commit are those that git itself would make, and are on the disk before anything leads to them."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wharf.errors import DamagedError, StorageError
from wharf.index import commit_objects, small_pack
from wharf.index.commit_message import CommitMessage
from wharf.index.git import Git
from wharf.index.git_objects import GitObject, GitObjects, parse_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

WHY = CommitMessage(verb="publish", actor="ada", email="ada@example.org")
TEXT = "publish demo 1.0\n\nWharf-Actor: ada\n"
NAMES = st.sampled_from(["a", "a.b", "a-b", "a0", "ab", "b", "é"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
EDITS = st.dictionaries(PATHS, st.one_of(st.none(), st.binary(max_size=40)), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def git_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("objects") / "index.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def objects(git_dir: Path) -> Iterator[GitObjects]:
    found = GitObjects(Git(git_dir))
    yield found
    found.close()


class Gits:
    """One `git fast-import` that makes the same commits."""

    def __init__(self, git_dir: Path) -> None:
        command = ["git", f"--git-dir={git_dir}", "fast-import", "--quiet", "--force"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.count = 0
        self.marks: dict[str | None, int] = {}

    def commit(self, tip: str | None, edits: dict[str, bytes | None]) -> str:
        self.count += 1
        lines = [f"commit refs/scratch/{self.count}\nmark :{self.count}\n".encode()]
        lines += [b"committer ada <ada@example.org> 1700000000 +0000\ndata %d\n%b" % (len(TEXT), TEXT.encode())]
        lines += [f"from :{self.marks[tip]}\n".encode()] if tip else []
        for path, data in edits.items():
            name = path.encode()
            lines.append(b"D %b\n" % name if data is None else b"M 100644 inline %b\ndata %d\n%b\n" % (name, len(data), data))
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"".join([*lines, f"\nget-mark :{self.count}\n".encode()]))
        self.process.stdin.flush()
        commit = self.process.stdout.readline().decode().strip()
        self.marks[commit] = self.count
        return commit


@pytest.fixture(scope="module")
def gits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gits]:
    folder = tmp_path_factory.mktemp("gits") / "git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(folder)], check=True)
    found = Gits(folder)
    yield found
    found.process.communicate()


def apart(edits: dict[str, bytes | None]) -> dict[str, bytes | None]:
    """Without a path that lies below another one: which of both holds would be a matter of their order."""
    return {path: data for path, data in edits.items() if not any(path.startswith(f"{each}/") for each in edits)}


def made(git_dir: Path, objects: GitObjects, tip: str | None, edits: Mapping[str, bytes | None]) -> str:
    found = commit_objects.make(objects, tip, edits, WHY, TEXT, 1700000000)
    small_pack.write(git_dir, found)
    objects.keep(found[-1].id, found[-2].id, found)
    return found[-1].id


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=st.lists(EDITS.map(apart), min_size=1, max_size=4))
def test_commits_are_those_of_git(
    git_dir: Path, objects: GitObjects, gits: Gits, rounds: list[dict[str, bytes | None]]
) -> None:
    """Files over folders, folders over files, what goes, what comes back: the id says all of it."""
    mine: str | None = None
    theirs: str | None = None
    for edits in rounds:
        mine, theirs = made(git_dir, objects, mine, edits), gits.commit(theirs, edits)
        assert mine == theirs
        kept = objects.trees([f"{mine}^{{tree}}"])[0]
        assert kept == parse_tree(objects.must([f"{mine}^{{tree}}"])[0]), "what is remembered of a folder"
        assert [*kept.folders] == sorted(kept.folders, key=lambda name: f"{name}/".encode()), "in the order of git"


def test_what_was_written_is_sound_and_as_readable_as_its_folder(git_dir: Path, objects: GitObjects) -> None:
    many = {f"projects/{n % 10}/p{n}/release.json": os.urandom(300) for n in range(400)}
    (git_dir / "objects" / "pack").chmod(0o750)
    tip = made(git_dir, objects, None, many)
    tip = made(git_dir, objects, tip, {"large": bytes(3 << 20)})
    assert len(objects.paths(tip)) == 401
    assert subprocess.run(["git", f"--git-dir={git_dir}", "fsck", "--strict", "--full"], capture_output=True).returncode == 0
    newest = max((git_dir / "objects/pack").glob("*.idx"), key=lambda path: path.stat().st_mtime_ns)
    assert newest.stat().st_mode & 0o777 == newest.with_suffix(".pack").stat().st_mode & 0o777 == 0o440
    (git_dir / "objects" / "pack").chmod(0o755)


def test_a_folder_that_is_cut_off_is_damage_and_no_smaller_folder(git_dir: Path, objects: GitObjects) -> None:
    tip = made(git_dir, objects, None, {"one": b"1", "two": b"2"})

    class CutOff(GitObjects):
        def must(self, names: Iterable[str]) -> list[GitObject]:
            return [GitObject(id=each.id, kind=each.kind, data=each.data[:-24]) for each in super().must(names)]

    damaged = CutOff(Git(git_dir))
    with pytest.raises(DamagedError):
        commit_objects.make(damaged, tip, {"one": b"3"}, WHY, TEXT, 1)
    damaged.close()


@pytest.mark.parametrize("path", ["", "/a", "a//b", "../a", "a/.", ".git/config", "a\0b"])
def test_what_is_no_path_is_never_written(objects: GitObjects, path: str) -> None:
    with pytest.raises(ValueError, match="no path"):
        commit_objects.make(objects, None, {path: b""}, WHY, TEXT, 1)


def test_a_repository_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written to"):
        small_pack.write(tmp_path / "gone.git", [small_pack.NewObject.of("blob", b"x")])


def test_all_is_on_the_disk_before_it_has_its_name_and_its_name_before_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    folder = tmp_path / "objects" / "pack"
    folder.mkdir(parents=True)
    sync = os.fsync

    def noted(handle: int) -> None:
        path = os.readlink(f"/proc/self/fd/{handle}") if os.path.exists("/proc/self/fd") else str(handle)
        done.append(f"{path.rpartition('/')[2].split('_')[1] if '_' in path.rpartition('/')[2] else 'folder'} {names()}")
        sync(handle)

    def names() -> int:
        return len([path for path in folder.iterdir() if path.name.startswith("pack-")])

    monkeypatch.setattr("wharf.index.small_pack.os.fsync", noted)
    small_pack.write(tmp_path, [small_pack.NewObject.of("blob", b"x")])
    if os.path.exists("/proc/self/fd"):
        assert sorted(done[:2]) == ["idx 0", "pack 0"]
        assert done[2] == "folder 2"
    assert len(done) == 3
