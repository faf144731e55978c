"""`wharf remove` of many releases: what a glob and an age stand for, what is asked, and what is told of what is gone."""

# ruff: noqa: F811 - a fixture is asked for by the name under which it is imported
from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_main import Run, document, run  # noqa: F401
from tests.index.test_branch import edit_by_hand, git
from tests.makers import make_sdist, make_wheel
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.removal_choice import WantedRemoval, choose
from wharf.operations.remove import remove_all

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.repository.opening import Repository

VERSIONS = ("1.0", "1.1.dev1", "1.1.dev2", "1.1", "2.0.dev1")


@pytest.fixture
def nightly(run: Run, store: Path, tmp_path: Path) -> Path:
    """A store with final and dev releases, of which two dev releases were uploaded long ago."""
    for version in VERSIONS:
        run("publish", make_wheel(tmp_path, "nightly", version))
    for version in ("1.1.dev1", "2.0.dev1"):
        age(store, "nightly", version)
    return store


def age(store: Path, project: str, version: str) -> None:
    path = f"projects/{project[:2]}/{project}/{version}/release.json"
    text = git(store, "show", f"wharf/main:{path}")
    edit_by_hand(store, path, re.sub(r'"upload-time":"[^"]+"', '"upload-time":"2020-01-01T00:00:00.000000Z"', text).encode())


def left(run: Run) -> list[str]:
    return next((each["versions"] for each in document(run("list", "--json"))["projects"] if each["name"] == "nightly"), [])


def stored(store: Path) -> list[str]:
    return sorted(path.name for path in (store / "assets").rglob("*") if path.is_file())


@pytest.mark.slow
def test_a_glob_is_over_versions_in_their_normal_form(run: Run, nightly: Path, tmp_path: Path) -> None:
    run("publish", make_sdist(tmp_path, "nightly", "3.0DEV4"))
    said = document(run("remove", "Nightly==*.dev*", "--yes", "--json"))
    assert {each["version"] for each in said["removed"]} == {"1.1.dev1", "1.1.dev2", "2.0.dev1", "3.0.dev4"}
    assert left(run) == ["1.0", "1.1"]
    assert len(stored(nightly)) == 2
    assert git(nightly, "log", "-1", "--format=%s", "wharf/main").strip() == "remove 4 releases of 1 project"


@pytest.mark.slow
def test_only_releases_whose_newest_file_is_old_enough_leave(run: Run, nightly: Path, tmp_path: Path) -> None:
    run("publish", make_sdist(tmp_path, "nightly", "2.0.dev1"))
    said = document(run("remove", "nightly==*.dev*", "--older-than", "30d", "--yes", "--json"))
    assert [each["version"] for each in said["removed"]] == ["1.1.dev1"]
    assert [each["version"] for each in said["younger"]] == ["1.1.dev2", "2.0.dev1"]
    assert left(run) == ["1.0", "1.1.dev2", "1.1", "2.0.dev1"]
    assert "2 release(s) that are younger than 30d" in run("remove", "nightly==*.dev*", "--older-than", "30d", "--yes")
    assert "younger than 4w" in run("remove", "nightly==1.0", "--older-than", "4w", "--yes")


@pytest.mark.slow
def test_a_glob_that_matches_nothing_is_an_error_but_with_an_age(run: Run, nightly: Path) -> None:
    told = run("remove", "nightly==9.*", "--yes", code=4)
    assert "No version of nightly matches '9.*'" in told
    assert "wharf show nightly" in told
    before = git(nightly, "rev-parse", "wharf/main")
    assert document(run("remove", "nightly==9.*", "--older-than", "1h", "--yes", "--json"))["removed"] == []
    assert "Did you mean nightly?" in run("remove", "nightl==9.*", "--older-than", "1h", "--yes", code=4)
    assert git(nightly, "rev-parse", "wharf/main") == before


@pytest.mark.slow
def test_the_same_glob_again_finds_nothing_and_says_so(run: Run, nightly: Path) -> None:
    run("remove", "nightly==*.dev*", "--yes")
    before = git(nightly, "rev-parse", "wharf/main")
    assert "All 3 release(s) that match nightly==*.dev* left" in run("remove", "nightly==*.dev*", "--yes")
    assert git(nightly, "rev-parse", "wharf/main") == before


