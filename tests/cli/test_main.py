"""The command line: what scripts may rely on, and what people see."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from platformdirs import user_config_dir, user_data_dir

from tests.index.test_branch import edit_by_hand
from tests.makers import make_sdist, make_wheel
from tests.matrix import first
from wharf.cli.main import _VERBS, cli, main
from wharf.cli.state import State
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable


class Run(Protocol):
    def __call__(self, *words: object, code: int = 0) -> str: ...


@pytest.fixture
def run(store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `wharf …` on the store, checks the exit code and gives stdout. With --json that must be one document."""
    monkeypatch.setenv("WHARF_REPO", str(store))

    def run(*words: object, code: int = 0) -> str:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert left.value.code == code, err
        assert "Traceback" not in err
        if "--json" in words:
            assert out.count("\n") == 1
            json.loads(out)
        return out if not code or "--json" in words else err

    return run


def document(text: str) -> Any:
    return json.loads(text)


def commands(hint: str) -> list[list[str]]:
    """The commands that a hint says to type, as the words behind `wharf`."""
    return [shlex.split(line) for line in re.findall(r"`wharf ([^`]+)`", hint)]


def test_publish_tells_commit_and_files(run: Run, store: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    said = document(run("publish", "--json", wheel))
    (file,) = said["published"]
    assert set(said) == {"repository", "index", "commit", "made", "published", "unchanged", "skipped"}
    assert len(said["commit"]) == 40
    assert (said["repository"], said["index"], said["made"]) == (str(store), "main", ["store", "index"])
    assert set(file) == {"project", "version", "filename", "sha256", "size", "address"}
    assert file["address"] is None, "a folder has no addresses"
    assert (file["project"], file["version"], file["filename"]) == ("demo", "1.0", wheel.name)
    assert file["size"] == wheel.stat().st_size
    again = document(run("publish", "--json", wheel))
    assert (again["commit"], again["published"], len(again["unchanged"])) == (said["commit"], [], 1)
    assert again["made"] == []
    assert run("publish", wheel).splitlines()[0].startswith("unchanged")
    assert run("publish", wheel).splitlines()[-1] == f"index 'main' of {store}: commit {said['commit']}"


@pytest.mark.slow
def test_every_verb_that_writes_ends_with_where(run: Run, store: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    tried = document(run("publish", "--dry-run", "--json", wheel))
    assert (tried["commit"], tried["made"]) == (None, ["store"]), "a dry run makes no commit"
    assert run("publish", "--dry-run", wheel).splitlines()[-1] == f"index 'main' of {store}: unchanged"
    before = document(run("publish", "--json", wheel))["commit"]
    for words in (("yank", "demo==1.0"), ("unyank", "demo==1.0"), ("remove", "demo==1.0", "--yes")):
        said = document(run(*words, "--json"))
        assert (said["repository"], said["index"]) == (str(store), "main")
        assert len(said["commit"]) == 40
        assert said["commit"] != before
        before = said["commit"]
        if words[0] != "remove":
            assert document(run(*words, "--json"))["commit"] == before, "nothing changed: the tip"
            assert run(*words).splitlines()[-1] == f"index 'main' of {store}: commit {before}"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("yank", "Demo", "1.0"), "Write demo==1.0."),
        (("remove", "demo", "1.0.post1", "--yes"), "Write demo==1.0.post1."),
        (("unyank", "demo-1.0-py3-none-any.whl"), "Write demo==1.0 demo-1.0-py3-none-any.whl, or without the file"),
        (("yank", "my_demo-2.0.tar.gz"), "Write my-demo==2.0 my_demo-2.0.tar.gz, or without the file"),
        (("yank", "demo", "other.txt"), "Write it as in demo==1.0;"),
        (("setup",), "Choose from: pip, uv, poetry, pdm, twine\n"),
    ],
)
def test_a_word_too_few_is_told_as_what_it_should_be(run: Run, words: tuple[str, ...], told: str) -> None:
    assert told in run(*words, code=2)


