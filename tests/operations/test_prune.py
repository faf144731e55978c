"""prune on a store in a folder: what leaves, what stays named elsewhere, and when bytes go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.index.test_branch import edit_by_hand, git
from tests.makers import make_sdist, make_wheel
from tests.operations.test_kept_by_past import Clock, clock  # noqa: F401, TC001 - a fixture needs what it names
from tests.operations.test_operations import put, stored
from wharf.errors import StorageError
from wharf.index.branch import Branch
from wharf.index.wharf_toml_change import parse_setting
from wharf.operations import manage_indexes
from wharf.operations.index_settings import set_settings
from wharf.operations.prune import Pruned, planned, prune
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.remove import remove
from wharf.operations.verify import verify
from wharf.repository.opening import Repository, open_repository
from wharf.repository.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wharf.index.change import Named

KEEP_ONE = 'retention=[{names = ["demo"], keep-newest = 1}]'


def rules(repository: Repository, *settings: str) -> None:
    set_settings(repository, tuple(parse_setting(each) for each in (KEEP_ONE, *settings)))


def versions(found: Pruned) -> list[str]:
    return [each.release.version for each in found.decision.dropped]


def names(files: Sequence[Named]) -> list[str]:
    return sorted(each.file.filename for each in files)


@pytest.fixture
def three(repository: Repository, tmp_path: Path, clock: Clock) -> Repository:  # noqa: F811
    """demo 1.0, 2.0 and 3.0, the first one with two files, and another project."""
    del clock
    put(repository, make_wheel(tmp_path), make_sdist(tmp_path), make_wheel(tmp_path, "other"))
    put(repository, *(make_wheel(tmp_path, version=version) for version in ("2.0", "3.0")))
    return repository


def test_what_the_rules_do_not_keep_leaves_by_one_commit_and_its_bytes_stay(three: Repository, store: Path) -> None:
    rules(three)
    before = three.branch.tip()
    plan = planned(three)
    assert (plan.commit, three.branch.tip()) == (None, before)
    done = prune(three)
    assert done.commit == three.branch.tip()
    assert versions(plan) == versions(done) == ["1.0", "2.0"]
    assert (names(plan.later), plan.freed) == (names(done.later), ())
    assert len(done.later) == 3
    assert len(stored(store)) == 5
    assert three.branch.snapshot().overview() == {"demo": ("3.0",), "other": ("1.0",)}
    assert git(store, "log", "-1", "--format=%s", "wharf/main") == "prune demo 1.0, demo 2.0"
    assert {entry.verb for entry in three.branch.history() if entry.commit == done.commit} == {"prune"}
    again = prune(three)
    assert (again.commit, again.is_nothing) == (None, True)
    found = verify(three)
    assert (found.ok, {each.kind for each in found.leftovers}) == (True, {"kept-for-past"})


def test_a_later_prune_deletes_the_bytes_when_their_time_is_over(three: Repository, store: Path, clock: Clock) -> None:  # noqa: F811
    rules(three)
    prune(three)
    clock.forward(89)
    assert prune(three).freed == ()
    clock.forward(1)
    assert names(planned(three).freed) == names(prune(three).freed) != []
    assert stored(store) == ["demo-3.0-py3-none-any.whl", "other-1.0-py3-none-any.whl"]
    assert planned(three).is_nothing
    assert verify(three).leftovers == ()


def test_where_no_past_is_kept_the_bytes_go_at_once(three: Repository, store: Path) -> None:
    rules(three, "keep-past=0d")
    plan, done = planned(three), prune(three)
    assert names(plan.freed) == names(done.freed)
    assert (plan.later, done.later, done.kept) == ((), (), ())
    assert stored(store) == ["demo-3.0-py3-none-any.whl", "other-1.0-py3-none-any.whl"]


def test_a_name_that_left_takes_the_same_bytes_only_and_they_are_there_again(three: Repository, tmp_path: Path) -> None:
    rules(three, "keep-past=0d")
    prune(three)
    set_settings(three, (parse_setting("retention="),))
    put(three, make_wheel(tmp_path))
    assert verify(three).ok
    assert three.branch.snapshot().overview()["demo"] == ("1.0", "3.0")


@pytest.mark.slow
def test_what_another_index_names_stays_in_this_one_too(three: Repository, tmp_path: Path, store: Path) -> None:
    rules(three, "keep-past=0d")
    manage_indexes.create(three.of_index("staging"), ())
    with open_repository(Settings(place=store, index="staging")) as staging:
        put(staging, make_wheel(tmp_path, version="2.0"))
        assert versions(prune(three)) == ["1.0"]
        manage_indexes.remove(staging)
        assert versions(prune(three)) == [], "a removed index can be restored"
        manage_indexes.restore(staging)
        remove(staging, "demo", "2.0", None, reason="", actor="ada")
    assert versions(prune(three)) == ["2.0"]
    assert len(stored(store)) == 2


def test_the_past_of_another_index_keeps_bytes(three: Repository, tmp_path: Path, store: Path) -> None:
    rules(three, "keep-past=0d")
    manage_indexes.create(three.of_index("staging"), ())
    with open_repository(Settings(place=store, index="staging")) as staging:
        rules(staging)
        put(staging, *(make_wheel(tmp_path, version=version) for version in ("2.5", "9.0")))
        assert versions(prune(staging)) == ["2.5"]
    put(three, make_wheel(tmp_path, version="2.5"))
    done = prune(three)
    assert (versions(done), names(done.later)) == (["1.0", "2.0", "2.5"], ["demo-2.5-py3-none-any.whl"])
    assert "demo-2.5-py3-none-any.whl" in stored(store)


def test_a_rule_is_decided_on_the_tip_that_the_commit_meets(
    three: Repository, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the commit somebody publishes 4.0, so that 3.0 goes, too."""
    rules(three)
    real = Branch._land
    came: list[int] = []

    def land(self: Branch, *words: object) -> object:
        if not came:
            came.append(1)
            with open_repository(Settings(place=store)) as other:
                publish(other, [Input.of(make_wheel(tmp_path, version="4.0"))], actor="bob")
        return real(self, *words)  # type: ignore[arg-type]

    monkeypatch.setattr(Branch, "_land", land)
    assert versions(prune(three)) == ["1.0", "2.0", "3.0"]


