"""A power cut while packs are merged takes no object away."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from tests import traced_disk
from tests.index.test_branch import WHY, git
from tests.index.test_change import A, add, new
from wharf.index.branch import Branch

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("who", "rules"), [("here", ["folder", "journal", "worst"]), ("git", ["folder", "journal"])])
def test_all_commits_are_there_after_a_power_cut_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str, rules: list[str]
) -> None:
    """Git itself never syncs a folder, and so relies on a disk that keeps the order of names."""
    traced_disk.need()
    monkeypatch.setattr("wharf.index.branch._GC_SHARE", 0)
    git_dir, before, trace = tmp_path / "index.git", tmp_path / "before", tmp_path / "trace"
    with Branch(git_dir, "main") as branch:
        branch.create(tmp_path / "scratch")
        for number in range(60):
            branch.commit(add(new(f"p_{number}-1.0.tar.gz", A, "1.0", f"p-{number}")), WHY)
        tip = branch.tip()
    shutil.copytree(git_dir, before)
    traced_disk.record(trace, [sys.executable, "-m", "tests.index.traced_merging", str(git_dir), who])
    assert len([*(git_dir / "objects" / "pack").glob("*.pack")]) < 10
    last = git(tmp_path, "rev-parse", "wharf/main")
    for rule in rules:
        replay = traced_disk.Replay(trace, git_dir, before, traced_disk.RULES[rule])
        for at, call in enumerate(replay.moments()):
            if at % 9 == 0 or "access" in call:
                left = tmp_path / f"{rule}-{at}"
                left.mkdir()
                replay.disk.cut(left / "index.git")
                assert git(left, "rev-parse", "wharf/main") in {last, tip if not replay.marks else last}
                git(left, "fsck", "--full", "--no-dangling")
        replay.check()
        assert replay.marks == [last]