@pytest.mark.slow
def test_what_is_made_by_the_way_is_announced(run: Run, store: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    assert run("publish", wheel).splitlines()[:2] == [f"made a new store in {store}", "made the index 'main'"]
    assert run("publish", "--create", "--index", "staging", wheel).splitlines()[0] == "made the index 'staging'"
    assert "made the" not in run("publish", "--index", "staging", wheel)
    assert "Did you mean staging?" in run("list", "--index", "stagin", code=4)
    assert "There are: main, staging." in run("list", "--index", "nightly", code=4)


@pytest.mark.parametrize(
    ("words", "told"),
    [(("list",), "is empty"), (("log",), "Nothing was published"), (("token", "list"), "There is no token for ")],
)
def test_where_there_is_nothing_that_is_said(
    store: Path, words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_repository(Settings(place=store)), pytest.raises(SystemExit, match="0"):
        main(["--repo", str(store), *words])
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), told in err) == ("", 1, True)


def test_a_mistyped_store_is_not_made_to_list_its_tokens(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "mistyped"
    assert f"There is no store in {other}" in run("token", "list", "--repo", other, code=4)
    assert f"There is no store in {other}" in run("token", "revoke", "ci", "--repo", other, code=4)
    assert not other.exists()


@pytest.mark.parametrize(
    ("origin", "meant"),
    [
        ("https://github.com/Acme/Demo.git", "acme/demo"),
        ("git@github.com:acme/demo", "acme/demo"),
        ("ssh://git@ssh.github.com:443/acme/demo.git", "acme/demo"),
        ("https://user:ghp_secret@github.com/acme/demo", "acme/demo"),
        ("git@github.example.com:acme/demo.git", "https://github.example.com/acme/demo"),
        ("https://gitlab.com/acme/demo", None),
        ("/srv/git/demo.git", None),
        ("git@github.com:acme/de mo", None),
        (None, None),
    ],
)
def test_a_publish_into_the_default_folder_says_what_may_have_been_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], origin: str | None, meant: str | None
) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path / "tree"], check=True)
    if origin:
        subprocess.run(["git", "-C", tmp_path / "tree", "remote", "add", "origin", origin], check=True)
    monkeypatch.chdir(tmp_path / "tree")
    with pytest.raises(SystemExit) as left:
        main(["publish", str(make_wheel(tmp_path)), "--json"])
    out, err = capsys.readouterr()
    assert left.value.code == 0
    folder = document(out)["repository"]
    told = f"`wharf init {meant}`, then `wharf publish --repo {meant} FILES` (or say it once: export WHARF_REPO={meant})"
    assert (f"a folder on this machine: {folder}" in err and told in err) is (meant is not None)
    assert (err == "") is (meant is None)


