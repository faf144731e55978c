"""Indexes that are removed and come back: the same in a folder, with git push and with the API; nothing is lost meanwhile."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from tests.github.test_remote_branch import WHY, Place, Raced, _at_once, clone, git, hub, number, place, repo, token
from tests.index.test_change import A, add, new
from tests.matrix import first
from wharf.errors import NoIndexError
from wharf.index.index_name import BRANCHES, REMOVED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.simulator import Hub, Repo
    from wharf.index.branch import Branch
    from wharf.index.change import Outcome, Records

__all__ = ["_at_once", "hub", "place", "repo", "token"]  # fixtures


def refs(place: Place) -> dict[str, str]:
    """Where the refs of indexes are, in the repository itself."""
    lines = git(place.git_dir, "for-each-ref", "--format=%(refname) %(objectname)", BRANCHES, REMOVED).splitlines()
    return {line.split()[0]: line.split()[1] for line in lines}


def tip(branch: Branch) -> str:
    found = branch.tip()
    assert found is not None
    return found


def filled(place: Place, index: str = "staging") -> Branch:
    branch = place.open(index=index)
    branch.commit(add(new()), WHY)
    return branch


class Beside:
    """A change that was decided from another index at a commit, and from the one that it is at when it is applied again."""

    def __init__(self, commits: Callable[[], dict[str, str]]) -> None:
        self.change, self.commits, self.tries = number(1), commits, 0

    @property
    def touched(self) -> list[tuple[str, str]]:
        return []

    def apply(self, records: Records) -> Outcome:
        self.tries += 1
        return dataclasses.replace(self.change.apply(records), beside=self.commits())


@pytest.mark.slow
def test_a_removed_index_comes_back_as_it_was(place: Place) -> None:
    branch = filled(place)
    before, commit = refs(place), tip(branch)
    assert branch.remove(commit, {})
    assert refs(place) == {f"{REMOVED}staging": commit}
    assert (branch.tip(), branch.indexes(), branch.all_names()) == (None, [], ([], ["staging"]))
    with branch.sibling("staging", removed=True) as removed:
        removed.fetch()
        assert removed.snapshot().names() == ("demo",)
    other = place.open("another", index="staging")
    assert other.all_names() == ([], ["staging"])
    assert other.restore(commit, {})
    assert refs(place) == before
    branch.fetch()
    assert branch.tip() == commit
    assert branch.commit(number(1), WHY).commit
    assert branch.snapshot().names() == ("demo", "p1")


@pytest.mark.slow
def test_the_name_of_a_removed_index_is_nobody_elses(place: Place) -> None:
    branch, other = filled(place), place.open("another", index="staging")
    commit = tip(branch)
    assert branch.remove(commit, {})
    other.fetch()
    for act in (lambda: other.commit(number(1), WHY), lambda: other.begin("bob"), lambda: branch.begin("bob")):
        with pytest.raises(NoIndexError, match="was removed") as caught:
            act()
        assert "`wharf index restore staging`" in caught.value.hint
    assert refs(place) == {f"{REMOVED}staging": commit}


@pytest.mark.slow
def test_a_publish_that_meets_a_removal_fails_and_makes_nothing(place: Place) -> None:
    branch, rival = filled(place), place.open("rival", index="staging")
    commit = tip(branch)
    with pytest.raises(NoIndexError, match="was removed"):
        branch.commit(Raced(number(1), lambda: rival.remove(commit, {})), WHY)
    assert refs(place) == {f"{REMOVED}staging": commit}


@pytest.mark.slow
def test_a_removal_that_meets_a_publish_does_nothing(place: Place) -> None:
    branch, rival = filled(place), place.open("rival", index="staging")
    commit = tip(branch)
    later = rival.commit(number(1), WHY).commit
    assert not branch.remove(commit, {})
    assert refs(place) == {f"{BRANCHES}staging": later}
    branch.fetch()
    assert branch.remove(tip(branch), {})
    assert refs(place) == {f"{REMOVED}staging": later}


@pytest.mark.slow
def test_of_two_who_remove_or_restore_one_does(place: Place) -> None:
    branch, rival = filled(place), place.open("rival", index="staging")
    commit = tip(branch)
    rival.fetch()
    assert branch.remove(commit, {})
    assert not rival.remove("0" * 39 + "1", {})
    assert refs(place) == {f"{REMOVED}staging": commit}
    assert branch.restore(commit, {})
    assert not rival.restore("0" * 39 + "1", {})
    assert refs(place) == {f"{BRANCHES}staging": commit}


@pytest.mark.slow
def test_another_removed_index_of_the_same_name_is_not_overwritten(place: Place) -> None:
    branch, main = filled(place), filled(place, "main")
    main.commit(number(1), WHY)
    git(place.git_dir, "update-ref", f"{REMOVED}staging", tip(main))
    before = refs(place)
    assert not branch.remove(tip(branch), {})
    assert refs(place) == before


@pytest.mark.slow
def test_what_was_decided_from_another_index_is_decided_again_if_that_moved(place: Place) -> None:
    branch, main = filled(place), filled(place, "main")
    old, commit = tip(main), tip(branch)
    new_tip = main.commit(number(2), WHY).commit
    branch.fetch()
    assert not branch.remove(commit, {"main": old})
    assert refs(place)[f"{BRANCHES}staging"] == commit
    seen = [old]

    def now() -> dict[str, str]:
        return {"main": seen.pop() if seen else tip(main)}

    change = Beside(now)
    assert branch.commit(change, WHY).commit
    assert change.tries > 1
    branch.indexes()  # which brings them all
    assert branch.remove(tip(branch), {"main": new_tip or ""})
    assert refs(place) == {f"{BRANCHES}main": new_tip, f"{REMOVED}staging": branch.sibling("staging", removed=True).tip()}


@pytest.mark.slow
def test_a_change_that_was_decided_from_a_removed_index_is_decided_again(place: Place) -> None:
    filled(place, "main")
    branch, base = filled(place), place.open("rival")
    commit = tip(base)

    def gone() -> dict[str, str]:
        if base.tip() is not None:
            base.remove(commit, {})
            return {"main": commit}
        return {}

    change = Beside(gone)
    assert branch.commit(change, WHY).commit
    assert change.tries == 2


@pytest.mark.slow
def test_siblings_are_read_by_one_git(place: Place) -> None:
    branch = filled(place)
    filled(place, "main")
    main = branch.sibling("main")
    main.fetch()
    assert main._objects is branch._objects
    with main:
        assert main.snapshot().names() == ("demo",)
    assert branch._objects._process is not None, "whoever closes a sibling must not end the git of the branch"
    branch.close()
    assert branch._objects._process is None


@pytest.mark.slow
def test_the_settings_of_all_indexes_are_read_at_once_and_a_broken_one_is_named(place: Place) -> None:
    branch = filled(place)
    filled(place, "main")
    script = (
        "commit refs/heads/wharf/broken\ncommitter x <x> 0 +0000\ndata 0\n"
        "M 100644 inline wharf.toml\ndata 10\nformat = 2\n\n"
        "commit refs/heads/wharf/none\ncommitter x <x> 0 +0000\ndata 0\n"
    )
    git(place.git_dir, "fast-import", "--quiet", data=script.encode())
    states = branch.states()
    assert sorted(states) == ["broken", "main", "none", "staging"]
    assert states["staging"].commit == branch.tip()
    assert states["main"].settings is not None
    assert "format = 2" in states["broken"].problem
    assert "missing" in states["none"].problem
    assert (states["broken"].settings, states["none"].settings) == (None, None)


# On GitHub alone.


@pytest.mark.slow
@pytest.mark.parametrize("fault", first(1, ["lose", "drop", "503"]))
def test_a_removal_whose_answer_is_lost_is_looked_up(hub: Hub, repo: Repo, token: str, tmp_path: Path, fault: str) -> None:
    with clone(hub, tmp_path / "a", token, index="staging") as branch:
        branch.fetch()
        branch.commit(add(new()), WHY)
        commit = tip(branch)
        hub.fault(r"POST .*git-receive-pack", fault)
        assert branch.remove(commit, {})
        hub.fault(r"POST .*git-receive-pack", fault)
        assert branch.restore(commit, {})
    assert git(repo.git_dir, "rev-parse", "wharf/staging").strip() == commit


@pytest.mark.slow
def test_another_clone_learns_of_a_removal(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    with clone(hub, tmp_path / "a", token) as main, clone(hub, tmp_path / "b", token, index="staging") as staging:
        main.fetch()
        main.commit(add(new(sha256=A)), WHY)
        staging.fetch()
        staging.commit(number(1), WHY)
        assert main.all_names() == (["main", "staging"], [])
        staging.remove(tip(staging), {})
        assert main.all_names() == (["main"], ["staging"])
        assert main.sibling("staging").tip() is None
        assert main.sibling("staging", removed=True).snapshot().names() == ("p1",)
