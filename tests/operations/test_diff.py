"""`diff` on a real store: what is told of two moments and of two indexes, and what hostile records can make of it."""

# ruff: noqa: F811 - a fixture is asked for by the name under which it is imported
from __future__ import annotations

import contextlib
import itertools
import json
import random
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from tests.cli.test_main import Run, document, run  # noqa: F401
from tests.index.test_branch import edit_by_hand, git
from tests.makers import make_sdist, make_wheel
from tests.operations.test_operations import put
from wharf.errors import NoIndexError, NotFoundError, UsageError, WharfError
from wharf.index.commit_message import CommitMessage
from wharf.index.yank_and_remove import RemoveFiles
from wharf.operations import diff_text, proposal_text
from wharf.operations.diff import Diff, diff
from wharf.operations.remove import remove
from wharf.operations.yank import set_yanked
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.repository.opening import Repository

Told = dict[str, tuple[str, list[tuple[str | list[str], ...]]]]


def told(found: Diff) -> Told:
    """By project: what becomes of it, and of each release with the files that come, go and change their yank."""
    return {
        project.name: (
            project.change,
            [
                (each.version, each.change, *([file.filename for file in some] for some in (each.come, each.gone, each.yanks)))
                for each in project.releases
            ],
        )
        for project in found.projects
    }


def lines(found: Diff) -> list[str]:
    return [*diff_text.lines(found)]


@pytest.fixture
def changed(repository: Repository, tmp_path: Path) -> tuple[Repository, str]:
    """An index after some changes, and the commit before them."""
    put(
        repository,
        make_wheel(tmp_path, requires=["a>=1", "b"], requires_python=">=3.8"),
        make_sdist(tmp_path, version="0.9"),
        make_wheel(tmp_path, "old"),
        make_wheel(tmp_path, "same"),
    )
    before = str(repository.branch.tip())
    put(repository, make_wheel(tmp_path, version="2.0", requires=["a>=2", "b"]), make_wheel(tmp_path, "fresh", requires=["c"]))
    set_yanked(repository, "demo", "1.0", None, reason="loses data", actor="ada")
    remove(repository, "demo", "0.9", None, reason="", actor="ada")
    remove(repository, "old", "1.0", None, reason="", actor="ada")
    return repository, before


def test_projects_versions_files_yanks_and_requirements(changed: tuple[Repository, str]) -> None:
    repository, before = changed
    found = diff(repository, f"{before}..")
    assert told(found) == {
        "demo": (
            "changed",
            [
                ("0.9", "gone", [], ["demo-0.9.tar.gz"], []),
                ("1.0", "changed", [], [], ["demo-1.0-py3-none-any.whl"]),
                ("2.0", "come", ["demo-2.0-py3-none-any.whl"], [], []),
            ],
        ),
        "fresh": ("come", [("1.0", "come", ["fresh-1.0-py3-none-any.whl"], [], [])]),
        "old": ("gone", [("1.0", "gone", [], ["old-1.0-py3-none-any.whl"], [])]),
    }
    assert lines(found) == [
        "demo: newest version 1.0 before, 2.0 now",
        "  requires a>=2",
        "  requires no more a>=1",
        "  - 0.9",
        "    - demo-0.9.tar.gz",
        "  ~ 1.0",
        "    demo-1.0-py3-none-any.whl yanked: loses data",
        "  + 2.0",
        "    + demo-2.0-py3-none-any.whl",
        "fresh: a new project, newest version 1.0",
        "  requires c",
        "  + 1.0",
        "    + fresh-1.0-py3-none-any.whl",
        "old: gone, newest version was 1.0",
        "  - 1.0",
        "    - old-1.0-py3-none-any.whl",
    ]


