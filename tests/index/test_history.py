# ruff: noqa: F811 - fixtures are arguments of their own name
"""The history of an index, as the commits of its branch tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.index.test_branch import WHY, branch, edit_by_hand, git  # noqa: F401 - fixtures
from tests.index.test_change import SDIST, WHEEL, B, add, new
from wharf.errors import NotFoundError
from wharf.index import history, store_clock
from wharf.index.commit_message import CommitMessage
from wharf.index.git import Git
from wharf.index.history import Asked
from wharf.index.moment import Moment
from wharf.index.yank_and_remove import RemoveFiles, SetYanked

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.index.branch import Branch


def test_history_has_an_entry_per_commit_with_its_releases(branch: Branch, tmp_path: Path) -> None:
    first = branch.commit(add(new(), new("other-2.0.tar.gz", B, "2.0", "other")), WHY).commit
    yank = SetYanked(project="demo", version="1.0", reason="loses data")
    second = branch.commit(yank, CommitMessage(verb="yank", actor="bob", reason="loses data")).commit
    edit_by_hand(tmp_path, "wharf.toml", b"format = 1\n[policy]\n")
    entries = list(branch.history())
    assert [(each.actor, each.verb, each.what, each.reason) for each in entries] == [
        ("Hand", "edit", "the index's settings", "by hand"),
        ("bob", "yank", f"demo 1.0 ({WHEEL})", "loses data"),
        ("ada", "publish", "demo 1.0, other 2.0", ""),
    ]
    assert [each.commit for each in entries][1:] == [second, first]
    assert entries[2].releases == (("demo", "1.0"), ("other", "2.0"))
    assert [each.verb for each in branch.history(Asked(project="demo"))] == ["yank", "publish"]


def test_many_releases_are_summed_up(branch: Branch) -> None:
    branch.commit(add(*(new(f"demo-{number}.5.tar.gz", B, f"{number}.5") for number in range(5))), WHY)
    (entry,) = branch.history()
    assert (entry.what, len(entry.releases)) == ("5 releases of 1 project", 5)


def test_whoever_wants_the_newest_commits_reads_no_more(branch: Branch) -> None:
    for number in range(5):
        branch.commit(add(new(f"demo-{number}.0.tar.gz", B, f"{number}.0")), WHY)
    newest = [each.what for each in branch.history(Asked(most=2))]
    assert newest == ["demo 4.0 (demo-4.0.tar.gz)", "demo 3.0 (demo-3.0.tar.gz)"]
    assert [each.what for each in branch.history(Asked(project="demo", version="2", most=2))] == ["demo 2.0 (demo-2.0.tar.gz)"]
    entries = branch.history()
    assert next(entries).releases == (("demo", "4.0"),)
    del entries  # ends git, without a word


@pytest.mark.parametrize("project", [None, "demo"])
def test_the_history_in_parts_is_the_history_of_the_first_part(branch: Branch, project: str | None) -> None:
    for number in range(4):
        branch.commit(add(new(f"demo-{number}.0.tar.gz", B, f"{number}.0")), WHY)
    whole = [each.commit for each in branch.history()]
    for part in (1, 3, 4, 7):
        found, at = [], whole[0]
        for skip in range(0, 8, part):
            found += [each.commit for each in branch.history(Asked(project=project, most=part, at=at, skip=skip))]
            if skip == 0:
                branch.commit(add(new(f"other-{part}.0.tar.gz", B, f"{part}.0", "other")), WHY)  # is not in these parts
        assert found == whole
        whole = [each.commit for each in branch.history(Asked(project=project))]


@pytest.mark.parametrize("spelling", ["1.0", "1", "1.0.0", "v1.0"])
def test_the_history_of_a_version_and_of_a_file(branch: Branch, spelling: str) -> None:
    branch.commit(add(new()), WHY)
    branch.commit(add(new(SDIST, B)), CommitMessage(verb="second", actor="ada"))
    branch.commit(add(new("demo-1.1.tar.gz", B, "1.1")), CommitMessage(verb="newer", actor="ada"))
    branch.commit(SetYanked(project="demo", version="1.0", reason="x", filename=SDIST), CommitMessage(verb="yank", actor="bob"))
    branch.commit(RemoveFiles.of("demo", "1.0", WHEEL), CommitMessage(verb="remove", actor="eve"))

    def verbs(filename: str | None = None) -> list[str]:
        return [each.verb for each in branch.history(Asked(project="demo", version=spelling, filename=filename))]

    assert verbs() == ["remove", "yank", "second", "publish"]
    assert verbs(WHEEL) == ["remove", "publish"]
    assert verbs(SDIST) == ["yank", "second"]
    assert verbs("demo-1.0.zip") == []


def test_a_record_that_cannot_be_read_is_like_no_other(branch: Branch, tmp_path: Path) -> None:
    branch.commit(add(new()), WHY)
    edit_by_hand(tmp_path, "projects/de/demo/1.0/release.json", b"{", date="@1700000000 +0000")
    asked = Asked(project="demo", version="1.0", filename=WHEEL)
    assert sorted(each.verb for each in branch.history(asked)) == ["edit", "publish"]


def test_the_history_since_a_moment_is_what_counts_from_then(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = []
    for number in range(4):
        monkeypatch.setattr(store_clock, "now", lambda _folder, moment=1_700_000_000 + 60 * number: moment)
        commits.append(branch.commit(add(new(f"demo-{number}.0.tar.gz", B, f"{number}.0")), WHY).commit)

    def since(moment: Moment) -> list[str]:
        return [each.commit for each in branch.history(Asked(since=moment))][::-1]

    assert since(Moment("", time=1_699_999_999)) == commits
    assert since(Moment("", time=1_700_000_060)) == commits[1:]
    assert since(Moment("", time=1_700_000_061)) == commits[2:]
    assert since(Moment("", time=1_700_000_181)) == []
    assert since(Moment("", commit=str(commits[1])[:10])) == commits[2:]
    with pytest.raises(NotFoundError, match="never the tip"):
        since(Moment("", commit="0" * 40))


def test_what_was_taken_away_since_a_commit_is_known_by_its_path(branch: Branch) -> None:
    first = branch.commit(add(new(), new(SDIST, B)), WHY).commit
    branch.commit(RemoveFiles.of("demo", "1.0", WHEEL), CommitMessage(verb="prune", actor="eve", reason="old"))
    last = branch.commit(add(new()), WHY).commit
    found = history.removals(Git(branch.git_dir), str(first), str(last))
    path = f"projects/de/demo/1.0/{WHEEL}.metadata"
    assert {each: (entry.verb, entry.actor, entry.reason) for each, entry in found.items()} == {path: ("prune", "eve", "old")}


def test_a_reason_without_end_hides_neither_the_verb_nor_who_it_was(branch: Branch) -> None:
    first = branch.commit(add(new()), WHY).commit
    message = CommitMessage(verb="remove", actor="eve", reason="it leaks " * 100_000)
    last = branch.commit(RemoveFiles.of("demo", "1.0", WHEEL), message).commit
    (entry,) = history.removals(Git(branch.git_dir), str(first), str(last)).values()
    assert (entry.verb, entry.actor, len(entry.message)) == ("remove", "eve", history.LONGEST_MESSAGE)


def test_a_commit_that_is_longer_than_what_is_read_is_cut(
    branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "LONGEST_COMMIT", 1000)
    monkeypatch.setattr(history, "_PIECE", 300)
    branch.commit(add(new()), WHY)
    branch.commit(add(*(new(f"demo-{number}.5.tar.gz", B, f"{number}.5") for number in range(50))), WHY)
    edit_by_hand(tmp_path, "wharf.toml", b"format = 1\n#\n", message="x" * 5000)
    edited, many, one = branch.history()
    assert (edited.whole, edited.releases, edited.verb) == (False, (), "edit")
    assert not many.whole
    assert 0 < len(many.releases) < 50
    assert all(version.endswith(".5") for _, version in many.releases)
    assert many.what.startswith("at least ")
    assert (one.whole, one.releases) == (True, (("demo", "1.0"),))


def test_a_message_cannot_pretend_to_be_about_another_release(branch: Branch, tmp_path: Path) -> None:
    branch.commit(add(new()), WHY)
    message = "publish other 9.9\n\n:100644 100644 a b M\tprojects/ot/other/9.9/release.json\n\nWharf-Actor: \x1b[2Jme"
    edit_by_hand(tmp_path, "wharf.toml", b"format = 1\n#\n", message=message)
    entry, _ = branch.history()
    assert (entry.what, entry.releases, entry.verb) == ("the index's settings", (), "publish")


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
    assert (first.commit, first.actor, first.verb, first.releases) == (merge, "Eve", "merge", (("other", "2.0"),))
    assert sorted((each.actor, each.verb, each.releases[0][0]) for each in rest) == [
        ("ada", "promote", "other"), ("ada", "publish", "demo"), ("bob", "yank", "demo"),
    ]  # fmt: skip
    assert [(each.actor, each.verb) for each in branch.history(Asked(project="other"))] == [
        ("Eve", "merge"),
        ("ada", "promote"),
    ]
    assert [each.verb for each in branch.history(Asked(project="demo"))] == ["yank", "publish"]
    assert set(branch.snapshot().names()) == {"demo", "other"}


def test_the_history_is_the_same_by_a_commit_graph(branch: Branch, tmp_path: Path) -> None:
    """Which git then reads in the place of most commits: `pack_merging` writes one."""
    for number in range(3):
        branch.commit(add(new(f"demo-{number}.0.tar.gz", B, f"{number}.0")), WHY)
        branch.commit(add(new(f"other-{number}.0.tar.gz", B, f"{number}.0", "other")), WHY)
        branch.commit(SetYanked(project="demo", version=f"{number}", reason="x"), WHY)
    asked = (Asked(), Asked(project="demo"), Asked(project="other", version="1"), Asked(project="demo", most=2, skip=1))
    before = [list(branch.history(each)) for each in asked]
    git(tmp_path, "commit-graph", "write", "--reachable", "--changed-paths", "--split")
    assert [list(branch.history(each)) for each in asked] == before
    branch.commit(add(new("demo-9.0.tar.gz", B, "9.0")), WHY)  # is in no graph
    assert [each.what for each in branch.history(Asked(project="demo", most=1))] == ["demo 9.0 (demo-9.0.tar.gz)"]
    assert git(tmp_path, "fsck", "--full", "--no-dangling") == ""
