"""`--at WHEN` of list, show, verify and build: the index as it was, in a folder and over GitHub."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.dated_index import DatedIndex
from tests.index.test_branch import edit_by_hand
from tests.makers import make_sdist, make_wheel
from tests.matrix import first
from tests.simulator import Hub
from wharf.pages.page_format import Format
from wharf.site import layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=first(2, ["folder", "github"]))
def index(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[DatedIndex]:
    """demo 1.0 came on the 10th of March 2024, 2.0 and `other` on the 12th, 1.0 was yanked on the 14th."""
    if request.param == "folder":
        made = DatedIndex(tmp_path, None, monkeypatch, capsys)
        _fill(made)
        yield made
        return
    with Hub(tmp_path / "hub") as hub:
        made = DatedIndex(tmp_path, hub, monkeypatch, capsys)
        made("init", on="03-09")
        _fill(made)
        yield made


def _fill(index: DatedIndex) -> None:
    index("publish", make_wheel(index.root, version="1.0"), make_sdist(index.root, version="1.0"), on="03-10")
    index("publish", make_wheel(index.root, version="2.0"), make_wheel(index.root, name="other"), on="03-12")
    index("yank", "demo==1.0", "--reason", "loses data", on="03-14")


@pytest.mark.slow
def test_list_and_show_have_what_was_there(index: DatedIndex) -> None:
    first, second, third = commits(index)
    assert index("list", "--at", "2024-03-11") == {
        "projects": [{"name": "demo", "versions": ["1.0"]}],
        "at": {"moment": "2024-03-11", "time": "2024-03-11T00:00:00Z", "commit": first},
    }
    for when in ("2024-03-12T12:00:30Z", second, second[:9]):
        said = index("list", "--at", when)
        assert [each["versions"] for each in said["projects"]] == [["1.0", "2.0"], ["1.0"]]
        assert (said["at"]["commit"], said["at"]["moment"]) == (second, when)
    shown = index("show", "demo==1.0", "--at", "2024-03-13")
    assert [each.get("yanked", False) for each in shown["files"]] == [False, False]
    assert shown["_at"]["commit"] == second
    assert [each["yanked"] for each in index("show", "demo==1.0", "--at", "2024-03-15")["files"]] == ["loses data"] * 2
    assert "_at" not in index("show", "demo")
    out, err = index.said("list", "--at", "2024-03-11")
    assert out == "demo 1.0\n"
    assert err == f"The index 'main' as it was at 2024-03-11 00:00:00 UTC: commit {first}.\n"
    assert third == index("list", "--at", "2024-03-15")["at"]["commit"]


def commits(index: DatedIndex) -> list[str]:
    """The commits after the one that began the index, the oldest one first."""
    return list(dict.fromkeys(each["commit"] for each in index("log")["entries"]))[:3][::-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("when", "code", "said"),
    [
        ("2024-02-30", 2, "no date"), ("yesterday", 2, "no moment"), ("9999-01-01", 2, "ahead of now"), ("--", 2, "no moment"),
        ("2024-03-01", 4, "There was no index 'main'"), ("0" * 40, 4, "never the tip"), ("HEAD~1", 2, "no moment"),
    ],
)  # fmt: skip
def test_a_moment_that_cannot_be_is_told(index: DatedIndex, when: str, code: int, said: str) -> None:
    for words in (["list"], ["show", "demo"], ["verify"], ["build", index.root / "site"]):
        error = index(*words, f"--at={when}", code=code)["error"]
        assert said in error["message"]
        assert error["hint"]
    assert not (index.root / "site").exists()


@pytest.mark.slow
def test_a_project_that_came_later_is_not_found_and_an_index_that_was_not_there_is_named(index: DatedIndex) -> None:
    error = index("show", "other", "--at", "2024-03-11", code=4)["error"]
    assert "--at 2024-03-11" in error["hint"]
    index("index", "create", "staging", "--base", "main", on="03-13")
    said = index("list", "--index", "staging", "--bases", "--at", "2024-03-13T13:00:00Z")["projects"]
    assert [each["name"] for each in said] == ["demo", "other"]
    error = index("list", "--index", "staging", "--at", "2024-03-12", code=4)["error"]
    assert "It begins at 2024-03-13T12:0" in error["hint"]
    assert "Did you mean staging?" in index("list", "--index", "stagin", "--at", "2024-03-13", code=4)["error"]["hint"]


@pytest.mark.slow
def test_log_shows_a_line_a_commit_of_a_version_of_a_file_and_since_a_moment(index: DatedIndex) -> None:
    wheel, sdist = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"
    lines = index.said("log")[0].splitlines()
    assert [line.split("  ")[3] for line in lines[:3]] == [
        "yank demo 1.0: loses data",
        "publish demo 2.0, other 1.0",
        "publish demo 1.0",
    ]
    assert lines[0].startswith("2024-03-14 12:00 UTC  ")

    def verbs(*words: str) -> list[str]:
        return [each["verb"] for each in index("log", *words)["entries"]]

    assert verbs("-n", "1") == ["yank"]
    assert verbs("demo==v1.0.0") == verbs("demo==1", wheel) == verbs("demo==1", sdist) == ["yank", "publish"]
    assert verbs("demo", "-n", "2") == ["yank", "publish"]
    assert verbs("--since", "2024-03-12") == ["yank", "publish"]
    assert verbs("--since", "2024-03-13", "other") == verbs("--since", commits(index)[2]) == []
    assert index.said("log", "--since", "2024-03-20") == ("", "Nothing was changed since 2024-03-20.\n")
    assert "of demo 1." in index("log", "demo==1", "demo-1.0.zip", code=4)["error"]["message"]
    assert index("log", "demo", wheel, code=2)["error"]["hint"].startswith("Write it as in demo==1.0")
    assert index("log", "demo==3", code=4)["error"]["message"] == "The index never had demo 3."
    assert index("log", "-n", "0", code=2)


@pytest.mark.slow
def test_a_hostile_commit_is_one_line_and_moves_no_cursor(index: DatedIndex) -> None:
    if index.hub is not None:
        pytest.skip("a commit is the same wherever it came from")
    message = "edit\x1b[2J me\r\n\n\nsecond\u2028line\x07\n\nWharf-Run: \x1b]0;x\nWharf-Actor: eve\x1b[31m"
    edit_by_hand(index.root / "store", "wharf.toml", b"format = 1\n#\n", message=message, date="@99999999999999 +0000")
    out, _ = index.said("log", "-n", "2")
    first, second = out.splitlines()
    assert first.isprintable()
    assert first.startswith("9999-12-31 23:59 UTC  ")
    assert "second" in first
    assert second.startswith("2024-03-14 12:00 UTC  ")
    entry = index("log", "-n", "1")["entries"][0]
    assert (entry["time"], entry["releases"]) == ("9999-12-31T23:59:59Z", [])
    # It is dated ahead, so it counts from then on only.
    assert index("list", "--at", "2024-03-15")["at"]["commit"] != entry["commit"]
    assert index("list", "--at", entry["commit"])["at"]["time"] == "9999-12-31T23:59:59Z"


def pages(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_verify_names_what_was_taken_away_and_has_no_problem_with_it(index: DatedIndex) -> None:
    assert index("verify", "--at", "2024-03-13")["gone"] == []
    index("remove", "demo==1.0", "demo-1.0.tar.gz", "--yes", "--reason", "a secret inside", on="03-16")
    said = index("verify", "--at", "2024-03-13")
    assert (said["ok"], said["files"], said["problems"]) == (True, 4, [])
    (gone,) = said["gone"]
    assert (gone["project"], gone["version"], gone["filename"]) == ("demo", "1.0", "demo-1.0.tar.gz")
    assert (gone["verb"], gone["reason"]) == ("remove", "a secret inside")
    assert gone["commit"] == index("log", "-n", "1")["entries"][0]["commit"]
    assert said["at"]["moment"] == "2024-03-13"
    assert index("verify", "--at", "2024-03-17")["gone"] == []
    out, _ = index.said("verify", "--at", "2024-03-13")
    assert out.splitlines()[0].endswith(": a secret inside")
    assert "1 file(s) gone" in out


@pytest.mark.slow
def test_bytes_that_nobody_took_away_are_a_problem_of_the_past_too(index: DatedIndex) -> None:
    if index.hub is None:
        (path,) = (index.root / "store" / "assets").rglob("demo-1.0.tar.gz")
        path.unlink()
    else:
        for release in index.hub.repos["acme/pkgs"].releases:
            release.assets = [each for each in release.assets if each.name != "demo-1.0.tar.gz"]
    said = index("verify", "--at", "2024-03-13", code=8)
    assert [each["kind"] for each in said["problems"]] == ["missing-bytes"]
    assert said["gone"] == []
    assert "--at" in index("verify", "--at", "2024-03-13", "--repair", code=2)["error"]["message"]


@pytest.mark.slow
def test_a_site_of_the_past_is_that_of_then_and_the_next_build_brings_it_to_now(index: DatedIndex) -> None:
    now, site = index.root / "now", index.root / "site"
    index("build", "--with-files", now)
    first, second, _ = commits(index)
    said = index("build", "--with-files", site, "--at", "2024-03-11")
    assert (said["commit"], said["projects"], said["at"]["commit"]) == (first, 1, first)
    assert not (site / "simple" / "other").exists()
    said = index("build", "--with-files", site, "--at", second)
    assert (said["written"], said["deleted"]) == (2, 0)
    page = json.loads((site / "simple" / "demo" / layout.PAGES[Format.JSON]).read_bytes())
    assert [each.get("yanked", False) for each in page["files"]] == [False] * 3
    index("build", "--with-files", site)
    assert pages(site) == pages(now)


@pytest.mark.slow
def test_all_indexes_of_a_moment_are_those_that_were_there(index: DatedIndex) -> None:
    index("index", "create", "old", "--base", "main", on="03-13")
    index("index", "create", "new", "--base", "main", on="03-20")
    index("index", "remove", "old", "--yes", on="03-21")
    said = index("build", "--all-indexes", "--with-files", index.root / "site", "--at", "2024-03-14")
    assert list(said["indexes"]) == ["old"]
