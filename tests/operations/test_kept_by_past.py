"""What the past of the indexes keeps: the bytes stay for whoever deletes, until the time of the last snapshot is over."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.index.test_branch import edit_by_hand, git
from tests.makers import make_wheel
from tests.operations.test_operations import put, stored
from wharf.index import record, store_clock
from wharf.index.commit_message import CommitMessage
from wharf.index.wharf_toml_change import parse_setting
from wharf.index.yank_and_remove import RemoveFiles
from wharf.operations import manage_indexes
from wharf.operations.index_settings import set_settings
from wharf.operations.kept_by_past import kept_by_past
from wharf.operations.verify import verify
from wharf.repository.opening import Repository, open_repository
from wharf.repository.settings import Settings

DAY = 86400
NOW = 1_790_000_000
WHEEL = "demo-1.0-py3-none-any.whl"


class Clock:
    """The time of the store, which a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOW
        monkeypatch.setattr(store_clock, "now", lambda _folder: self.now)

    def forward(self, days: float) -> None:
        self.now += int(days * DAY)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def leave(repository: Repository, verb: str = "prune", project: str = "demo", version: str = "1.0") -> None:
    repository.branch.commit(RemoveFiles.of(project, version), CommitMessage(verb=verb, actor="ada"))


def kept(repository: Repository) -> dict[str, int]:
    found = kept_by_past(repository)
    assert found.certain
    return {name: until - NOW for (_, name), until in found.files.items()}


def test_what_left_is_kept_from_then_on_for_the_time_of_the_index(repository: Repository, tmp_path: Path, clock: Clock) -> None:
    put(repository, make_wheel(tmp_path))
    assert kept(repository) == {}
    clock.forward(1000)
    leave(repository)
    assert kept(repository) == {WHEEL: 1090 * DAY}
    clock.forward(89.9)
    assert kept(repository) == {WHEEL: 1090 * DAY}
    set_settings(repository, (parse_setting("keep-past=36h"),))
    assert kept(repository) == {}
    set_settings(repository, (parse_setting("keep-past=0d"),))
    assert kept(repository) == {}
    set_settings(repository, (parse_setting("keep-past="),))
    clock.forward(0.2)
    assert kept(repository) == {}


def test_repair_leaves_what_the_past_keeps_and_says_until_when(
    repository: Repository, tmp_path: Path, store: Path, clock: Clock
) -> None:
    put(repository, make_wheel(tmp_path), make_wheel(tmp_path, "other"))
    leave(repository)
    found = verify(repository, repair=True)
    assert (found.ok, found.problems) == (True, ())
    assert [(each.kind, each.detail) for each in found.leftovers] == [
        ("kept-for-past", "kept for the past until 2026-12-20"),
    ]
    assert len(stored(store)) == 2
    clock.forward(90)
    assert [each.repaired for each in verify(repository, repair=True).problems] == [True]
    assert stored(store) == ["other-1.0-py3-none-any.whl"]


def test_what_left_by_remove_is_not_kept_also_where_its_bytes_are_still_there(
    repository: Repository, tmp_path: Path, store: Path, clock: Clock
) -> None:
    put(repository, make_wheel(tmp_path))
    leave(repository, "remove")
    assert kept(repository) == {}
    assert verify(repository, repair=True).ok
    assert stored(store) == []


@pytest.mark.slow
def test_the_last_removal_counts(repository: Repository, tmp_path: Path, clock: Clock) -> None:
    wheel = make_wheel(tmp_path)
    for verb in ("remove", "prune", "remove", "prune"):
        put(repository, wheel)
        assert kept(repository) == {}, "it is in the index"
        clock.forward(1)
        leave(repository, verb)
        assert bool(kept(repository)) is (verb == "prune")


@pytest.mark.slow
def test_a_removal_in_one_index_takes_nothing_from_the_past_of_another(
    repository: Repository, tmp_path: Path, store: Path, clock: Clock
) -> None:
    wheel = make_wheel(tmp_path)
    put(repository, wheel)
    manage_indexes.create(repository.of_index("staging"), ())
    with open_repository(Settings(place=store, index="staging")) as staging:
        put(staging, wheel)
        set_settings(staging, (parse_setting("keep-past=5d"),))
        leave(staging)
        leave(repository, "remove")
        assert kept(repository) == {WHEEL: 5 * DAY}
        assert kept(staging) == {WHEEL: 5 * DAY}
        manage_indexes.remove(staging)
    assert kept(repository) == {WHEEL: 5 * DAY}, "a removed index has a past, too"
    clock.forward(5)
    assert kept(repository) == {}


