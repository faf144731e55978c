"""Of a large project, a commit has only those records read again that it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.index.test_branch import WHY, edit_by_hand
from tests.index.test_change import A, B, add, new
from wharf.errors import RecordError
from wharf.index import known_records, record
from wharf.index.branch import Branch
from wharf.model import Release

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSIONS = [f"1.{number}" for number in range(8)]


@pytest.fixture
def branch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Branch]:
    monkeypatch.setattr(known_records, "LARGE", 8)
    monkeypatch.setattr(known_records, "MOST_RECORDS", 20)
    with Branch(tmp_path / "index.git", "main") as opened:
        opened.create(tmp_path / "scratch")
        names = ("demo", "other", "third", "small")
        files = [
            new(f"{name}-{each}.tar.gz", A, each, name) for name in names for each in VERSIONS[: 3 if name == "small" else 8]
        ]
        opened.commit(add(*files), WHY)
        yield opened


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The records that were parsed, as project and version."""
    seen: list[str] = []
    parse = record.parse

    def noted(data: bytes, *, project: str, version: str) -> Release:
        seen.append(f"{project} {version}")
        return parse(data, project=project, version=version)

    monkeypatch.setattr(record, "parse", noted)
    return seen


def test_one_record_of_many_is_read_again(branch: Branch, parsed: list[str]) -> None:
    snapshot = branch.snapshot()
    assert len(snapshot.project("demo").releases) == len(parsed) == 8  # type: ignore[union-attr]
    parsed.clear()
    branch.commit(add(new("demo-1.3.zip", B, "1.3")), WHY)
    branch.commit(add(new("demo-2.0.tar.gz", B, "2.0")), WHY)
    parsed.clear()
    later = branch.snapshot(snapshot)
    found = later.project("demo")
    assert sorted(parsed) == ["demo 1.3", "demo 2.0"]
    assert found == branch.snapshot().project("demo"), "it is what somebody reads who knows nothing"
    parsed.clear()
    before = snapshot.project("demo")
    assert before is not None
    assert "demo-1.3.zip" not in [each.filename for each in before.files], "an older snapshot stays what it was"
    assert parsed == ["demo 1.3"]


def test_small_projects_are_not_known_and_large_ones_within_a_bound(branch: Branch, parsed: list[str]) -> None:
    snapshot = branch.snapshot()
    for name in ("small", "demo", "other", "third"):
        snapshot.project(name)
    parsed.clear()
    snapshot.project("small")
    assert len(parsed) == 3
    parsed.clear()
    for name in ("third", "other"):
        snapshot.project(name)
    assert parsed == []
    snapshot.project("demo")
    assert len(parsed) == 8, "it was asked for least lately"


def test_what_cannot_be_read_and_what_is_there_twice_is_told_each_time(branch: Branch, tmp_path: Path) -> None:
    edit_by_hand(tmp_path, "projects/de/demo/1.3/release.json", b"{")
    edit_by_hand(tmp_path, "projects/de/demo/1.4.0/release.json", record.render(Release(project="demo", version="1.4.0")))
    snapshot = branch.snapshot()
    for _ in range(2):
        found = snapshot.records("demo") or []
        wrong = [each.message for each in found if isinstance(each, RecordError)]
        assert len(found) == 9
        assert len(wrong) == 2
        assert "another spelling" in wrong[1]
        snapshot = branch.snapshot(snapshot)
