"""`wharf index`: what people and scripts see, in a folder and on GitHub; two at once; bad names, values and files."""

from __future__ import annotations

import contextlib
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.cli.test_main import commands, document
from tests.makers import make_wheel
from tests.matrix import first
from tests.simulator import Hub
from wharf.cli.main import main
from wharf.errors import RefusedError, UsageError, WharfError
from wharf.index.wharf_toml_change import parse_setting
from wharf.operations import bases_check, index_settings, manage_indexes
from wharf.operations.verify import verify
from wharf.repository.opening import Repository, open_repository
from wharf.repository.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Run(Protocol):
    def __call__(self, *words: object, code: int = 0) -> tuple[str, str]: ...


@pytest.fixture(params=first(1, ["folder", "github"]))
def git_dir(request: pytest.FixtureRequest, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the refs are of the repository that WHARF_REPO names: a store in a folder, or one on the simulator."""
    if request.param == "folder":
        monkeypatch.setenv("WHARF_REPO", str(store))
        yield store / "index.git"
        return
    with Hub(tmp_path / "hub") as hub:
        repo = hub.create("acme/pkgs")
        monkeypatch.setenv("WHARF_REPO", f"{hub.url}/acme/pkgs")
        monkeypatch.setenv("WHARF_TOKEN", hub.token("alice", {"acme/pkgs": "admin"}))
        yield repo.git_dir


@pytest.fixture
def run(git_dir: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `wharf …` and checks the exit code; stdout and stderr."""
    del git_dir

    def run(*words: object, code: int = 0) -> tuple[str, str]:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert left.value.code == code, err + out
        assert "Traceback" not in err
        if "--json" in words:
            assert out.count("\n") == 1
        return out, err

    return run


def refs(git_dir: Path) -> dict[str, str]:
    words = ("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads/wharf", "refs/wharf")
    out = subprocess.run(["git", f"--git-dir={git_dir}", *words], capture_output=True, text=True, check=True).stdout
    return {line.split()[0]: line.split()[1] for line in out.splitlines()}


def file_of(git_dir: Path, index: str) -> str:
    words = ["git", f"--git-dir={git_dir}", "show", f"wharf/{index}:wharf.toml"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def asked(run: Run, *words: object, code: int = 0) -> Any:
    return document(run("index", *words, "--json", code=code)[0])


@pytest.mark.slow
def test_indexes_are_made_listed_and_shown(run: Run, git_dir: Path) -> None:
    made = asked(run, "create", "main")
    assert set(made) == {"repository", "index", "commit", "bases"}
    assert refs(git_dir) == {"refs/heads/wharf/main": made["commit"]}
    staging = asked(run, "create", "staging", "--base", "main")
    assert (staging["index"], staging["bases"]) == ("staging", ["main"])
    assert 'bases = ["main"]' in file_of(git_dir, "staging")
    found = asked(run, "list")
    assert [(each["name"], each["bases"], each["problem"]) for each in found["indexes"]] == [
        ("main", [], None),
        ("staging", ["main"], None),
    ]
    assert (found["removed"], found["repository"]) == ([], made["repository"])
    shown = asked(run, "show", "main")
    assert (shown["base_of"], shown["order"], shown["projects"], shown["commit"]) == (["staging"], ["main"], 0, made["commit"])
    assert asked(run, "show", "staging")["order"] == ["staging", "main"]
    assert "staging, with the base main" in run("index", "list")[0]


@pytest.mark.slow
def test_an_index_that_is_removed_is_kept_and_comes_back(run: Run, git_dir: Path, tmp_path: Path) -> None:
    run("index", "create", "main")
    run("index", "create", "staging")
    run("publish", "--index", "staging", make_wheel(tmp_path))
    before = refs(git_dir)
    removed = asked(run, "remove", "staging", "--yes")
    assert removed["commit"] == before["refs/heads/wharf/staging"]
    assert refs(git_dir) == {
        "refs/heads/wharf/main": before["refs/heads/wharf/main"],
        "refs/wharf/removed/staging": removed["commit"],
    }
    assert asked(run, "list")["removed"] == [{"name": "staging", "commit": removed["commit"]}]
    assert ["index", "restore", "staging"] in commands(run("index", "create", "staging", code=5)[1])
    second = make_wheel(tmp_path, version="2.0")
    assert ["index", "restore", "staging"] in commands(run("publish", "--index", "staging", second, code=4)[1])
    for words in (("list", "--index", "staging"), ("index", "remove", "staging", "--yes")):
        assert "it was removed" in run(*words, code=4)[1]
    assert asked(run, "restore", "staging")["commit"] == removed["commit"]
    assert refs(git_dir) == before
    assert "demo 1.0" in run("list", "--index", "staging")[0]
    assert run("index", "restore", "staging", code=5)[1]
    assert "Did you mean" not in run("index", "restore", "never", code=4)[1]


@pytest.mark.slow
def test_list_and_show_have_what_installers_see(run: Run, tmp_path: Path) -> None:
    run("index", "create", "main")
    run("index", "create", "staging", "--base", "main")
    run("publish", make_wheel(tmp_path), make_wheel(tmp_path, "common"))
    run("publish", "--index", "staging", make_wheel(tmp_path, "demo", "2.0"))
    staging = ("--index", "staging")
    assert run("list", *staging)[0] == "demo 2.0\n"
    assert run("list", "--bases", *staging)[0] == "common 1.0\ndemo 1.0, 2.0\n"
    assert document(run("show", "demo", *staging, "--json")[0])["versions"] == ["2.0"]
    shown = document(run("show", "demo", "--bases", *staging, "--json")[0])
    assert [each["filename"] for each in shown["files"]] == ["demo-1.0-py3-none-any.whl", "demo-2.0-py3-none-any.whl"]
    assert run("show", "common==1.0", "--bases", *staging)[0].startswith("common\n1.0\n")
    run("index", "settings", "staging", "--set", "shadow=common")
    assert run("list", "--bases", *staging)[0] == "demo 1.0, 2.0\n"
    assert "With --bases, what main has is shown too." in run("show", "common", *staging, code=4)[1]
    assert ["show", *staging, "demo", "--bases"] in commands(run("show", "demo==9", "--bases", *staging, code=4)[1])


@pytest.mark.slow
def test_a_removed_index_names_its_files(run: Run, git_dir: Path, tmp_path: Path) -> None:
    run("index", "create", "staging")
    run("index", "create", "main")
    run("publish", "--index", "staging", make_wheel(tmp_path))
    run("index", "remove", "staging", "--yes")
    found = document(run("verify", "--repair", "--json")[0])
    assert (found["problems"], found["leftovers"]) == ([], [])
    run("index", "restore", "staging")
    assert document(run("verify", "--index", "staging", "--json")[0])["ok"]


@pytest.mark.slow
def test_a_base_of_another_index_stays(run: Run, git_dir: Path) -> None:
    run("index", "create", "main")
    run("index", "create", "staging", "--base", "main")
    error = asked(run, "remove", "main", "--yes", code=7)["error"]
    assert "'main' is a base of 'staging'" in error["message"]
    assert set(refs(git_dir)) == {"refs/heads/wharf/main", "refs/heads/wharf/staging"}
    run("index", "settings", "staging", "--set", "bases=")
    run("index", "remove", "main", "--yes")
    run("index", "settings", "staging", "--set", "bases=main", code=2)
    run("index", "restore", "main")
    run("index", "settings", "staging", "--set", "bases=main")


@pytest.mark.slow
def test_a_removed_index_waits_for_its_bases(run: Run, git_dir: Path) -> None:
    run("index", "create", "main")
    run("index", "create", "staging", "--base", "main")
    run("index", "remove", "staging", "--yes")
    run("index", "remove", "main", "--yes")
    before = refs(git_dir)
    _, err = run("index", "restore", "staging", code=2)
    assert ["index", "restore", "main"] in commands(err)
    assert refs(git_dir) == before
    run("index", "restore", "main")
    run("index", "restore", "staging")


@pytest.mark.slow
def test_settings_are_changed_shown_and_explained(run: Run, git_dir: Path) -> None:
    run("index", "create", "main")
    run("index", "create", "dev")
    done = asked(
        run, "settings", "dev", "--set", "bases=main", "--set", 'upload.acme-*=["alice", "@acme/platform"]', "--set",
        "reserved=acme-*", "--set", "metadata-assets=true",
    )  # fmt: skip
    assert (done["changed"], done["order"], done["given"]) == (
        True,
        ["dev", "main"],
        ["format", "metadata-assets", "bases", "reserved", "upload"],
    )
    assert done["settings"]["upload"] == {"acme-*": ["alice", "@acme/platform"]}
    assert (done["settings"]["bases"], done["settings"]["reserved"]) == (["main"], ["acme-*"])
    again = asked(run, "settings", "dev", "--set", "bases=main")
    assert (again["changed"], again["commit"]) == (False, done["commit"])
    told = run("index", "settings", "dev", "--explain")[0]
    for key, meaning in index_settings.MEANINGS.items():
        assert f"{key} = " in told
        assert meaning in told
    assert "dev, main" in told
    taken = asked(run, "settings", "dev", "--set", "upload.acme-*=", "--set", "bases=", "--set", "reserved=")
    assert taken["settings"]["upload"] == {}
    assert "settings" in run("log", "--index", "dev")[0]


def test_what_is_kept_is_set_shown_and_said_in_words(run: Run) -> None:
    run("index", "create", "main")
    assert asked(run, "settings", "main")["settings"]["keep-past"] == "90d"
    rule = 'retention={names = ["acme-*"], dev = {keep-newest = 30}}'
    done = asked(run, "settings", "main", "--set", "keep-past=30d", "--set", rule)
    assert done["settings"]["keep-past"] == "30d"
    assert done["settings"]["retention"] == [{"names": ["acme-*"], "dev": {"keep-newest": 30}}]
    told = run("index", "settings", "main", "--explain")[0]
    assert "The past of 30 days is kept" in told
    assert "Retention 1, of acme-*: releases: all; pre-releases: all; dev releases: the newest 30." in told


@pytest.mark.parametrize(
    ("name", "word"),
    [
        *(("upload", "addresses use"), ("latest", "addresses use"), ("namespace", "addresses use")),
        *(("simple", "name of an index"), ("A", "name of an index"), ("a/b", "name of an index"), ("", "name of an index")),
        *(("a" * 65, "name of an index"), ("a\nb", "name of an index"), ("-x", "o such option"), ("..", "name of an index")),
    ],
)
def test_a_name_that_no_index_can_have_makes_nothing(
    name: str, word: str, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHARF_REPO", str(store))
    with pytest.raises(SystemExit) as left:
        main(["index", "create", name, "--json"])
    assert left.value.code == 2
    assert word in json.loads(capsys.readouterr().out)["error"]["message"]
    assert not list(store.glob("index.git/refs/heads/wharf/*"))


@pytest.mark.slow
def test_unknown_bases_and_circles_are_named_at_the_change(run: Run, git_dir: Path) -> None:
    run("index", "create", "main")
    run("index", "create", "staging", "--base", "main")
    before = refs(git_dir)
    for words, named in (
        (("create", "dev", "--base", "stagin"), "Did you mean staging?"),
        (("create", "dev", "--base", "dev"), "base of itself"),
        (("create", "dev", "--base", "main", "--base", "main"), "each one once"),
        (("settings", "main", "--set", "bases=staging"), "main -> staging -> main"),
        (("settings", "main", "--set", 'bases=["simple"]'), "names of indexes"),
        (("settings", "main", "--index", "staging"), "two indexes"),
        (("create", "main"), "There is an index 'main'"),
    ):
        code = 5 if len(words) == 2 else 2
        assert named in run("index", *words, code=code)[1], words
    missing: list[tuple[str, ...]] = [
        ("show", "other"),
        ("settings", "other"),
        ("settings", "other", "--set", "bases=main"),
        ("remove", "other", "--yes"),
    ]
    for asked_for in missing:
        said = run("index", *asked_for, code=4)[1]
        assert "There is no index 'other'" in said
        assert "There are: main, staging. `wharf index create other --repo " in said
    assert refs(git_dir) == before


@pytest.mark.slow
def test_an_index_that_is_there_gets_bases_by_its_settings(run: Run) -> None:
    run("index", "create", "main")
    run("index", "create", "staging")
    said = run("index", "create", "staging", "--base", "main", code=5)[1]
    assert """`wharf index settings staging --set 'bases=["main"]'` gives it these bases.""" in said
    run("index", "settings", "staging", "--set", 'bases=["main"]')
    assert "staging, with the base main" in run("index", "list")[0]


def test_a_removal_is_asked_for(run: Run, git_dir: Path) -> None:
    run("index", "create", "main")
    assert "--yes" in run("index", "remove", "main", code=2)[1]
    assert refs(git_dir)


# Two at once. What a rival does in the moment before the compare-and-swap is looked at again.


def opened(store: Path, index: str) -> Any:
    return open_repository(Settings(place=store, index=index))


def first_time(act: Callable[[], object]) -> Callable[[], None]:
    left = [act]

    def do() -> None:
        if left:
            left.pop()()

    return do


def test_of_two_that_set_each_other_as_bases_one_does(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(store, "a") as a, opened(store, "b") as b:
        manage_indexes.create(a, ())
        manage_indexes.create(b, ())
        rival = first_time(lambda: index_settings.set_settings(b, (parse_setting("bases=a"),)))
        order = bases_check.BasesCheck.order

        def slow(self: bases_check.BasesCheck, *words: Any) -> list[str]:
            found = order(self, *words)
            rival()
            return found

        monkeypatch.setattr(bases_check.BasesCheck, "order", slow)
        with pytest.raises(UsageError, match="base of itself"):
            index_settings.set_settings(a, (parse_setting("bases=b"),))
        assert b.branch.snapshot().settings.bases == ("a",)
        assert a.branch.snapshot().settings.bases == ()


def test_a_base_that_is_removed_meanwhile_is_named(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(store, "a") as a, opened(store, "b") as b:
        manage_indexes.create(a, ())
        manage_indexes.create(b, ())
        rival = first_time(lambda: manage_indexes.remove(b))
        call = bases_check.BasesCheck.__call__

        def slow(self: bases_check.BasesCheck, bases: tuple[str, ...]) -> dict[str, str]:
            found = call(self, bases)
            rival()
            return found

        monkeypatch.setattr(bases_check.BasesCheck, "__call__", slow)
        with pytest.raises(UsageError, match="There is no index 'b'"):
            index_settings.set_settings(a, (parse_setting("bases=b"),))
        with opened(store, "c") as c, pytest.raises(UsageError, match="There is no index 'b'"):
            manage_indexes.create(c, ("b",))


def test_an_index_that_becomes_a_base_meanwhile_is_not_removed(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(store, "a") as a, opened(store, "b") as b:
        manage_indexes.create(a, ())
        manage_indexes.create(b, ())
        rival = first_time(lambda: index_settings.set_settings(a, (parse_setting("bases=b"),)))
        check = manage_indexes._check_no_base

        def slow(*words: Any) -> None:
            check(*words)
            rival()

        monkeypatch.setattr(manage_indexes, "_check_no_base", slow)
        with pytest.raises(RefusedError, match="is a base of 'a'"):
            manage_indexes.remove(b)
        assert b.branch.tip() is not None


@pytest.mark.slow
def test_many_that_set_bases_make_no_circle(store: Path) -> None:
    names = ["a", "b", "c", "d"]
    for name in names:
        with opened(store, name) as repository:
            manage_indexes.create(repository, ())

    def turn(number: int) -> None:
        with opened(store, names[number % 4]) as repository, contextlib.suppress(WharfError):
            index_settings.set_settings(repository, (parse_setting(f"bases={names[(number // 4 + 1 + number) % 4]}"),))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(turn, range(24)))
    with opened(store, "a") as repository:
        assert all(not index_settings.shown_settings(each).problem for each in _each(store, names))
        assert verify(repository).ok


def _each(store: Path, names: list[str]) -> Iterator[Repository]:
    for name in names:
        with opened(store, name) as repository:
            yield repository


# What is broken.


def test_what_is_broken_is_named_and_keeps_nothing_else_from_being_listed(run: Run, git_dir: Path) -> None:
    run("index", "create", "main")
    text = "format = 1\nbases = 'main'\n"
    script = (
        "commit refs/heads/wharf/broken\ncommitter x <x> 0 +0000\ndata 0\n"
        f"M 100644 inline wharf.toml\ndata {len(text)}\n{text}\n"
    )
    words = ["git", f"--git-dir={git_dir}", "fast-import", "--quiet"]
    subprocess.run(words, input=script.encode(), check=True)
    found = {each["name"]: each for each in asked(run, "list")["indexes"]}
    assert "bases" in found["broken"]["problem"]
    assert found["main"]["problem"] is None
    assert "cannot be read" in run("index", "remove", "main", "--yes", code=7)[1]
    assert "cannot be read" in run("index", "create", "dev", "--base", "broken", code=7)[1]
    assert "bases" in run("index", "show", "broken", code=8)[1]


@pytest.mark.slow
def test_doctor_names_the_indexes_and_what_is_wrong_with_each(run: Run, git_dir: Path) -> None:
    run("index", "create", "main")
    run("index", "create", "staging", "--base", "main")
    run("index", "create", "old")
    run("index", "remove", "old", "--yes")
    said = [each["detail"] for each in document(run("doctor", "--json")[0])["findings"] if each["what"] == "indexes"]
    assert said == ["main, staging (with the base main)", "removed: old"]
    for name, text in (
        ("broken", "format = 2\n"),
        ("round", 'format = 1\nbases = ["round"]\n'),
        ("lone", 'format = 1\nbases = ["no"]\n'),
    ):
        script = (
            f"commit refs/heads/wharf/{name}\ncommitter x <x> 0 +0000\ndata 0\n"
            f"M 100644 inline wharf.toml\ndata {len(text)}\n{text}\n"
        )
        words = ["git", f"--git-dir={git_dir}", "fast-import", "--quiet"]
        subprocess.run(words, input=script.encode(), check=True)
    found = document(run("doctor", "--json", code=8)[0])["findings"]
    problems = [each["detail"] for each in found if each["what"] == "indexes" and each["state"] == "problem"]
    assert [
        word in text for word, text in zip(("format = 2", "'lone' has the base 'no'", "base of itself"), problems, strict=True)
    ]


@pytest.mark.slow
def test_whoever_may_only_write_does_not_change_rules_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Hub(tmp_path / "hub") as hub:
        hub.create("acme/pkgs")
        monkeypatch.setenv("WHARF_REPO", f"{hub.url}/acme/pkgs")
        admin, writer = (hub.token(login, {"acme/pkgs": level}) for login, level in (("alice", "admin"), ("bob", "write")))
        for token, code, words in (
            (writer, 0, ("create", "main")),
            (writer, 0, ("settings", "main", "--set", "upload.acme-*=alice")),
            (writer, 6, ("settings", "main", "--set", "upload.acme-*=bob")),
            (writer, 6, ("settings", "main", "--set", "reserved=x")),
            (writer, 6, ("remove", "main", "--yes")),
            (admin, 0, ("settings", "main", "--set", "reserved=x")),
            (admin, 0, ("remove", "main", "--yes")),
        ):
            monkeypatch.setenv("WHARF_TOKEN", token)
            with pytest.raises(SystemExit) as left:
                main(["index", *words])
            assert left.value.code == code, words