def test_the_other_way_round_is_the_opposite(changed: tuple[Repository, str]) -> None:
    repository, before = changed
    there, back = diff(repository, before), diff(repository, f"..{before}")
    assert (back.one.commit, back.other.commit) == (there.other.commit, there.one.commit)
    opposite = {"come": "gone", "gone": "come", "changed": "changed"}
    assert {name: opposite[change] for name, (change, _) in told(there).items()} == {
        name: change for name, (change, _) in told(back).items()
    }
    assert "    demo-1.0-py3-none-any.whl not yanked any more" in lines(back)
    assert [each for project in back.projects for each in (project.requirements() or ([], []))[0]] == ["a>=1"]


def test_markdown_has_for_each_release_what_a_proposal_says_of_it(changed: tuple[Repository, str]) -> None:
    repository, before = changed
    text = diff_text.markdown(diff(repository, f"{before}..", detailed=True)).splitlines()
    assert text[0].endswith("1 projects come, 1 go, 1 change.")
    for line in (
        "- `demo`: newest version `1.0` before, `2.0` now",
        "  - comes: `2.0`",
        "    - the newest version there is `1.0`",
        "    - Python: `any` (was `>=3.8`)",
        "    - requires `a>=2`",
        "    - requires no more `a>=1`",
        "  - changes: `1.0`",
        "    - `demo-1.0-py3-none-any.whl` yanked: `loses data`",
        "  - goes: `0.9`",
        "- `fresh`: a new project, newest version `1.0`",
        "    - requires `c`",
        "- `old`: gone, newest version was `1.0`",
    ):
        assert line in text, line


def test_two_indexes_of_one_repository(repository: Repository, store: Path, tmp_path: Path) -> None:
    put(repository, make_wheel(tmp_path))
    then = git(store, "rev-parse", "wharf/main").strip()
    with open_repository(Settings(place=store, index="staging")) as staging:
        put(staging, make_wheel(tmp_path), make_wheel(tmp_path, version="1.1"))
    found = diff(repository, "main..staging")
    assert told(found) == {"demo": ("changed", [("1.1", "come", ["demo-1.1-py3-none-any.whl"], [], [])])}
    assert [(each.index, each.moment) for each in (found.one, found.other)] == [("main", None), ("staging", None)]
    assert told(diff(repository, "staging..")) == {
        "demo": ("changed", [("1.1", "gone", [], ["demo-1.1-py3-none-any.whl"], [])])
    }
    put(repository, make_wheel(tmp_path, version="1.1"))
    assert diff(repository, "main..staging").projects == ()
    assert len(diff(repository, f"main@{then}..staging").projects) == 1
    assert len(diff(repository, f"@{then}..staging").projects) == 1


@pytest.mark.slow
def test_equal_states_and_records_that_differ_otherwise(repository: Repository, store: Path, tmp_path: Path) -> None:
    put(repository, make_wheel(tmp_path))
    before = str(repository.branch.tip())
    assert lines(diff(repository, "..")) == ["Nothing differs for installers."]
    edit_by_hand(store, "wharf.toml", b'format = 1\nreserved = ["ours"]\n')
    assert lines(diff(repository, f"{before}..")) == ["wharf.toml differs."]
    path = "projects/de/demo/1.0/release.json"
    edit_by_hand(store, path, git(store, "show", f"wharf/main:{path}").replace('"size":', '"odd":1,"size":').encode())
    edit_by_hand(
        store, "projects/de/demo/project.json", b'{"project-status": {"status": "deprecated", "reason": "use\\nother"}}'
    )
    assert lines(diff(repository, f"{before}..")) == [
        "demo: newest version 1.0",
        "  status: active before, deprecated (use\\nother) now",
        "  ~ 1.0",
        "    demo-1.0-py3-none-any.whl differs in its record",
        "wharf.toml differs.",
    ]


def test_what_cannot_be_read_is_named_and_the_rest_is_told(changed: tuple[Repository, str], store: Path) -> None:
    repository, before = changed
    edit_by_hand(store, "projects/de/demo/2.0/release.json", b"{oops")
    edit_by_hand(store, "projects/fr/fresh/1.0/fresh-1.0-py3-none-any.whl.metadata", b"Requires-Dist: \xff(\n" * 3)
    found = diff(repository, f"{before}..", detailed=True)
    assert any("  cannot be read: projects/de/demo/2.0/release.json" in line for line in lines(found))
    assert told(found)["old"][0] == "gone"
    assert "cannot be read" in diff_text.markdown(found)


