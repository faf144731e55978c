"""A ref that is moved in this process: as git moves it, beside writers that are git, and by git where it is no plain file."""

from __future__ import annotations

import errno
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.index.test_branch import WHY, git
from tests.index.test_ref_transaction import branch, of, release
from wharf.errors import StorageError
from wharf.index import lone_ref
from wharf.index.branch import Branch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["branch"]

REF = "refs/heads/wharf/main"
OTHER = "1" * 40


def place(tmp_path: Path, name: str = REF) -> Path:
    return tmp_path / "index.git" / name


def step(tmp_path: Path, old: str = "") -> str:
    tip = git(tmp_path, "rev-parse", "wharf/main")
    return f"update {REF} {git(tmp_path, 'commit-tree', f'{tip}^{{tree}}', '-p', tip, '-m', 'x')} {old or tip}"


def test_it_is_moved_as_git_would_and_no_git_is_started(branch: Branch, tmp_path: Path) -> None:
    place(tmp_path).chmod(0o664)
    branch.close()
    for number in (1, 2):
        assert branch.commit(release(number), WHY).commit == git(tmp_path, "rev-parse", "wharf/main") == branch.tip()
    assert of(branch) == []
    assert place(tmp_path).stat().st_mode & 0o777 == 0o664, "who may write it may go on"
    commits = git(tmp_path, "rev-list", "wharf/main").split()
    assert git(tmp_path, "reflog", "show", "--format=%H", "wharf/main").split() == commits
    assert git(tmp_path, "fsck", "--full", "--no-dangling") == ""
    assert [each.name for each in place(tmp_path).parent.iterdir()] == ["main"]


def packed(tmp_path: Path) -> None:
    git(tmp_path, "pack-refs", "--all")


def symbolic(tmp_path: Path) -> None:
    git(tmp_path, "branch", "other", "wharf/main")
    git(tmp_path, "symbolic-ref", REF, "refs/heads/other")


def linked(tmp_path: Path) -> None:
    place(tmp_path).rename(tmp_path / "elsewhere")
    place(tmp_path).symlink_to(tmp_path / "elsewhere")


def without_log(tmp_path: Path) -> None:
    place(tmp_path, f"logs/{REF}").unlink()


def damaged(tmp_path: Path) -> None:
    place(tmp_path).write_bytes(b"")


@pytest.mark.parametrize("happens", [packed, symbolic, linked, without_log, damaged])
def test_what_is_no_plain_file_with_a_log_is_left_to_git(
    branch: Branch, tmp_path: Path, happens: Callable[[Path], None]
) -> None:
    asked = step(tmp_path)
    happens(tmp_path)
    before = place(tmp_path).read_bytes() if place(tmp_path).exists() else None
    assert lone_ref.move(branch.git_dir, asked) is None
    assert (place(tmp_path).read_bytes() if place(tmp_path).exists() else None) == before
    assert not place(tmp_path, f"{REF}.lock").exists()
    if happens not in {linked, damaged}:
        assert branch.commit(release(1), WHY).commit == git(tmp_path, "rev-parse", "wharf/main")


def test_a_ref_that_moved_is_refused_and_a_locked_one_is_left_to_git(branch: Branch, tmp_path: Path) -> None:
    tip = branch.tip()
    assert lone_ref.move(branch.git_dir, step(tmp_path, OTHER)) is False
    assert not place(tmp_path, f"{REF}.lock").exists()
    place(tmp_path, f"{REF}.lock").touch()
    assert lone_ref.move(branch.git_dir, step(tmp_path)) is None
    assert place(tmp_path, f"{REF}.lock").exists(), "it is the lock of another writer"
    assert branch.tip() == tip


