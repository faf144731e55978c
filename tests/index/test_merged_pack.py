"""Small packs are copied into one: no object is lost at any moment, and what is not for copying stays as it is."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from tests.index.test_branch import WHY, git
from tests.index.test_ref_transaction import branch, release
from tests.matrix import first
from wharf.errors import StorageError
from wharf.index import merged_pack, small_pack
from wharf.index.branch import Branch
from wharf.index.written_commit import WrittenCommit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["branch"]

COMMITS = 6


@pytest.fixture
def filled(branch: Branch) -> Branch:
    for number in range(1, COMMITS):
        branch.commit(release(number), WHY)
    return branch


def packs(tmp_path: Path) -> set[Path]:
    return {*(tmp_path / "index.git" / "objects" / "pack").glob("*.pack")}


def objects(tmp_path: Path) -> str:
    return git(tmp_path, "cat-file", "--batch-all-objects", "--batch-check")


def test_every_object_is_in_the_one_pack(filled: Branch, tmp_path: Path) -> None:
    before = objects(tmp_path)
    with Branch(tmp_path / "index.git", "main") as other:
        assert other.commit_at(other.ref)  # its git has looked at the packs that go
        assert merged_pack.merge(filled.git_dir)
        assert len(packs(tmp_path)) == 1
        assert len(other.snapshot().names()) == COMMITS
        other.commit(release(COMMITS), WHY)
    assert filled.snapshot().project("p-1") is not None
    assert set(before.splitlines()) < set(objects(tmp_path).splitlines())
    assert git(tmp_path, "fsck", "--full", "--strict", "--no-dangling") == ""
    assert git(tmp_path, "rev-list", "--count", "wharf/main") == str(COMMITS + 1)


def test_a_pack_that_has_all_others_in_it_stays(filled: Branch, tmp_path: Path) -> None:
    blob = small_pack.NewObject.of("blob", b"x")
    small_pack.write(filled.git_dir, [blob])
    merged_pack.merge(filled.git_dir)
    (whole,) = packs(tmp_path)
    small_pack.write(filled.git_dir, [blob])
    assert len(packs(tmp_path)) == 2
    assert merged_pack.merge(filled.git_dir)
    assert packs(tmp_path) == {whole}
    assert not merged_pack.merge(filled.git_dir), "there is one"
    assert git(tmp_path, "fsck", "--full", "--no-dangling") == ""


def test_a_commit_survives_whoever_deletes_temporary_files(
    filled: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`git gc --prune=now` takes them for those of dead writers."""
    write, runs = small_pack._write_files, ["gc"]

    def slowly(*words: object) -> None:
        write(*words)  # type: ignore[arg-type]
        if runs:
            git(tmp_path, runs.pop(), "--prune=now", "-q")

    monkeypatch.setattr("wharf.index.small_pack._write_files", slowly)
    assert filled.commit(release(COMMITS), WHY).commit == git(tmp_path, "rev-parse", "wharf/main")
    assert git(tmp_path, "fsck", "--full", "--no-dangling") == ""
    assert [*(tmp_path / "index.git" / "objects" / "pack").glob("tmp_*")] == []


@pytest.mark.parametrize(
    ("name", "other"),
    first(
        2,
        [
            ("pack/tmp_pack_x", "pack/tmp_idx_y"),
            ("info/commit-graphs/tmp_graph_x", "info/commit-graphs/tmp_graph_y"),
            ("pack/.tmp-123-pack-0123.idx", "pack/tmp_idx_y"),
            ("info/commit-graphs/commit-graph-chain.lock", "info/commit-graph.lock"),
            ("info/commit-graph.lock", "info/commit-graphs/commit-graph-chain.lock"),
        ],
    ),
)
def test_what_writers_left_that_died_goes_after_a_day(filled: Branch, tmp_path: Path, name: str, other: str) -> None:
    left, young = (tmp_path / "index.git" / "objects" / each for each in (name, other))
    for each in (left, young):
        each.parent.mkdir(parents=True, exist_ok=True)
        each.write_bytes(b"PACK")
    os.utime(left, (1, 1))
    written = WrittenCommit(filled.git_dir, [small_pack.NewObject.of("blob", b"x")])
    (mark,) = (tmp_path / "index.git" / "objects" / "pack").glob("*.keep")
    assert merged_pack.merge(filled.git_dir)
    assert len(packs(tmp_path)) == 2, "its commit may still wait for its files"
    os.utime(mark, (1, 1))
    by_hand = next(each for each in packs(tmp_path) if each.stem != mark.stem).with_suffix(".keep")
    by_hand.write_bytes(b"mine")
    os.utime(by_hand, (1, 1))
    assert not merged_pack.merge(filled.git_dir)
    assert [each.exists() for each in (mark, by_hand, left, young)] == [False, True, False, True]
    by_hand.unlink()
    assert merged_pack.merge(filled.git_dir)
    assert len(packs(tmp_path)) == 1
    assert git(tmp_path, "cat-file", "-p", written.given()) == "x"


def with_differences(tmp_path: Path, _pack: Path) -> None:
    git(tmp_path, "repack", "-a", "-d", "-f", "-q")


def kept(_tmp_path: Path, pack: Path) -> None:
    pack.with_suffix(".keep").touch()


def damaged(_tmp_path: Path, pack: Path) -> None:
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(data)


def damaged_index(_tmp_path: Path, pack: Path) -> None:
    index = pack.with_suffix(".idx")
    index.chmod(0o644)
    index.write_bytes(index.read_bytes()[:-30])


def of_two_indexes(tmp_path: Path, _pack: Path) -> None:
    git(tmp_path, "multi-pack-index", "write")


@pytest.mark.parametrize("happens", [with_differences, kept, damaged, damaged_index, of_two_indexes])
def test_what_is_not_for_copying_stays(filled: Branch, tmp_path: Path, happens: Callable[[Path, Path], None]) -> None:
    happens(tmp_path, min(packs(tmp_path)))
    before = {path: path.read_bytes() for path in packs(tmp_path)}
    for number in (100, 101):
        filled.commit(release(number), WHY)
    merged_pack.merge(filled.git_dir)
    left = {path: path.read_bytes() for path in packs(tmp_path)}
    if happens is of_two_indexes:
        assert before.items() < left.items()
    else:
        assert len(before.items() & left.items()) == 1
        assert len(left) == 2


def test_the_copy_is_on_the_disk_before_anything_goes(filled: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, unlink = os.fsync, os.unlink

    def synced(handle: int) -> None:
        fsync(handle)
        done.append("sync")

    def gone(path: str) -> None:
        unlink(path)
        done.append(path.rpartition(".")[2])

    monkeypatch.setattr("wharf.index.small_pack.os.fsync", synced)
    monkeypatch.setattr("wharf.index.merged_pack.os.unlink", gone)
    merged_pack.merge(filled.git_dir)
    assert done == ["sync"] * 3 + ["idx", "pack"] * COMMITS


def test_a_full_disk_takes_nothing_away(filled: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {*(tmp_path / "index.git" / "objects" / "pack").iterdir()}

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("wharf.index.small_pack.os.fsync", full)
    with pytest.raises(StorageError, match="The disk is full"):
        merged_pack.merge(filled.git_dir)
    assert {*(tmp_path / "index.git" / "objects" / "pack").iterdir()} == before