HOSTILE = "`</code>](javascript:x) @everyone #1 \n## heading\x1b[31m <img src=x>" + "x" * 900


def test_hostile_records_make_no_markdown_no_line_and_no_control(repository: Repository, store: Path, tmp_path: Path) -> None:
    put(repository, make_wheel(tmp_path))
    before = str(repository.branch.tip())
    path = "projects/de/demo/1.0/release.json"
    record = json.loads(git(store, "show", f"wharf/main:{path}"))
    record["files"][0]["yanked"] = HOSTILE
    edit_by_hand(store, path, json.dumps(record).encode())
    edit_by_hand(
        store,
        "projects/de/demo/project.json",
        json.dumps({"project-status": {"status": "archived", "reason": HOSTILE}}).encode(),
    )
    found = diff(repository, f"{before}..", detailed=True)
    shown = lines(found)
    assert all(line.isprintable() for line in shown)
    assert max(map(len, shown)) < 400
    text = diff_text.markdown(found)
    outside = "".join(text.split("`")[::2])
    assert text.count("`") % 2 == 0
    assert not {"@everyone", "<img", "javascript"} & {*outside.replace("(", " ").replace(")", " ").split()}
    assert "## heading" not in outside


def test_markdown_has_a_bound(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(repository, make_wheel(tmp_path))
    before = str(repository.branch.tip())
    put(repository, *(make_wheel(tmp_path, f"p{number}") for number in range(9)))
    monkeypatch.setattr(proposal_text, "LONGEST", 900)
    text = diff_text.markdown(diff(repository, f"{before}..", detailed=True))
    assert len(text) < 1100
    assert "does not fit" in text


@pytest.mark.parametrize(
    ("states", "error", "says"),
    [
        ("yesterday..", NoIndexError, "yesterday"),
        ("Yester day..", UsageError, "neither a moment nor an index"),
        ("2999-01-01..", UsageError, "ahead"),
        ("2001-01-01..", NotFoundError, "There was no index"),
        ("staging..main", NoIndexError, "staging"),
        ("main@..", UsageError, "is no moment"),
        ("a b@2026-01-01..", UsageError, "not the name of an index"),
        ("..--output=x", UsageError, "neither"),
        ("f00f00f..", NotFoundError, "never the tip"),
        ("1.0...2.0", UsageError, "neither"),
        (f"{'f' * 999}..", UsageError, "neither"),
    ],
)
def test_what_is_no_state_is_refused(
    repository: Repository, tmp_path: Path, states: str, error: type[WharfError], says: str
) -> None:
    put(repository, make_wheel(tmp_path))
    with pytest.raises(error, match=says) as caught:
        diff(repository, states)
    assert len(caught.value.message) < 300


def test_an_empty_index_is_nothing_to_compare(repository: Repository) -> None:
    with pytest.raises(NotFoundError, match="empty"):
        diff(repository, "..")


def test_only_what_differs_is_read(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(repository, *(make_wheel(tmp_path, f"p{number}", f"1.{version}") for number in range(10) for version in range(3)))
    before = str(repository.branch.tip())
    put(repository, make_wheel(tmp_path, "p3", "2.0"))
    read: list[str] = []
    objects = type(repository.branch.objects)
    real = objects.read

    def counted(self: object, names: object) -> object:
        asked = [*names]  # type: ignore[misc]
        read.extend(asked)
        return real(self, asked)  # type: ignore[arg-type]

    monkeypatch.setattr(objects, "read", counted)
    assert len(diff(repository, f"{before}..").projects) == 1
    assert len(read) < 25


def test_the_command_as_lines_as_json_and_as_markdown(run: Run, store: Path, tmp_path: Path) -> None:
    run("publish", make_wheel(tmp_path))
    before = git(store, "rev-parse", "wharf/main").strip()
    run("publish", make_wheel(tmp_path, version="2.0", requires=["c"]))
    assert "demo: newest version 1.0 before, 2.0 now" in run("diff", f"{before[:10]}..").splitlines()
    said = document(run("diff", f"{before[:10]}..", "--json"))
    assert {*said} == {"repository", "from", "to", "projects", "settings"}
    assert said["from"] == {"index": "main", "commit": before, "moment": before[:10]}
    (project,) = said["projects"]
    assert (project["newest"], project["requires"], project["change"]) == (["1.0", "2.0"], ["c"], "changed")
    assert [each["filename"] for each in project["releases"][0]["come"]] == ["demo-2.0-py3-none-any.whl"]
    assert "    - requires `c`" in run("diff", f"{before}..", "--markdown").splitlines()
    run("diff", f"{before}..", "--markdown", "--json", code=2)


def test_a_project_of_which_only_removed_names_differ_is_not_told(repository: Repository, tmp_path: Path) -> None:
    put(repository, make_wheel(tmp_path), make_sdist(tmp_path))
    before = str(repository.branch.tip())
    put(repository, make_wheel(tmp_path, version="2.0"))
    remove(repository, "demo", "2.0", None, reason="", actor="ada")
    assert told(diff(repository, f"{before}..")) == {}
    repository.branch.commit(RemoveFiles.of("demo", "1.0", "demo-1.0.tar.gz"), CommitMessage(verb="prune", actor="ada"))
    assert told(diff(repository, f"{before}..")) == {"demo": ("changed", [("1.0", "changed", [], ["demo-1.0.tar.gz"], [])])}


@pytest.mark.slow
def test_any_two_moments_differ_as_their_whole_contents_do(repository: Repository, tmp_path: Path) -> None:
    """Each pair of commits of a random history, compared by reading all of both."""
    source = random.Random(7)
    wheels = [
        make_wheel(tmp_path, name, version, requires=[f"r{version}"])
        for name in ("a", "b")
        for version in ("1.0", "1.1", "2.0.dev1")
    ]
    commits = []
    for _ in range(12):
        wheel = source.choice(wheels)
        name, version = wheel.name.split("-")[:2]
        kind = source.randrange(4)
        with contextlib.suppress(NotFoundError):
            if kind == 0:
                remove(repository, name, version, None, reason="", actor="ada")
            elif kind == 1:
                set_yanked(repository, name, version, None, reason=source.choice("xy"), actor="ada")
            else:
                put(repository, wheel, *source.sample(wheels, kind))
        if repository.branch.tip() is not None:
            commits.append(str(repository.branch.tip()))
    for one, other in itertools.product(commits[::4], commits[::2]):
        before, after = _contents(repository, one), _contents(repository, other)
        found = {project.name: project for project in diff(repository, f"{one}..{other}").projects}
        assert found.keys() == {name for name in before.keys() | after.keys() if before.get(name, {}) != after.get(name, {})}
        for name, project in found.items():
            then, now = before.get(name, {}), after.get(name, {})
            assert [each and each.version for each in (project.before, project.after)] == [
                max((version for version, _ in each), key=Version, default=None) for each in (then, now)
            ]
            came = {(each.version, file.filename) for each in project.releases for file in each.come}
            assert came == now.keys() - then.keys()
            assert {file.filename for each in project.releases for file in each.yanks} == {
                filename for version, filename in now.keys() & then.keys() if now[version, filename] != then[version, filename]
            }
            newest = [None if each is None else f"r{each.version}" for each in (project.before, project.after)]
            added = [newest[1]] if newest[0] != newest[1] and newest[1] else []
            assert (project.requirements() or ([], []))[0] == added


def _contents(repository: Repository, commit: str) -> dict[str, dict[tuple[str, str], str | None]]:
    snapshot = repository.branch.snapshot_at(commit)
    found = {
        project.name: {(each.version, file.filename): file.yanked for each in project.releases for file in each.files}
        for project, _ in snapshot.projects(snapshot.names())
    }
    return {name: files for name, files in found.items() if files}