def test_a_full_disk_leaves_the_ref_and_no_lock(branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tip, asked = branch.tip(), step(tmp_path)

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("wharf.index.lone_ref.os.fsync", full)
        assert lone_ref.move(branch.git_dir, asked) is None
    assert branch.tip() == tip
    assert not place(tmp_path, f"{REF}.lock").exists()


def test_the_bytes_are_on_the_disk_before_the_name_and_the_name_before_it_is_done(
    branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, rename = os.fsync, os.rename

    def synced(handle: int) -> None:
        fsync(handle)
        done.append(f"sync {os.path.basename(os.readlink(f'/proc/self/fd/{handle}'))}")

    def renamed(source: str, target: str) -> None:
        rename(source, target)
        done.append("rename")

    monkeypatch.setattr("wharf.index.lone_ref.os.fsync", synced)
    monkeypatch.setattr("wharf.index.lone_ref.os.rename", renamed)
    branch.commit(release(1), WHY)
    if os.path.exists("/proc/self/fd"):
        assert done[-3:] == ["sync main.lock", "rename", "sync wharf"]


@pytest.mark.parametrize("is_packed", [False, True])
def test_an_answer_that_nothing_is_new_comes_when_the_ref_that_it_goes_by_is_on_the_disk(
    branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_packed: bool
) -> None:
    """Another writer may have died before it synced the name. Readers sync nothing."""
    synced: set[int] = set()
    fsync = os.fsync

    def noted(handle: int) -> None:
        fsync(handle)
        synced.add(os.fstat(handle).st_ino)

    if is_packed:
        packed(tmp_path)
    monkeypatch.setattr(os, "fsync", noted)
    assert branch.snapshot().versions("p-0") == ["1.0"]
    assert not synced
    assert branch.commit(release(0), WHY).commit is None
    of_ref = ["packed-refs"] if is_packed else [REF, "refs/heads/wharf", "refs/heads", "refs"]
    assert {place(tmp_path, name).stat().st_ino for name in (*of_ref, ".", "..")} <= synced


def test_a_disk_that_does_not_sync_what_an_answer_goes_by_gets_no_such_answer(
    branch: Branch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(StorageError, match="Input/output error"):
        branch.commit(release(0), WHY)


def test_git_and_this_process_take_turns_at_one_ref(branch: Branch, tmp_path: Path) -> None:
    def by_git() -> None:
        for _ in range(6):
            while True:
                asked = step(tmp_path).split()[1:]
                done = subprocess.run(["git", f"--git-dir={branch.git_dir}", "update-ref", *asked], capture_output=True)
                if done.returncode == 0:
                    break

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(by_git)
        for number in range(1, 13):
            branch.commit(release(number), WHY)
        other.result()
    assert git(tmp_path, "rev-list", "--count", "wharf/main") == "19"
    assert len(branch.snapshot().names()) == 13


@pytest.mark.parametrize("holds", [False, True], ids=["and is done", "and holds its own"])
def test_a_lock_that_another_writer_broke_meanwhile_is_no_lock(
    branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, holds: bool
) -> None:
    """The disk stood still for so long that the lock was told to be that of a dead process."""
    asked, other, lock = step(tmp_path), step(tmp_path).split()[1:], place(tmp_path, f"{REF}.lock")
    fsync = os.fsync

    def slowly(handle: int) -> None:
        fsync(handle)
        lock.unlink()
        git(tmp_path, "update-ref", *other)
        if holds:
            lock.touch()

    with monkeypatch.context() as patch:
        patch.setattr("wharf.index.lone_ref.os.fsync", slowly)
        assert lone_ref.move(branch.git_dir, asked) is None
    assert git(tmp_path, "rev-parse", "wharf/main") == other[1], "what the other writer was told is so"
    assert lock.exists() == holds
    lock.unlink(missing_ok=True)
    assert branch.commit(release(1), WHY).commit == git(tmp_path, "rev-parse", "wharf/main")
    assert other[1] in git(tmp_path, "rev-list", "wharf/main").split()


@pytest.mark.slow
def test_an_old_lock_of_a_process_that_lives_is_not_broken(
    branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its disk or its machine stood still between the last look at its lock and the rename."""
    asked, lock, rename = step(tmp_path), place(tmp_path, f"{REF}.lock"), os.rename

    def late(source: str, target: str) -> None:
        os.utime(lock, (1, 1))
        with Branch(branch.git_dir, "main") as other:
            other_says.append(other._refs.transact({REF: asked}))
        assert lock.exists()
        rename(source, target)

    other_says: list[bool] = []
    with monkeypatch.context() as patch:
        patch.setattr("wharf.index.lone_ref.os.rename", late)
        assert lone_ref.move(branch.git_dir, asked) is True
    assert other_says == [False]
    assert git(tmp_path, "rev-parse", "wharf/main") == asked.split()[2]


def test_of_two_who_break_a_lock_one_does(tmp_path: Path) -> None:
    """The other would break the lock that the first one takes then."""
    lock = tmp_path / "main.lock"
    lock.touch()
    looked: list[bool] = []

    def slowly(_time: float) -> bool:
        if not looked:
            looked.append(True)
            lone_ref.break_dead(str(lock), slowly)
            assert lock.exists(), "the first one looks at it still"
        return True

    lone_ref.break_dead(str(lock), slowly)
    assert not lock.exists()
    lock.touch()

    def taken(_time: float) -> bool:
        lock.unlink()
        lock.touch()
        return True

    lone_ref.break_dead(str(lock), taken)
    assert lock.exists(), "that is a lock of another writer by now"
