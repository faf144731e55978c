# ruff: noqa: F811 - fixtures are arguments of their own name
"""Snapshots: what is read of an index, whatever somebody pushed to it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.index.test_branch import WHY, branch, edit_by_hand, git  # noqa: F401 - fixtures
from tests.index.test_change import SDIST, B, add, new
from wharf.errors import RecordError, StorageError
from wharf.index.git_objects import GitObjects
from wharf.index.history import Asked

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from wharf.index.branch import Branch
    from wharf.index.git_objects import GitObject


def test_a_snapshot_stays_what_it_was(branch: Branch) -> None:
    branch.commit(add(new()), WHY)
    before = branch.snapshot()
    branch.commit(add(new(SDIST, B)), WHY)
    after = branch.snapshot(before)
    assert [len(snapshot.project("demo").files) for snapshot in (before, after)] == [1, 2]  # type: ignore[union-attr]
    assert before.tree_ids() != after.tree_ids()
    assert after.overview() == {"demo": ("1.0",)}
    assert after.metadata("demo", "1.0", SDIST) == b"Name: demo\n"


def test_the_folder_of_a_large_project_that_was_read_last_has_weight(branch: Branch) -> None:
    branch.commit(add(new(), *(new(f"other-{number}.0.tar.gz", B, f"{number}.0", "other") for number in range(20))), WHY)
    snapshot = branch.snapshot()
    weights = []
    for name in ("demo", "other", "demo"):
        assert snapshot.versions(name)
        weights.append(snapshot.weight())
    assert weights[1] - weights[0] > 19 * 300
    assert weights[2] < weights[1]


@pytest.mark.slow
def test_a_record_that_does_not_parse_is_reported_by_name_and_left_out(
    branch: Branch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    branch.commit(add(new(), new("demo-2.0.tar.gz", B, "2.0")), WHY)
    edit_by_hand(tmp_path, "projects/de/demo/2.0/release.json", b"{oops")
    edit_by_hand(tmp_path, "projects/de/demo/not a version/release.json", b"{}")
    edit_by_hand(tmp_path, "projects/de/demo/1.0.0/release.json", b"{}")
    spelled_again = git(tmp_path, "show", "wharf/main:projects/de/demo/1.0/release.json").replace('"1.0"', '"1.0.0.0"')
    edit_by_hand(tmp_path, "projects/de/demo/1.0.0.0/release.json", spelled_again.encode())
    edit_by_hand(tmp_path, "projects/de/Upper_Case/1.0/release.json", b"{}")
    edit_by_hand(tmp_path, "projects/xx/strayed/1.0/release.json", b"{}")
    with caplog.at_level(logging.WARNING):
        project = branch.snapshot().project("demo")
    assert project is not None
    assert project.versions == ("1.0.0.0",)
    assert branch.snapshot().names() == ("demo",)
    told = "\n".join(caplog.messages)
    for name in (
        "projects/de/demo/2.0/release.json",
        "not a version/release.json",
        "projects/de/demo/1.0.0/release.json",
        "projects/de/demo/1.0/release.json: another",
    ):
        assert name in told
    with pytest.raises(RecordError):
        branch.snapshot().release("demo", "2.0")


@pytest.mark.parametrize(
    "path",
    ["README.md", "projects/README.md", "projects/de/README.md", "projects/de/demo/NOTES.md",
     "projects/de/demo/3.0/nothing", "projects/de/demo/1.0/notes"],
)  # fmt: skip
def test_every_other_path_is_ignored(branch: Branch, tmp_path: Path, path: str) -> None:
    branch.commit(add(new()), WHY)
    edit_by_hand(tmp_path, path, b"what people put beside things")
    before = branch.snapshot()
    before.tree_ids()
    branch.commit(add(new(SDIST, B)), WHY)
    snapshot = branch.snapshot(before)
    assert snapshot.names() == ("demo",)
    assert snapshot.overview() == {"demo": ("1.0",)}
    assert [isinstance(each, RecordError) for each in snapshot.records("demo") or ()] == [False]
    assert len(list(branch.history(Asked(project="demo")))) >= 2


def test_a_status_that_cannot_be_read_quarantines(branch: Branch, tmp_path: Path) -> None:
    branch.commit(add(new()), WHY)
    edit_by_hand(tmp_path, "projects/de/demo/project.json", b"oops")
    project = branch.snapshot().project("demo")
    assert project is not None
    assert project.status.marker == "quarantined"


@pytest.mark.parametrize("text", [b"format = 2\n", b"", b"format = [", b"\xff"])
def test_an_index_of_another_format_is_neither_read_nor_written(branch: Branch, tmp_path: Path, text: bytes) -> None:
    branch.commit(add(new()), WHY)
    edit_by_hand(tmp_path, "wharf.toml", text)
    tip = branch.tip()
    with pytest.raises(StorageError, match=r"wharf.toml"):
        branch.snapshot()
    with pytest.raises(StorageError, match=r"wharf.toml"):
        branch.commit(add(new(SDIST, B)), WHY)
    assert branch.tip() == tip


def test_the_folder_of_a_project_is_read_once_for_all_of_its_versions(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project of nightly builds has thousands, and its folder names all of them."""
    branch.commit(add(*(new(f"demo-1.{number}.tar.gz", version=f"1.{number}") for number in range(9))), WHY)
    snapshot = branch.snapshot()
    folder, real = snapshot.tree_ids()["demo"], GitObjects.read
    read: list[str] = []

    def counted(objects: GitObjects, names: Iterable[str]) -> list[GitObject | None]:
        asked = [*names]
        read.extend(asked)
        return real(objects, asked)

    monkeypatch.setattr(GitObjects, "read", counted)
    for version in snapshot.versions("demo"):
        assert snapshot.file_ids("demo", version)
        assert snapshot.metadata("demo", version, f"demo-{version}.tar.gz")
        assert snapshot.release("demo", version)
    assert read.count(folder) == 1
    assert snapshot.release("other", "1.0") is None
    assert snapshot.release("demo", "1.0") is not None