@pytest.mark.slow
def test_several_releases_leave_with_one_commit_or_none_does(run: Run, nightly: Path, tmp_path: Path) -> None:
    run("publish", make_wheel(tmp_path, "other", "2.1"))
    before = git(nightly, "rev-parse", "wharf/main").strip()
    assert "other has no version 3" in run("remove", "nightly==1.0", "other==3", "--yes", code=4)
    assert git(nightly, "rev-parse", "wharf/main").strip() == before
    run("remove", "nightly==1.0", "other==2.1", "nightly==1.0.0", "--yes", "--reason", "wrong branch")
    assert git(nightly, "rev-parse", "wharf/main~1").strip() == before
    assert "wrong branch" in git(nightly, "log", "-1", "--format=%B", "wharf/main")


@pytest.mark.slow
def test_what_is_gone_already_is_no_error_beside_what_leaves(run: Run, nightly: Path) -> None:
    run("remove", "nightly==1.0", "--yes")
    told = run("remove", "nightly==1.0", "nightly==1.1", "--yes").splitlines()
    assert told[:2] == ["removed nightly-1.1-py3-none-any.whl", "gone already: nightly-1.0-py3-none-any.whl"]
    said = document(run("remove", "nightly==1.0", "nightly==1.1", "--yes", "--json"))
    assert said["removed"] == []
    assert [each["filename"] for each in said["gone"]] == ["nightly-1.0-py3-none-any.whl", "nightly-1.1-py3-none-any.whl"]


@pytest.mark.slow
def test_one_question_lists_some_of_what_leaves_and_counts_all(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    wheels = [make_wheel(tmp_path, "nightly", f"1.0.dev{number}") for number in range(25)]
    run("publish", *wheels)
    monkeypatch.setattr("wharf.cli.state.sys.stdin.isatty", lambda: True, raising=False)
    asked: list[str] = []
    monkeypatch.setattr("click.confirm", lambda question, **_: asked.append(question))
    told = run("remove", "nightly==1.*", code=130)
    assert asked == ["Delete 25 releases of 1 project(s) with 25 file(s) for ever?"]
    assert told.count("nightly 1.0.dev") == 20
    assert "and 5 more releases" in told
    assert len(stored(store)) == 25


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nightly==*.dev*", "nightly-1.0.tar.gz"), "may be several releases"),
        (("nightly==1.0", "nightly==1.1", "nightly-1.0.tar.gz"), "names no version"),
        (("nightly==1 *",), "is no glob over versions"),
        (("nightly==*\x1b[0m",), "is no glob over versions"),
        (("nightly==*", "--older-than", "30"), "no span of time"),
        (("nightly==*", "--older-than", "0d"), "no span of time"),
        (("nigh*==1.0",), "not the name of a project"),
        (("nigh*==1.*",), "not the name of a project"),
    ],
)
def test_what_stands_for_nothing_is_refused(run: Run, words: tuple[str, ...], told: str) -> None:
    assert told in run("remove", *words, "--yes", code=2)


def test_what_is_published_after_the_choice_stays(repository: Repository, tmp_path: Path) -> None:
    publish(repository, [Input.of(make_wheel(tmp_path, version="1.0.dev1"))], actor="ada")
    chosen = choose(repository.branch.snapshot(), [WantedRemoval(project="demo", version="1.*", is_glob=True)])
    publish(repository, [Input.of(make_sdist(tmp_path, version="1.0.dev1"))], actor="ada")
    publish(repository, [Input.of(make_wheel(tmp_path, version="1.0.dev2"))], actor="ada")
    remove_all(repository, chosen.leaving, reason="", actor="bob")
    project = repository.branch.snapshot().project("demo")
    assert project is not None
    assert [file.filename for file in project.files] == ["demo-1.0.dev1.tar.gz", "demo-1.0.dev2-py3-none-any.whl"]


@pytest.mark.slow
def test_a_record_that_cannot_be_read_stops_a_glob_and_is_named(run: Run, nightly: Path) -> None:
    edit_by_hand(nightly, "projects/ni/nightly/1.1.dev1/release.json", json.dumps({"oops": 1}).encode())
    assert "projects/ni/nightly/1.1.dev1/release.json" in run("remove", "nightly==*.dev*", "--yes", code=8)
    run("remove", "nightly==1.0", "--yes")


@pytest.mark.slow
def test_what_a_prune_left_stored_is_told_of_once(run: Run, nightly: Path) -> None:
    run("index", "settings", "main", "--set", 'retention=[{names=["nightly"],keep-newest=1}]')
    run("prune", "--yes")
    told = run("remove", "nightly==1.0", "--yes").splitlines()
    assert [line for line in told if "nightly-1.0" in line] == ["removed nightly-1.0-py3-none-any.whl"]
