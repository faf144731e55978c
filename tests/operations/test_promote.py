"""promote on a store in a folder: one commit, what goes along, dependencies, and what is refused."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.index.test_branch import edit_by_hand
from tests.makers import core_metadata, make_sdist, make_wheel
from wharf.errors import (
    ConflictError,
    NoIndexError,
    NotAllowedError,
    NotFoundError,
    RecordError,
    RefusedError,
    StorageError,
    UsageError,
)
from wharf.index import record
from wharf.operations import dependency_search
from wharf.operations import promote as promotion
from wharf.operations.promote import Promoted, Wanted, promote
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.remove import remove
from wharf.operations.verify import verify
from wharf.operations.yank import set_yanked
from wharf.repository.opening import Repository, open_repository
from wharf.repository.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from wharf.index.wharf_toml import IndexSettings
    from wharf.model import Release


@contextmanager
def opened(store: Path, index: str = "main") -> Iterator[Repository]:
    with open_repository(Settings(place=store, index=index)) as repository:
        yield repository


def put(store: Path, *paths: Path, index: str = "staging") -> None:
    with opened(store, index) as repository:
        publish(repository, [Input.of(path) for path in paths], actor="ada")


def go(
    store: Path,
    *specs: str,
    to: str = "main",
    source: str = "staging",
    dry_run: bool = False,
    with_dependencies: bool = False,
) -> Promoted:
    wanted = []
    for spec in specs:
        name, _, version = spec.partition("==")
        name, _, extras = name.partition("[")
        wanted.append(Wanted(project=name, version=version, extras=frozenset(filter(None, extras.rstrip("]").split(",")))))
    with opened(store, to) as repository:
        return promote(repository, wanted, source, actor="ada", dry_run=dry_run, with_dependencies=with_dependencies)


def release(store: Path, project: str = "demo", version: str = "1.0", index: str = "main") -> Release | None:
    with opened(store, index) as repository:
        return repository.branch.snapshot().release(project, version)


def commits(store: Path, index: str = "main") -> int:
    command = ["git", f"--git-dir={store / 'index.git'}", "rev-list", "--count", f"wharf/{index}"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.slow
def test_a_promotion_is_one_commit_and_moves_no_bytes(store: Path, tmp_path: Path) -> None:
    wheel, sdist, other = make_wheel(tmp_path), make_sdist(tmp_path), make_wheel(tmp_path, "other", "2.0")
    put(store, make_wheel(tmp_path, "old"), index="main")
    put(store, wheel, sdist, other)
    with opened(store, "staging") as repository:
        set_yanked(repository, "other", "2.0", None, reason="slow", actor="ada")
    before = sorted(path.stat().st_ino for path in (store / "assets").rglob("*.*"))
    dry = go(store, "demo==1.0", "other==2.0", dry_run=True)
    assert (dry.commit, len(dry.promoted), release(store)) == (None, 3, None)
    done = go(store, "demo==1.0.0", "other==2.0", "demo==1.0")
    assert [each.file.filename for each in done.promoted] == [wheel.name, sdist.name, other.name]
    assert commits(store) == 2
    assert sorted(path.stat().st_ino for path in (store / "assets").rglob("*.*")) == before
    for project, version in (("demo", "1.0"), ("other", "2.0")):
        assert release(store, project, version) == release(store, project, version, "staging")
    with opened(store) as repository:
        assert verify(repository).ok
        (entry, *_) = repository.branch.history()
        assert (entry.verb, entry.actor, entry.message.splitlines()[-1]) == ("promote", "ada", "From the index staging.")
    again = go(store, "demo==1.0", "other==2.0")
    assert (again.commit, len(again.unchanged), commits(store)) == (None, 3, 2)


def test_bytes_stay_while_one_index_names_them(store: Path, tmp_path: Path) -> None:
    put(store, make_wheel(tmp_path))
    go(store, "demo==1.0")
    with opened(store, "staging") as repository:
        assert remove(repository, "demo", "1.0", None, reason="", actor="ada").kept
    with opened(store) as repository:
        assert verify(repository).ok


def test_a_conflict_promotes_nothing(store: Path, tmp_path: Path) -> None:
    put(store, make_wheel(tmp_path / "a", content="one"), make_wheel(tmp_path / "a", "other"))
    put(store, make_wheel(tmp_path / "b", content="two"), index="main")
    with pytest.raises(ConflictError):
        go(store, "other==1.0", "demo==1.0")
    assert (release(store, "other"), commits(store)) == (None, 1)
    with opened(store) as repository:
        remove(repository, "demo", "1.0", None, reason="", actor="ada")
    with pytest.raises(ConflictError, match="was removed"):
        go(store, "demo==1.0")


def test_the_target_keeps_its_own_state_of_yank_and_that_is_named(store: Path, tmp_path: Path) -> None:
    put(store, make_wheel(tmp_path))
    go(store, "demo==1.0")
    with opened(store) as repository:
        set_yanked(repository, "demo", "1.0", None, reason="broken here", actor="ada")
    put(store, make_sdist(tmp_path))
    done = go(store, "demo==1.0")
    assert [each.file.yanked for each in done.otherwise_yanked] == ["broken here"]
    found = release(store)
    assert found is not None
    assert [each.yanked for each in found.files] == ["broken here", None]


def test_what_the_source_does_not_record_itself_is_not_promoted(store: Path, tmp_path: Path) -> None:
    put(store, make_wheel(tmp_path), index="main")
    put(store, make_wheel(tmp_path, "other"))
    put(store, make_wheel(tmp_path, "third"), index="team")
    edit_by_hand(store, "wharf.toml", b'format = 1\nbases = ["main"]\n', index="staging")
    with pytest.raises(NotFoundError, match="shows the one of its base 'main'"):
        go(store, "demo==1.0", to="team")
    with pytest.raises(NotFoundError, match=r"has no demo 2\.0"):
        go(store, "demo==2.0", to="team")
    for source, error in (("main", UsageError), ("nothing", NoIndexError), ("../x", UsageError), ("simple", UsageError)):
        with pytest.raises(error):
            go(store, "demo==1.0", source=source)


def test_a_misspelt_name_and_swapped_indexes_are_told(store: Path, tmp_path: Path) -> None:
    put(store, make_wheel(tmp_path, "my-project"))
    put(store, make_wheel(tmp_path), index="main")
    edit_by_hand(store, "wharf.toml", b'format = 1\nbases = ["main"]\n', index="staging")
    for spec, source, error, meant in (
        ("my-projct==1.0", "staging", NotFoundError, "Did you mean my-project? `wharf list --index staging`"),
        ("my-project==2.0", "staging", NotFoundError, "`wharf show my-project --index staging`"),
        ("my-project==1.0", "stagin", NoIndexError, "Did you mean staging?"),
        ("my-project==1.0", "Staging", UsageError, "Did you mean staging?"),
        ("demo==1", "staging", NotFoundError, "`wharf promote demo==1 --from main --to staging`"),
    ):
        with pytest.raises(error) as caught:
            go(store, spec, source=source)
        assert meant in caught.value.hint


def test_a_broken_record_is_named(store: Path, tmp_path: Path) -> None:
    put(store, make_wheel(tmp_path), make_wheel(tmp_path, "demo", "2.0"))
    edit_by_hand(store, record.path("demo", "2.0"), b"{}", index="staging")
    with pytest.raises(RecordError, match=r"demo/2\.0/release\.json"):
        go(store, "demo==2.0")
    assert go(store, "demo==1.0").commit


def test_lost_bytes_and_lost_metadata_are_not_promoted(store: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    put(store, wheel, make_wheel(tmp_path, "other"))
    path = record.metadata_path("other", "1.0", "other-1.0-py3-none-any.whl")
    edit_by_hand(store, path, b"Name: other\n", index="staging")
    with pytest.raises(StorageError, match="is not what its record says"):
        go(store, "other==1.0")
    next(store.rglob(f"assets/*/{wheel.name}")).unlink()
    with pytest.raises(StorageError, match="not stored"):
        go(store, "demo==1.0")
    assert release(store) is None


class Nobody:
    def __call__(self, settings: IndexSettings, projects: Collection[str]) -> None:
        raise NotAllowedError(f"nobody may write {sorted(projects)}")

    def of_settings(self, settings: IndexSettings, keys: Collection[str]) -> None:
        raise AssertionError


def test_rights_are_those_of_the_target(store: Path, tmp_path: Path) -> None:
    put(store, make_wheel(tmp_path))
    with opened(store) as repository, pytest.raises(NotAllowedError, match="demo"):
        promote(repository, [Wanted(project="demo", version="1.0")], "staging", check=Nobody())
    assert release(store) is None


# Dependencies


@pytest.mark.slow
def test_dependencies_come_along_and_the_rest_is_named(store: Path, tmp_path: Path) -> None:
    app = make_wheel(
        tmp_path,
        "app",
        requires=[
            "lib[fast]>=1",
            'win; sys_platform == "win32"',
            "elsewhere",
            "has>=1",
            'test; extra == "t"',
            "x @ https://x/y",
        ],
        extras=["t"],
    )
    lib = [make_wheel(tmp_path, "lib", version, requires=["deep==1.0", 'speed; extra == "fast"']) for version in ("1.0", "1.5")]
    more = [make_wheel(tmp_path, name) for name in ("win", "deep", "speed", "has", "test")]
    put(store, app, *lib, make_wheel(tmp_path, "lib", "2.0a1"), *more, make_wheel(tmp_path, "has", "2.0"))
    put(store, more[3], index="main")
    with opened(store, "staging") as repository:
        set_yanked(repository, "deep", "1.0", None, reason="", actor="ada")  # which is pinned exactly
        set_yanked(repository, "win", "1.0", None, reason="", actor="ada")
    done = go(store, "app==1.0", with_dependencies=True)
    assert {(each.release.project, each.release.version, each.of) for each in done.followed} == {
        ("lib", "1.5", "app 1.0"),
        ("deep", "1.0", "lib 1.5"),
        ("speed", "1.0", "lib 1.5"),
    }
    assert {each.requirement for each in done.left} == {'win; sys_platform == "win32"', "elsewhere", "x @ https://x/y"}
    assert commits(store) == 2
    assert go(store, "app[t]==1.0", with_dependencies=True).followed[0].release.project == "test"


@pytest.mark.slow
def test_what_a_base_of_the_target_has_stays_there(store: Path, tmp_path: Path) -> None:
    put(store, make_wheel(tmp_path, "app", requires=["lib", "new"]), make_wheel(tmp_path, "lib"), make_wheel(tmp_path, "new"))
    put(store, make_wheel(tmp_path / "base", "lib", "0.5"), index="main")
    put(store, make_wheel(tmp_path, "own"), index="team")
    edit_by_hand(store, "wharf.toml", b'format = 1\nbases = ["main"]\n', index="team")
    done = go(store, "app==1.0", to="team", with_dependencies=True)
    assert [each.release.project for each in done.followed] == ["new"]
    edit_by_hand(store, "wharf.toml", b'format = 1\nbases = ["gone"]\n', index="team")
    with pytest.raises(StorageError, match="gone"):
        go(store, "lib==1.0", to="team", with_dependencies=True)


def test_requirements_in_a_circle_end(store: Path, tmp_path: Path) -> None:
    put(
        store, make_wheel(tmp_path, "a", requires=["b"]), make_wheel(tmp_path, "b", requires=["a[x]", "c<2", "c>=2"], extras=[])
    )
    put(store, make_wheel(tmp_path, "c", "1.0"), make_wheel(tmp_path, "c", "2.0", requires=["c==1.0"]))
    done = go(store, "a==1.0", with_dependencies=True)
    assert sorted((each.release.project, each.release.version) for each in done.followed) == [
        ("b", "1.0"), ("c", "1.0"), ("c", "2.0"),
    ]  # fmt: skip


def test_hostile_metadata_has_bounds(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [make_wheel(tmp_path, f"p{number}", requires=[f"p{number + 1}"]) for number in range(6)]
    put(store, *many)
    monkeypatch.setattr(dependency_search, "MOST_RELEASES", 4)
    with pytest.raises(RefusedError, match="more than 4 releases"):
        go(store, "p0==1.0", with_dependencies=True)
    monkeypatch.setattr(dependency_search, "MOST_RELEASES", 40)
    monkeypatch.setattr(dependency_search, "MOST_COMPARISONS", 3)
    with pytest.raises(RefusedError, match="comparisons"):
        go(store, "p0==1.0", with_dependencies=True)
    monkeypatch.setattr(promotion, "MOST_BYTES", 10)
    with pytest.raises(RefusedError, match="core metadata"):
        go(store, "p0==1.0")
    assert release(store, "p0") is None


def test_metadata_that_was_changed_on_the_branch_is_read_with_care(store: Path, tmp_path: Path) -> None:
    """Who may push can put anything there, if the record announces nothing."""
    put(store, make_sdist(tmp_path, metadata_version="2.1"))
    path = record.metadata_path("demo", "1.0", "demo-1.0.tar.gz")
    text = core_metadata(requires=["a" * 20_000, "b" + ">=1," * 5000 + ">1", "c; " + "(" * 900 + "os_name" + ")" * 900])
    edit_by_hand(store, path, text.encode(), index="staging")
    done = go(store, "demo==1.0", with_dependencies=True)
    assert (len(done.followed), len(done.left)) == (0, 3)


def test_the_command(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from wharf.cli.main import main

    monkeypatch.setenv("WHARF_REPO", str(store))
    put(store, make_wheel(tmp_path, requires=["lib", "gone"]), make_wheel(tmp_path, "lib"))

    def run(*words: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["promote", *words])
        return left.value.code, *capsys.readouterr()

    code, out, _ = run("demo==1.0", "--from", "staging", "--dry-run")
    assert (code, "would promote demo-1.0-py3-none-any.whl" in out, "unchanged" in out) == (0, True, True)
    code, out, _ = run("demo[x]==1.0", "--from", "staging", "--with-dependencies", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["index"] == "main"
    assert document["from"] == "staging"
    assert document["commit"]
    assert [each["project"] for each in document["promoted"]] == ["demo", "lib"]
    assert document["dependencies"] == [{"project": "lib", "version": "1.0", "requirement": "lib", "of": "demo 1.0"}]
    assert document["left"] == [{"requirement": "gone", "of": "demo 1.0"}]
    code, out, _ = run("demo==1.0", "--from", "staging", "--to", "team")
    assert (code, release(store, index="team")) == (4, None)
    assert run("demo==1.0", "--from", "staging", "--to", "team", "--index", "main")[0] == 2
    assert run("demo==1.0")[0] == run("--from", "staging")[0] == run("demo", "--from", "staging")[0] == 2
    with opened(store) as repository:
        set_yanked(repository, "demo", "1.0", None, reason="", actor="ada")
    code, out, err = run("demo==1.0", "--from", "staging")
    assert (code, "yanked here" in err, "unchanged demo" in out) == (0, True, True)