def test_a_project_with_a_record_that_cannot_be_read_stays_and_is_named(three: Repository, store: Path) -> None:
    rules(three)
    edit_by_hand(store, "projects/de/demo/2.0/release.json", b"{oops")
    done = prune(three)
    assert (done.commit, versions(done)) == (None, [])
    assert [project for project, _ in done.decision.skipped] == ["demo"]


def test_an_index_that_cannot_be_read_stops_a_prune(three: Repository, store: Path) -> None:
    rules(three)
    manage_indexes.create(three.of_index("staging"), ())
    edit_by_hand(store, "wharf.toml", b"format = 9\n", index="staging")
    with pytest.raises(StorageError, match="format = 9"):
        prune(three)


def test_a_past_that_cannot_be_read_keeps_all_bytes(three: Repository, store: Path, tmp_path: Path) -> None:
    rules(three)
    path = "projects/ot/other/1.0/release.json"
    good = git(store, "show", f"wharf/main:{path}")
    edit_by_hand(store, path, b"{oops")
    edit_by_hand(store, path, good.encode())
    set_settings(three, (parse_setting("keep-past=1h"),))
    done = prune(three)
    assert versions(done) == ["1.0", "2.0"]
    assert (done.freed, len(stored(store))) == ((), 5)
    assert "cannot be read" in done.reason


def test_without_rules_nothing_leaves_and_no_other_index_is_read(three: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wharf.operations.prune._Others", None)
    assert (prune(three).commit, planned(three).decision.rules) == (None, 0)


def test_bytes_that_a_removal_left_go_with_the_next_prune(
    three: Repository, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules(three)
    with monkeypatch.context() as patch:
        patch.setattr("wharf.operations.remove.delete_bytes", lambda _repository, left: (tuple(left), "killed"))
        remove(three, "other", "1.0", None, reason="", actor="ada")
    assert "other-1.0-py3-none-any.whl" in stored(store)
    assert names(prune(three).freed) == ["other-1.0-py3-none-any.whl"]
    assert "other-1.0-py3-none-any.whl" not in stored(store)