def test_what_a_person_took_out_with_git_is_kept(repository: Repository, tmp_path: Path, store: Path, clock: Clock) -> None:
    put(repository, make_wheel(tmp_path))
    path = "projects/de/demo/1.0/release.json"
    document = json.loads(git(store, "show", f"wharf/main:{path}"))
    document |= {"files": [], "versions": [], "_wharf": {"removed": {WHEEL: document["files"][0]["hashes"]["sha256"]}}}
    clock.forward(1)
    edit_by_hand(store, path, json.dumps(document).encode(), date=f"@{clock.now} +0000", message="remove demo 1.0")
    assert kept(repository) == {WHEEL: 91 * DAY}


def test_a_record_of_the_past_that_cannot_be_read_keeps_everything(repository: Repository, tmp_path: Path, store: Path) -> None:
    put(repository, make_wheel(tmp_path))
    path = "projects/de/demo/1.0/release.json"
    before = git(store, "show", f"wharf/main:{path}")
    edit_by_hand(store, path, b"{oops")
    edit_by_hand(store, path, before.encode())
    leave(repository, "remove")
    past = kept_by_past(repository)
    assert (past.certain, [each.path for each in past.unread]) == (False, ["wharf/main"])
    found = verify(repository, repair=True)
    assert [(each.kind, each.repaired) for each in found.problems] == [("unnamed-bytes", False)]
    assert "the past of an index cannot be read" in found.problems[0].detail
    assert stored(store) == [WHEEL]


def test_a_branch_that_was_rewritten_keeps_everything(repository: Repository, tmp_path: Path, store: Path) -> None:
    put(repository, make_wheel(tmp_path))
    put(repository, make_wheel(tmp_path, "other"))
    assert kept(repository) == {}
    git(store, "update-ref", "refs/heads/wharf/main", "wharf/main~1")
    past = kept_by_past(repository)
    assert not past.certain
    assert "rewritten" in past.unread[0].detail
    assert not verify(repository, repair=True).ok
    assert len(stored(store)) == 2


def test_a_store_that_git_cut_off_at_a_depth_keeps_everything(
    repository: Repository, tmp_path: Path, store: Path, clock: Clock
) -> None:
    put(repository, make_wheel(tmp_path))
    clock.forward(1)
    leave(repository)
    clock.forward(1)
    put(repository, make_wheel(tmp_path, "other"))
    whole = store / "index.git"
    whole.rename(store / "whole.git")
    subprocess.run(
        ["git", "clone", "--quiet", "--mirror", "--depth=1", f"file://{store / 'whole.git'}", str(whole)], check=True
    )
    with open_repository(Settings(place=store)) as cut:
        past = kept_by_past(cut)
        assert not past.certain
        assert "with a depth" in past.unread[0].detail
        assert not verify(cut, repair=True).ok
        assert stored(store) == [WHEEL, "other-1.0-py3-none-any.whl"]
        git(store, "fetch", "--quiet", "--unshallow", f"file://{store / 'whole.git'}")
        assert kept(cut) == {WHEEL: 91 * DAY}


def test_new_releases_cost_no_reading_of_records(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        put(repository, make_wheel(tmp_path, version=f"{number}.0"))
    monkeypatch.setattr(record, "parse", None)
    assert kept(repository) == {}


@pytest.mark.parametrize("kind", ["combined", "off", "remerge"])
def test_what_a_merge_took_out_is_kept_whatever_a_person_has_git_show_of_merges(
    repository: Repository, tmp_path: Path, store: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    put(repository, make_wheel(tmp_path))
    put(repository, make_wheel(tmp_path, "other"))
    before = repository.branch.tip()
    leave(repository)
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"@{clock.now} +0000")
    merge = git(store, "commit-tree", "-p", str(before), "-p", "wharf/main", "-m", "merged", "wharf/main^{tree}")
    git(store, "update-ref", "refs/heads/wharf/main", merge)
    with Path("~/.gitconfig").expanduser().open("a") as file:
        file.write(f"[log]\n\tdiffMerges = {kind}\n")
    assert kept(repository) == {WHEEL: 90 * DAY}
    assert verify(repository, repair=True).ok
    assert stored(store) == [WHEEL, "other-1.0-py3-none-any.whl"]
