"""The folder of files that can be fetched again: what is deleted for what."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from wharf.server.files.cache_folder import CacheFolder

if TYPE_CHECKING:
    from pathlib import Path

DISK = 1000


def names(count: int) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on a disk of 1000 bytes, of which others use 300."""

    def statvfs(path: Path) -> os.statvfs_result:
        free = DISK - 300 - sum(each.stat().st_size for each in path.iterdir())
        return os.statvfs_result((1, 1, DISK, free, free, 0, 0, 0, 0, 255))

    monkeypatch.setattr(os, "statvfs", statvfs)
    return tmp_path


def test_a_disk_that_is_smaller_than_the_budget_bounds_the_files(folder: Path) -> None:
    for age, name in enumerate(names(3)):
        (folder / name).write_bytes(b"x" * 200)
        os.utime(folder / name, (age, age))
    assert CacheFolder(folder, 10_000).reserve(250)
    assert {each.name for each in folder.iterdir()} == {*names(3)[1:]}


def test_a_disk_that_does_not_say_how_large_it_is_has_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result((4096, 4096, 0, 0, 0, 0, 0, 0, 0, 255)))
    assert CacheFolder(tmp_path, 2000).reserve(800)
    CacheFolder(tmp_path, 2000).leave_some_free()


def test_what_does_not_fit_the_disk_is_refused_and_takes_no_room(folder: Path) -> None:
    cache = CacheFolder(folder, 2000)
    with pytest.raises(OSError, match="No space left"):
        cache.reserve(800)
    assert cache.reserve(700)
    assert not cache.reserve(1400)
