"""A folder of wheels and sdists as an upstream."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.makers import make_sdist, make_wheel
from wharf.errors import StorageError
from wharf.sources.upstream_address import UpstreamAddress
from wharf.sources.upstream_index import MISSING, SeenProject, UpstreamIndex

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 5, 1, tzinfo=UTC)


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "wheels"
    found.mkdir()
    return found


def index(folder: Path, clock: Clock | None = None) -> UpstreamIndex:
    address = UpstreamAddress(url=str(folder), listed=True)
    return UpstreamIndex(address, folder.parent / "cache", clock=clock or Clock(), now=lambda: NOW)


def versions(found: SeenProject | None) -> list[str]:
    assert found is not None
    return sorted(each.version for each in found.project.files)


def test_the_files_of_a_project_are_shown_with_digests_core_metadata_and_first_sight(folder: Path) -> None:
    path = make_wheel(folder, "Demo_X", "1.0")
    make_sdist(folder, "demo-x", "2.0")
    make_wheel(folder, "demo", "3.0")
    (folder / "notes.txt").write_text("x")
    upstream = index(folder)
    found = upstream.project("demo-x")
    assert versions(found) == ["1.0", "2.0"]
    assert found is not None
    file = next(each for each in found.project.files if each.filename == path.name)
    data = path.read_bytes()
    assert (file.sha256, file.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert (file.upload_time, file.since) == (None, NOW)
    assert file.core_metadata == hashlib.sha256(upstream.core_metadata(file)).hexdigest()
    with upstream.open(file) as download:
        assert b"".join(download.chunks) == data
    assert versions(upstream.project("demo")) == ["3.0"]
    assert upstream.project("other") is None
    assert upstream.ready("other") is MISSING
    upstream.close()


def test_what_comes_and_goes_is_seen_soon(folder: Path) -> None:
    path = make_wheel(folder, "demo", "1.0")
    clock = Clock()
    upstream = index(folder, clock)
    assert versions(upstream.project("demo")) == ["1.0"]
    make_wheel(folder, "demo", "2.0")
    assert upstream.project("other") is None
    make_wheel(folder, "other", "1.0")
    clock.seconds += 3
    assert versions(upstream.project("demo")) == ["1.0", "2.0"]
    assert versions(upstream.project("other")) == ["1.0"]
    path.unlink()
    clock.seconds += 3
    assert versions(upstream.project("demo")) == ["2.0"]


def test_a_digest_is_computed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_wheel(folder, "demo", "1.0")
    first = index(folder).project("demo")
    counted: list[object] = []
    whole = hashlib.file_digest

    def count(file: Any, kind: str) -> Any:
        counted.append(file)
        return whole(file, kind)

    monkeypatch.setattr(hashlib, "file_digest", count)
    clock = Clock()
    again = index(folder, clock)
    assert again.project("demo") is not None
    make_wheel(folder, "demo", "2.0")
    clock.seconds += 3
    assert versions(again.project("demo")) == ["1.0", "2.0"]
    assert len(counted) == 1
    os.utime(path, ns=(1, 1))
    clock.seconds += 3
    again.project("demo")
    assert len(counted) == 2
    assert first is not None


def test_what_is_no_wheel_and_what_is_no_file_is_left_out(folder: Path) -> None:
    make_wheel(folder, "demo", "1.0")
    (folder / "demo-2.0-py3-none-any.whl").write_bytes(b"no zip")
    (folder / "demo-3.0-py3-none-any.whl").symlink_to("/etc/passwd")
    os.mkfifo(folder / "demo-4.0-py3-none-any.whl")
    (folder / "demo-5.0-py3-none-any.whl").mkdir()
    make_wheel(folder, "other", "1.0").rename(folder / "demo-6.0-py3-none-any.whl")
    found = index(folder).project("demo")
    assert versions(found) == ["1.0"]
    assert found is not None
    assert {each.filename for each in found.project.left_out} == {"demo-2.0-py3-none-any.whl", "demo-6.0-py3-none-any.whl"}


def test_a_folder_that_is_gone_is_no_miss(folder: Path) -> None:
    make_wheel(folder, "demo", "1.0")
    clock = Clock()
    upstream = index(folder, clock)
    upstream.project("demo")
    folder.rename(folder.with_name("gone"))
    clock.seconds += 3
    found = upstream.project("demo")
    assert versions(found) == ["1.0"]
    assert found is not None
    assert found.stale_since == NOW
    assert str(folder) in (upstream.problem or "")
    with pytest.raises(StorageError):
        upstream.project("other")
    with pytest.raises(StorageError), upstream.open(found.project.files[0]):
        pass