def test_publish_warns_on_stderr_of_what_it_forgives(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = make_wheel(tmp_path, metadata_version="2.1", fields=["License-Expression: MIT"])
    with pytest.raises(SystemExit) as left:
        main(["publish", str(wheel)])
    out, err = capsys.readouterr()
    assert left.value.code == 0
    assert "\npublished" in out
    assert f"warning: {wheel.name}" in err


def test_publish_takes_what_a_build_left_and_passes_over_the_rest(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = make_wheel(tmp_path / "dist")
    wheel.with_name(f"{wheel.name}.asc").write_text("a signature")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["publish", "--json"])
    out, err = capsys.readouterr()
    assert [each["filename"] for each in json.loads(out)["published"]] == [wheel.name]
    assert f"dist/{wheel.name}.asc is skipped: it goes with {wheel.name}." in err
    assert "unchanged" in run("publish", *sorted((tmp_path / "dist").iterdir()))


def test_publish_names_every_file_that_is_refused(run: Run, tmp_path: Path) -> None:
    for name in ("one-1.0.tar.gz", "two.txt"):
        (tmp_path / name).write_text("nothing")
    files = [tmp_path / "one-1.0.tar.gz", make_wheel(tmp_path), tmp_path / "two.txt"]
    said = document(run("publish", "--json", *files, code=3))["error"]
    assert said["code"] == "invalid-distribution"
    assert all(name in said["message"] for name in ("one-1.0.tar.gz: ", "two.txt: "))
    assert "Nothing was published." in run("publish", *files, code=3)


def test_strict_is_an_option_and_a_setting(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = make_wheel(tmp_path, requires_python=">=3.6.*")
    assert "--strict" in run("publish", "--strict", odd, code=3)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.wharf]\nstrict = true\n")
    run("publish", odd, code=3)
    (tmp_path / "pyproject.toml").write_text("[tool.wharf]\nstrict = false\n")
    run("publish", odd)
    (tmp_path / "pyproject.toml").write_text("[tool.wharf]\nstrict = 'yes'\n")
    assert "must be true or false" in run("publish", odd, code=2)


@pytest.mark.slow
def test_every_failure_has_its_exit_code_and_its_document(run: Run, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    run("publish", wheel)
    text = tmp_path / "notes.txt"
    text.write_text("no wheel")
    empty = tmp_path / "empty"
    empty.mkdir()
    for words, code, name in (
        (("publish", text), 3, "invalid-distribution"),
        (("publish", tmp_path / "nothing.whl"), 2, "usage"),
        (("publish", empty), 2, "usage"),
        (("publish",), 2, "usage"),
        (("publish", make_wheel(tmp_path, content="other")), 5, "conflict"),
        (("show", "nothing"), 4, "not-found"),
        (("show", "demo==9"), 4, "not-found"),
        (("show", "no/name"), 2, "usage"),
        (("show", "demo==x"), 2, "usage"),
        (("yank", "demo"), 2, "usage"),
        (("yank", "demo==9"), 4, "not-found"),
        (("remove", "demo==1.0"), 2, "usage"),
        (("list", "--index", "nothing"), 4, "no-index"),
        (("list", "--index", "No Name"), 2, "usage"),
        (("list", "--index", "simple"), 2, "usage"),
        (("list", "--repo", "http://example.org/owner/name"), 2, "usage"),
        (("list", "--repo", ""), 2, "usage"),
        (("list", "--repo", text), 8, "storage"),
        (("token", "create", "bad name"), 2, "usage"),
        (("token", "create", "ok", "--expires", "soon"), 2, "usage"),
        (("token", "revoke", "nothing"), 4, "not-found"),
        (("serve", "--tls-cert", text), 2, "usage"),
        (("serve", "--port", "0", "--tls-cert", text, "--tls-key", text), 2, "usage"),
        (("serve", "--host", "0.0.0.0", "--port", "0"), 2, "usage"),
        (("serve", "--host", "203.0.113.7"), 2, "usage"),
        (("sevre",), 2, "usage"),
        (("serve", "--trusted-proxy", "nonsense"), 2, "usage"),
        (("serve", "--auth", "github"), 2, "usage"),
        (("serve", "--auth", "tokens", "--port", "0"), 2, "usage"),
        (("serve", "--allowed-host", "http://pkg.example/"), 2, "usage"),
        (("list", "--repo", "git@github.com:owner/name"), 2, "usage"),
        (("log", "nothing"), 4, "not-found"),
        (("remove", "demo==1.0", "--yes", "--reason", "a\udcff"), 2, "usage"),
    ):
        said = document(run(*words, "--json", code=code))
        assert set(said) == {"error"}
        assert set(said["error"]) == {"code", "message", "hint"}
        assert said["error"]["code"] == name, words
        assert said["error"]["message"]
        people = run(*words, code=code)
        assert people.startswith("error: ")


@pytest.mark.slow
def test_common_options_stand_before_or_after_the_verb(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other"
    wheel = make_wheel(tmp_path)
    run("--repo", other, "--index", "staging", "publish", wheel)
    for words in (
        ("--repo", other, "list", "--index", "staging"),
        ("list", "--repo", other, "--index", "staging"),
        ("--repo", tmp_path / "nowhere", "--index", "main", "list", "--repo", other, "--index", "staging"),
    ):
        assert run(*words) == "demo 1.0\n"
        assert document(run("--json", *words)) == {"projects": [{"name": "demo", "versions": ["1.0"]}]}
    assert "There is no store in" in run("list", code=4), "nothing was made where nothing was published"


def test_v_and_doctor_say_which_place_won(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the place nearest to the person's hands to the farthest: each is taken away, and the next one wins."""
    home, work = tmp_path / "home", tmp_path / "work"
    monkeypatch.setenv("HOME", str(home))
    for folder in (home / ".config/wharf", work / ".git", tmp_path / "elsewhere"):
        folder.mkdir(parents=True)
    own, project = Path(user_config_dir("wharf", appauthor=False)) / "config.toml", work / "pyproject.toml"
    own.parent.mkdir(parents=True, exist_ok=True)
    for file, text in ((own, 'repo = "of/config"'), (project, '[tool.wharf]\nrepo = "of/project"')):
        file.write_text(text)
    monkeypatch.setenv("WHARF_REPO", "of/variable")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_REPOSITORY", "of/job")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.chdir(work)
    takes_away: list[tuple[Callable[[], object], str, dict[str, str]]] = [
        (lambda: None, "of/option", {"repo": "of/option"}),
        (lambda: None, "of/variable", {}),
        (lambda: monkeypatch.delenv("WHARF_REPO"), "of/project", {}),
        (project.unlink, "of/config", {}),
        (own.unlink, "of/job", {}),
        (lambda: monkeypatch.setenv("GITHUB_ACTIONS", "false"), user_data_dir("wharf", appauthor=False), {}),
    ]
    for take_away, address, options in takes_away:
        take_away()
        with contextlib.redirect_stderr(io.StringIO()) as err:
            found = State(verbose=True, options=options).settings()
        assert str(found.place) == address
        assert err.getvalue().startswith(f"repository: {address} (from {found.source}); index 'main'")
    assert found.source == "the default: your data folder"
    said = document(run("doctor", "--json"))["findings"][0]
    assert said["detail"] == f"{address}, named by the default: your data folder; index 'main'"


def test_the_store_that_nobody_named_is_empty_until_something_is_published(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHARF_REPO")
    assert document(run("list", "--json")) == {"projects": []}


def test_what_is_said_to_fill_an_empty_index_fills_that_one(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where, wheel = ("--repo", tmp_path / "a store", "--index", "staging"), make_wheel(tmp_path)
    run("init", *where)
    with pytest.raises(SystemExit):
        main([str(word) for word in ("list", *where)])
    (line,) = commands(capsys.readouterr().err)
    run(*line[:-1], wheel)
    assert run("list", *where) == "demo 1.0\n"
    assert document(run("list", "--repo", where[1], "--json")) == {"projects": []}


@pytest.mark.slow
def test_list_and_show(run: Run, tmp_path: Path) -> None:
    run("publish", make_wheel(tmp_path, version="1.10"), make_sdist(tmp_path, version="1.9"), make_wheel(tmp_path, "abc"))
    said = document(run("list", "--json"))
    assert said == {"projects": [{"name": "abc", "versions": ["1.0"]}, {"name": "demo", "versions": ["1.9", "1.10"]}]}
    shown = document(run("show", "Demo", "--json"))
    assert (shown["meta"], shown["name"], shown["versions"]) == ({"api-version": "1.4"}, "demo", ["1.9", "1.10"])
    one = document(run("show", "demo==1.10.0", "--json"))
    assert (one["versions"], len(one["files"])) == (["1.10"], 1)
    assert "demo-1.10-py3-none-any.whl" in run("show", "demo")


@pytest.mark.slow
def test_log_says_who_when_what_and_why(run: Run, tmp_path: Path) -> None:
    run("publish", make_wheel(tmp_path), make_wheel(tmp_path, "other"))
    run("yank", "demo==1.0", "--reason", "loses data")
    said = document(run("log", "--json"))["entries"]
    keys = {"commit", "time", "actor", "run", "verb", "what", "releases", "whole", "reason"}
    assert [set(each) for each in said] == 2 * [keys]
    assert [(each["verb"], [one["project"] for one in each["releases"]]) for each in said] == [
        ("yank", ["demo"]),
        ("publish", ["demo", "other"]),
    ]
    assert said[0]["reason"] == "loses data"
    assert {each["actor"] for each in said} == {"Ada Example"}
    assert said[0]["time"].endswith("Z")
    assert "Ada Example  yank demo 1.0 (demo-1.0-py3-none-any.whl): loses data" in run("log", "Demo")
    assert len(document(run("log", "other", "--json"))["entries"]) == 1
    assert "ahead of now" in run("log", "--since", "9999-12-31", code=2)


def test_who_did_it_is_one_line_whatever_the_account_is_called(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "eve\nWharf-Actor: ada")
    run("publish", make_wheel(tmp_path))
    assert document(run("log", "--json"))["entries"][0]["actor"] == "unknown"


@pytest.mark.slow
def test_yank_and_unyank(run: Run, tmp_path: Path) -> None:
    sdist = make_sdist(tmp_path)
    run("publish", make_wheel(tmp_path), sdist)
    said = document(run("yank", "demo==1.0", sdist.name, "--reason", "broken", "--json"))
    assert [file["filename"] for file in said["changed"]] == [sdist.name]
    assert "yanked: broken" in run("show", "demo")
    assert "yanked demo-1.0-py3" in run("yank", "demo==1.0")
    assert "unyanked" in run("unyank", "demo==1.0")
    assert "yanked" not in run("show", "demo")


@pytest.mark.slow
def test_a_project_that_is_archived_takes_no_files_until_it_is_active_again(run: Run, tmp_path: Path) -> None:
    run("publish", make_wheel(tmp_path))
    assert "demo is archived" in run("status", "Demo", "archived", "--reason", "use demo2")
    assert "demo is archived already" in run("status", "demo", "archived", "--reason", "use demo2")
    refused = run("publish", make_wheel(tmp_path, version="2.0"), code=7)
    assert "demo is archived: use demo2" in refused
    assert "`wharf status demo active`" in refused
    assert run("show", "demo").splitlines()[:2] == ["demo (archived)", "  use demo2"]
    assert "status demo: archived: use demo2" in run("log")
    said = document(run("status", "demo", "active", "--json"))
    assert (said["project"], said["status"], said["changed"]) == ("demo", "active", True)
    run("publish", make_wheel(tmp_path, version="2.0"))
    assert "Did you mean demo?" in run("status", "demmo", "archived", code=4)
    assert "'gone' is not one of" in run("status", "demo", "gone", code=2)


@pytest.mark.slow
def test_remove_asks_and_does_not_guess(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(tmp_path)
    run("publish", wheel)
    assert "--yes" in run("remove", "demo==1.0", code=2)
    monkeypatch.setattr("wharf.cli.state.sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda *_, **__: False)
    assert "Nothing was removed." in run("remove", "demo==1.0", code=130)
    monkeypatch.setattr("click.confirm", lambda *_, **__: True)
    assert run("remove", "demo==1.0").splitlines()[0] == f"removed {wheel.name}"
    assert document(run("list", "--json")) == {"projects": []}
    assert f"{wheel.name}  removed" in run("show", "demo")
    assert document(run("verify", "--json"))["ok"] is True


@pytest.mark.slow
def test_verify_has_an_exit_code_and_a_repair(run: Run, tmp_path: Path, store: Path) -> None:
    run("publish", make_wheel(tmp_path))
    assert document(run("verify", "--json")) == {"ok": True, "files": 1, "problems": [], "leftovers": []}
    next((store / "assets").rglob("*.whl")).write_bytes(b"x")
    said = document(run("verify", "--json", code=8))
    assert said["ok"] is False
    assert said["problems"][0]["kind"] == "other-bytes"


def test_tokens_are_shown_once_and_listed_without_themselves(run: Run, store: Path) -> None:
    said = document(run("token", "create", "ci", "--expires", "90d", "--json"))
    assert set(said) == {"name", "token", "scope", "expires", "indexes", "projects", "owner", "note"}
    assert (said["name"], said["scope"]) == ("ci", "publish")
    assert said["expires"].endswith("Z")
    assert run("token", "create", "dev", "--scope", "read").startswith("wharf_")
    listed = run("token", "list", "--json")
    assert [(each["name"], each["scope"]) for each in document(listed)["tokens"]] == [("ci", "publish"), ("dev", "read")]
    assert said["token"] not in listed + (store / "tokens.json").read_text()
    assert (store / "tokens.json").stat().st_mode & 0o777 == 0o600
    assert document(run("token", "create", "ci", "--json", code=5))["error"]["code"] == "conflict"
    run("token", "revoke", "ci")
    assert "ci" not in run("token", "list")


def test_a_store_whose_tokens_have_all_expired_is_not_served_to_others(run: Run, store: Path) -> None:
    with open_repository(Settings(place=store)) as repository:
        repository.tokens.create("old", "read", datetime(2020, 1, 1, tzinfo=UTC))
    assert "no valid token" in run("serve", "--host", "0.0.0.0", "--port", "0", code=2)
    assert "expired" in run("token", "list")


def test_the_embedded_store_lies_in_the_users_data_folder(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHARF_REPO")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    run("publish", make_wheel(tmp_path))
    assert sorted(path.name for path in (tmp_path / "data/wharf").iterdir()) == ["assets", "index.git", "lock", "staging"]


@pytest.mark.slow
def test_a_hostile_reason_does_not_reach_the_terminal_as_it_is(run: Run, tmp_path: Path, store: Path) -> None:
    wheel = make_wheel(tmp_path)
    run("publish", wheel)
    assert "one line" in run("yank", "demo==1.0", "--reason", "a\x1b[2Jb", code=2)
    text = document(run("show", "demo", "--json"))
    record = {
        **text,
        "files": [{**text["files"][0], "url": wheel.name, "yanked": "\x1b]0;owned\x07"}],
    }
    edit_by_hand(store, "projects/de/demo/1.0/release.json", json.dumps(record).encode())
    shown = run("show", "demo")
    assert "\x1b" not in shown
    assert "owned" in shown


def test_a_hostile_path_does_not_either(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("-v", "list"), ("doctor",), ("list",)):
        with pytest.raises(SystemExit):
            main([*words, "--repo", f"{tmp_path}/a\x1b]0;owned\x07"])
        out, err = capsys.readouterr()
        assert "\x1b" not in out + err
        assert "owned" in out + err


@pytest.mark.parametrize("encoding", first(0, [{}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]))
def test_a_document_is_one_whatever_the_output_can_show(tmp_path: Path, encoding: dict[str, str]) -> None:
    name = b"\xff\xc3\xa9"
    for verb, code in (("list", 4), ("doctor", 0)):
        done = subprocess.run(
            [sys.executable, "-m", "wharf", verb, "--json", "--repo", os.fsencode(tmp_path) + b"/" + name],
            env={**os.environ, **encoding},
            capture_output=True,
        )
        assert done.returncode == code
        said = json.loads(done.stdout.decode("ascii"))
        told = said["error"]["message"] if code else said["findings"][0]["detail"]
        assert name in told.encode(errors="surrogateescape")


@pytest.mark.slow
def test_a_configuration_that_git_cannot_read_is_no_fault_in_wharf(tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("[user\n")
    done = subprocess.run(
        [sys.executable, "-m", "wharf", "list", "--json", "--repo", str(tmp_path / "store")],
        env={**os.environ, "GIT_CONFIG_GLOBAL": str(tmp_path / "broken")},
        capture_output=True,
    )
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (8, "storage")
    assert f"bad config line 1 in file {tmp_path / 'broken'}" in error["message"]


@pytest.mark.parametrize("verb", [*_VERBS, "token create", "token list", "token revoke"])
def test_help_has_an_example(run: Run, verb: str) -> None:
    text = run(*verb.split(), "--help")
    assert "Example" in text
    assert f"wharf {verb}" in text
    assert "--json" in text


def test_help_of_the_whole_names_every_verb_as_the_verb_does(run: Run) -> None:
    text = run("--help")
    for name, (_, line) in _VERBS.items():
        assert f"{name} " in text
        assert line in " ".join(text.split())
        assert cli.get_command(None, name).name == name  # type: ignore[arg-type, union-attr]


def test_no_verb_shows_the_help_and_is_wrong_use(run: Run) -> None:
    assert "Commands:" in run(code=2)
    assert run("--version").startswith("wharf, version ")


def test_interrupted_is_told(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("wharf.operations.publish.publish", interrupt)
    said = run("publish", make_wheel(tmp_path), "--json", code=130)
    assert document(said)["error"]["code"] == "interrupted"
