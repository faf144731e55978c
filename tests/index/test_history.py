# ruff: noqa: F811 - fixtures are arguments of their own name
"""The history of an index, as the commits of its branch tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.index.test_branch import WHY, branch, edit_by_hand, git  # noqa: F401 - fixtures
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


def test_a_merge_is_an_entry_by_whoever_merged_it(branch: Branch, tmp_path: Path) -> None:
    """As that of a pull request, made beside another commit."""
    branch.commit(add(new()), WHY)
    base = git(tmp_path, "rev-parse", "wharf/main")
    ours = branch.commit(add(new("other-2.0.tar.gz", B, "2.0", "other")), CommitMessage(verb="promote", actor="ada")).commit
    git(tmp_path, "update-ref", "refs/heads/wharf/main", base)
    beside = branch.commit(SetYanked(project="demo", version="1.0", reason="x"), CommitMessage(verb="yank", actor="bob")).commit
    assert ours is not None
    assert beside is not None
    tree = git(tmp_path, "merge-tree", "--write-tree", beside, ours).split("\n")[0]
    who = ["-c", "user.name=Eve", "-c", "user.email=eve@example.org"]
    words = ["commit-tree", tree, "-p", beside, "-p", ours, "-m", "Merge pull request #1"]
    merge = git(tmp_path, *who, *words)
    git(tmp_path, "update-ref", "refs/heads/wharf/main", merge)
    entries = list(branch.history())
    (first, *rest) = entries
    assert (first.commit, first.actor, first.verb, first.project, first.version) == (merge, "Eve", "merge", "other", "2.0")
    assert sorted((each.actor, each.verb, each.project) for each in rest) == [
        ("ada", "promote", "other"), ("ada", "publish", "demo"), ("bob", "yank", "demo"),
    ]  # fmt: skip
    assert [(each.actor, each.verb) for each in branch.history("other")] == [("Eve", "merge"), ("ada", "promote")]
    assert [each.verb for each in branch.history("demo")] == ["yank", "publish"]
    assert set(branch.snapshot().names()) == {"demo", "other"}
