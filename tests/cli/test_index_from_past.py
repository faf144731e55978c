"""`wharf index create NAME --at WHEN`: a moment gets a name."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_at_option import index  # noqa: F401 - a fixture
from tests.makers import make_sdist, make_wheel

if TYPE_CHECKING:
    from tests.dated_index import DatedIndex


def git(index: DatedIndex, *words: str) -> str:  # noqa: F811
    return subprocess.run(
        ["git", f"--git-dir={index.git_dir}", *words], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.slow
def test_the_new_index_is_that_moment_and_shares_its_history(index: DatedIndex) -> None:  # noqa: F811
    then = index("list", "--at", "2024-03-13")
    before = git(index, "rev-parse", "wharf/main")
    if index.hub is not None:
        index.hub.calls.clear()
    made = index("index", "create", "spring", "--at", "2024-03-13", on="04-01")
    assert made["commit"] == then["at"]["commit"] == git(index, "rev-parse", "wharf/spring")
    assert made["at"] == {"moment": "2024-03-13", "commit": made["commit"]}
    assert (made["from"], made["bases"], made["left_out"], made["settings_of_today"]) == ("main", [], [], [])
    if index.hub is not None:
        assert not [call.path for call in index.hub.calls if "receive-pack" in call.path], "no history is pushed"
    assert index("list", "--index", "spring")["projects"] == then["projects"]
    assert not any(each.get("yanked") for each in index("show", "demo", "--index", "spring")["files"])
    assert git(index, "rev-parse", "wharf/main") == before
    index("publish", make_wheel(index.root, version="3.0"), "--index", "spring", on="04-02")
    assert index("list")["projects"][0]["versions"] == ["1.0", "2.0"]
    assert [each["verb"] for each in index("log", "--index", "spring")["entries"]][:2] == ["publish", "publish"]
    assert index("verify", "--index", "spring")["ok"]


@pytest.mark.slow
def test_what_was_removed_for_ever_is_named_and_its_name_stays_taken(index: DatedIndex) -> None:  # noqa: F811
    name = "demo-1.0.tar.gz"
    index("remove", "demo==1.0", name, "--yes", "--reason", "a secret inside", on="03-16")
    made = index("index", "create", "spring", "--at", "2024-03-13", on="04-01")
    (left,) = made["left_out"]
    assert (left["filename"], left["project"], left["version"]) == (name, "demo", "1.0")
    assert "removed it for ever" in left["reason"]
    assert made["commit"] != made["at"]["commit"] == git(index, "rev-parse", "wharf/spring~1")
    assert name not in [each["filename"] for each in index("show", "demo", "--index", "spring")["files"]]
    (entry,) = index("log", "-n", "1", "--index", "spring")["entries"]
    assert (entry["verb"], entry["reason"]) == ("remove", f"As at {made['at']['commit'][:12]}.")
    assert index("verify", "--index", "spring")["ok"]
    other = make_sdist(index.root / "other", content="other bytes")
    assert index("publish", other, "--index", "spring", code=5)["error"]["code"] == "conflict"
    out, _ = index.said("index", "create", "again", "--at", "2024-03-13", on="04-01")
    assert f"left out {name}: " in out


@pytest.mark.slow
def test_what_was_left_out_comes_back_by_no_detour_although_its_bytes_are_stored(index: DatedIndex) -> None:  # noqa: F811
    name = "demo-1.0.tar.gz"
    index("index", "create", "keeper", "--at", "2024-03-13", on="03-15")
    index("remove", "demo==1.0", name, "--yes", "--reason", "a secret inside", on="03-16")
    commit = index("index", "create", "spring", "--at", "2024-03-13", on="04-01")["at"]["commit"]
    again = index("index", "create", "again", "--from", "spring", "--at", commit, on="04-02")
    assert [each["filename"] for each in again["left_out"]] == [name]
    restored = index("restore", "--to", commit, "--yes", "--index", "spring", on="04-03")
    assert ([*restored["back"]], [each["filename"] for each in restored["lost"]]) == ([], [name])


@pytest.mark.slow
def test_going_back_takes_no_right_away_and_gives_none(index: DatedIndex) -> None:  # noqa: F811
    index("index", "settings", "main", "--set", 'reserved=["acme-*"]', "--set", "metadata-assets=true", on="03-20")
    made = index("index", "create", "spring", "--at", "2024-03-13", on="04-01")
    assert made["settings_of_today"] == ["reserved"]
    shown = index("index", "show", "spring")
    assert (shown["settings"]["reserved"], shown["settings"]["metadata-assets"]) == (["acme-*"], True)
    out, _ = index.said("index", "create", "again", "--at", "2024-03-13", on="04-01")
    assert "as in 'main' today: reserved" in out


@pytest.mark.slow
def test_a_project_that_is_quarantined_today_is_so_in_the_new_index(index: DatedIndex) -> None:  # noqa: F811
    index("status", "demo", "quarantined", "--reason", "looks compromised", on="03-20")
    index("status", "other", "deprecated", on="03-20")
    made = index("index", "create", "spring", "--at", "2024-03-13", on="04-02")
    assert made["commit"] != made["at"]["commit"]
    shown = {name: index("show", name, "--index", "spring")["project-status"] for name in ("demo", "other")}
    assert shown["demo"] == {"status": "quarantined", "reason": "looks compromised"}
    assert shown["other"]["status"] == "deprecated"
    assert index("show", "demo", "--at", "2024-03-13").get("project-status", {"status": "active"})["status"] == "active"
    index("status", "demo", "active", on="04-03")
    made = index("index", "create", "summer", "--at", "2024-03-21", on="04-04")
    assert index("show", "demo", "--index", "summer").get("project-status", {"status": "active"})["status"] == "active"


@pytest.mark.slow
def test_a_moment_of_a_stage_has_its_bases(index: DatedIndex) -> None:  # noqa: F811
    index("index", "create", "staging", "--base", "main", on="03-13")
    index("publish", make_wheel(index.root, name="fresh"), "--index", "staging", on="03-14")
    made = index("index", "create", "spring", "--at", "2024-03-14T13:00:00Z", "--from", "staging", on="04-01")
    assert (made["bases"], made["from"]) == (["main"], "staging")
    names = [each["name"] for each in index("list", "--bases", "--index", "spring")["projects"]]
    assert names == ["demo", "fresh", "other"]
    made = index("--index", "staging", "index", "create", "later", "--at", made["commit"][:10], on="04-01")
    assert made["from"] == "staging"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["main", "--at", "2024-03-13"], 2, "cannot begin as itself"),
        (["spring", "--at", "2024-03-13", "--from", "spring"], 2, "cannot begin as itself"),
        (["spring", "--at", "2024-03-13", "--base", "main"], 2, "the bases of its source"),
        (["spring", "--from", "main"], 2, "--at is about"),
        (["latest", "--at", "2024-03-13"], 2, "addresses use that word"),
        (["spring", "--at", "2024-03-01"], 4, "There was no index 'main'"),
        (["spring", "--at", "0" * 40], 4, "never the tip"),
        (["spring", "--at", "tomorrow"], 2, "no moment"),
        (["spring", "--at", "2024-03-13", "--from", "mian"], 4, "There is no index 'mian'"),
        (["spring", "--at", "2024-03-13", "--from", "a/b"], 2, "cannot be the name"),
    ],
)
def test_what_cannot_be_made_is_told(index: DatedIndex, words: list[str], code: int, said: str) -> None:  # noqa: F811
    error = index("index", "create", *words, code=code)["error"]
    assert said in error["message"]
    assert error["hint"]
    assert "wharf/spring" not in git(index, "for-each-ref", "--format=%(refname:short)")


@pytest.mark.slow
def test_a_name_that_is_taken_stays_what_it_is(index: DatedIndex) -> None:  # noqa: F811
    index("index", "create", "spring", on="03-20")
    assert "There is an index 'spring'" in index("index", "create", "spring", "--at", "2024-03-13", code=5)["error"]["message"]
    index("index", "remove", "spring", "--yes", on="03-21")
    assert "nothing else gets its name" in index("index", "create", "spring", "--at", "2024-03-13", code=5)["error"]["message"]


@pytest.mark.slow
def test_whoever_is_quicker_has_the_name(index: DatedIndex) -> None:  # noqa: F811
    """On GitHub, between the look at the names and the call that makes the branch."""
    if index.hub is None:
        pytest.skip("in a folder both are one step of git")
    tip = git(index, "rev-parse", "wharf/main")
    index.hub.before("POST .*/git/refs", lambda: git(index, "update-ref", "refs/heads/wharf/spring", tip))
    error = index("index", "create", "spring", "--at", "2024-03-11", code=5)["error"]
    assert "There is an index 'spring'" in error["message"]
    assert git(index, "rev-parse", "wharf/spring") == tip
