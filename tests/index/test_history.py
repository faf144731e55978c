# ruff: noqa: F811 - fixtures are arguments of their own name
"""The history of an index, as the commits of its branch tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.index.test_branch import WHY, branch, edit_by_hand  # noqa: F401 - fixtures
from tests.index.test_change import WHEEL, B, add, new
from wharf.index.commit_message import CommitMessage
from wharf.index.yank_and_remove import SetYanked

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.index.branch import Branch


def test_history_has_an_entry_per_commit_and_release(branch: Branch, tmp_path: Path) -> None:
    first = branch.commit(add(new(), new("other-2.0.tar.gz", B, "2.0", "other")), WHY).commit
    yank = SetYanked(project="demo", version="1.0", reason="loses data")
    second = branch.commit(yank, CommitMessage(verb="yank", actor="bob", reason="loses data")).commit
    edit_by_hand(tmp_path, "wharf.toml", b"format = 1\n[policy]\n")
    entries = list(branch.history())
    assert [(each.actor, each.verb, each.project, each.version) for each in entries] == [
        ("Hand", "edit", "", ""),
        ("bob", "yank", "demo", "1.0"),
        ("ada", "publish", "demo", "1.0"),
        ("ada", "publish", "other", "2.0"),
    ]
    assert [each.commit for each in entries][1:3] == [second, first]
    assert entries[1].message == f"yank demo 1.0 ({WHEEL})\n\nloses data"
    assert [each.verb for each in branch.history("demo")] == ["yank", "publish"]


def test_history_stands_odd_commits(branch: Branch, tmp_path: Path) -> None:
    branch.commit(add(new()), WHY)
    edit_by_hand(tmp_path, "wharf.toml", b"format = 1\n#\n", message="Wharf-Actor: me", date="@999999999999 +0000")
    assert [(each.actor, each.verb) for each in branch.history()] == [("me", "edit"), ("ada", "publish")]
