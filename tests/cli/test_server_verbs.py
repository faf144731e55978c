"""`wharf --server URL VERB`: the documents, lines and exit codes of the same command over a repository."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from platformdirs import user_config_dir

from tests.cli.server_world import World, run_wharf, serving_world
from tests.makers import make_sdist, make_wheel
from tests.raw_server import Server, always, answer
from tests.server.running import soon
from wharf.cli.main import _VERBS
from wharf.repository import server_credentials
from wharf.repository.server_settings import VERBS

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def world(store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[World]:
    with serving_world(store, monkeypatch, capsys) as world:
        yield world


def shows(world: World, project: str, index: str = "main") -> None:
    """Wait until the server shows a project that another process published."""

    def listed() -> bool:
        said = world.wharf("list", "--index", index, "--json", code=None)
        return not said.code and project in [each["name"] for each in said.document["projects"]]

    soon(listed)


VERBS_IN_ORDER = (
    ("list",),
    ("show", "demo"),
    ("show", "demo==1.0"),
    ("yank", "demo==1.0", "--reason", "loses data"),
    ("yank", "demo==1.0", "--reason", "loses data"),
    ("show", "demo"),
    ("unyank", "demo==1.0", "demo-1.0-py3-none-any.whl"),
    ("status", "demo", "deprecated", "--reason", "use other"),
    ("status", "demo", "deprecated", "--reason", "use other"),
    ("promote", "demo==2.0", "--from", "staging", "--dry-run"),
    ("promote", "demo==2.0", "--from", "staging"),
    ("promote", "demo==2.0", "--from", "staging"),
    ("remove", "demo==1.0", "demo-1.0.tar.gz", "--yes", "--reason", "wrong"),
    ("remove", "demo==1.0", "demo-1.0.tar.gz", "--yes"),
    ("remove", "demo==2.0", "demo==1.0", "--yes", "--reason", "both"),
    ("log", "-n", "1"),
    ("remove", "demo==2.0", "demo==1.0", "--yes"),
    ("remove", "demo==2.0", "demo==8.0", "--yes"),
    ("remove", "demo==1.*", "--yes"),
    ("remove", "demo==*.dev*", "--yes"),
    ("remove", "demo==*.dev*", "--older-than", "30d", "--yes"),
    ("remove", "nothing==1.*", "--older-than", "30d", "--yes"),
    ("remove", "night==*", "--older-than", "30d", "--yes"),
    ("remove", "night==1.0.dev*", "night==1.0", "--yes", "--reason", "old"),
    ("remove", "night==1.0.dev*", "--yes"),
    ("remove", "night==2.0", "--older-than", "30d", "--yes"),
    ("log", "-n", "1"),
    ("show", "night"),
    ("show", "demo"),
    ("restore", "--to", "FIRST", "--dry-run"),
    ("restore", "--to", "FIRST", "--yes"),
    ("restore", "--to", "FIRST", "demo", "--yes"),
    ("log", "-n", "4"),
    ("log", "demo==1.0"),
    ("log", "--since", "FIRST"),
    ("log", "night", "--since", "FIRST"),
    ("log", "--since", "LAST"),
    ("status", "night", "archived"),
    ("log", "demo", "--since", "LAST"),
    ("log", "--since", "0123456789abcdef"),
    ("show", "nothing"),
    ("show", "demo==7"),
    ("yank", "nothing==1.0"),
    ("yank", "demo==7"),
    ("status", "nothing", "archived"),
    ("remove", "nothing==1.0", "--yes"),
    ("remove", "demo==1.0", "demo-1.0-py2-none-any.whl", "--yes"),
    ("promote", "nothing==1.0", "--from", "staging"),
    ("promote", "demo==2.0", "--from", "main"),
    ("log", "nothing"),
    ("log", "demo==7"),
    ("restore", "--to", "2019-01-01", "nothing", "--yes"),
    ("restore", "--to", "yesterday", "--yes"),
    ("yank", "demo"),
)


@pytest.mark.slow
def test_each_verb_tells_over_a_server_what_it_tells_over_a_repository(world: World, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    new = [make_wheel(tmp_path), make_sdist(tmp_path)]
    new += [make_wheel(tmp_path, "night", version) for version in ("1.0.dev1", "1.0.dev2", "1.0", "2.0")]
    later = make_wheel(tmp_path, version="2.0")
    for place in (world.store, twin):
        world.wharf("--repo", place, "publish", *new, url=None)
        world.wharf("--repo", place, "publish", "--index", "staging", "--create", later, url=None)
    shows(world, "demo")
    shows(world, "demo", "staging")
    places: tuple[tuple[str | None, list[object]], ...] = ((world.url, []), (None, ["--repo", twin]))

    def newest() -> dict[str | None, str]:
        return {
            url: world.wharf(*place, "log", "--json", "-n", "1", url=url).document["entries"][0]["commit"]
            for url, place in places
        }

    firsts = newest()
    for words in VERBS_IN_ORDER:
        commits = {"FIRST": firsts, "LAST": newest() if "LAST" in words else firsts}
        typed = [[commits[each][url] if each in commits else each for each in (*place, *words)] for url, place in places]
        far, near = (world.wharf(*words, "--json", code=None, url=at[0]) for words, at in zip(typed, places, strict=True))
        assert far.code == near.code, (words, far, near)
        if far.code:
            assert far.document["error"]["code"] == near.document["error"]["code"], words
            continue
        assert _plain(far.document) == _plain(near.document), words
        lines = [world.wharf(*words, url=at[0]).out for words, at in zip(typed, places, strict=True)]
        assert _lines(lines[0], f"{world.url}/") == _lines(lines[1], str(twin)), words


def _plain(found: Any) -> Any:
    """A document without what differs between two places that had the same done to them."""
    if isinstance(found, list):
        return [_plain(each) for each in found]
    if not isinstance(found, dict):
        return _masked(found) if isinstance(found, str) else found
    left_out = {"repository", "commit", "time", "upload-time", "url", "moment", "actor"}
    return {key: _plain(each) for key, each in found.items() if key not in left_out}


def _lines(text: str, place: str) -> list[str]:
    """The lines for people without what differs."""
    text = text.replace(place, "PLACE")
    return _masked(text).splitlines()


def _masked(text: str) -> str:
    """Without commits, times, and who did it."""
    text = re.sub(r"\b[0-9a-f]{7,40}\b|\d{4}-\d\d-\d\d( \d\d:\d\d UTC)?", "X", text)
    return re.sub(r"\bada\b|Ada Example( <ada@example.org>)?", "SOMEBODY", text)


@pytest.mark.slow
def test_a_project_that_left_is_asked_about_before_it_is_removed(world: World, tmp_path: Path) -> None:
    world.wharf("publish", make_wheel(tmp_path))
    assert "Say --yes" in world.wharf("remove", "demo==1.0", code=2).err
    assert world.wharf("list", "--json").document["projects"] == [{"name": "demo", "versions": ["1.0"]}]


@pytest.mark.parametrize("verb", [each for each in _VERBS if each not in VERBS])
def test_every_other_verb_says_where_it_works(
    verb: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = {
        "build": ["out"],
        "index": ["index", "list"],
        "why": ["demo"],
        "diff": ["main..main"],
        "cache": ["cache", "clear"],
        "run": ["--", "true"],
        "prune": ["--yes"],
    }.get(verb, [])
    typed = [*([] if words[:1] == [verb] else [verb]), *words]
    for before, environ in ((["--server", "https://h.example/"], ""), ([], "https://h.example/")):
        monkeypatch.setenv("WHARF_SERVER", environ)
        said = run_wharf(capsys, *before, "--json", *typed, code=2).document
        assert "does not work over a server" in said["error"]["message"], typed
        assert "--repo" in said["error"]["hint"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "simple"),
    [
        ((), "https://h.example/simple/"),
        (("--index", "main"), "https://h.example/simple/"),
        (("--index", "staging"), "https://h.example/staging/simple/"),
        (("--server", "https://h.example/pkgs/staging/simple/"), "https://h.example/pkgs/staging/simple/"),
        (("--url", "https://site.example/x"), "https://site.example/x/simple/"),
    ],
)
def test_setup_tells_installers_of_the_server(
    words: tuple[str, ...], simple: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no repository, and nobody answers at that address."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHARF_SERVER", "https://h.example/")
    said = run_wharf(capsys, "setup", "pip", *words, "--json").document
    assert simple in said["text"].split()
    assert "`wharf token create " in " ".join(said["notes"])


@pytest.mark.parametrize(
    ("words", "variables", "asked", "right"),
    [
        (("--server", "https://h.example/staging", "--index", "main"), {}, "main", "--url https://h.example/"),
        (("--url", "https://h.example/site/staging/simple/", "--index", "main"), {}, "main", "--url https://h.example/site/"),
        (("--index", "main"), {"WHARF_SERVER": "https://h.example/staging/"}, "main", "--url https://h.example/"),
        (("--server", "https://h.example/staging", "--index", "dev"), {}, "dev", "--url https://h.example/staging/dev/"),
        (("--server", "https://h.example/staging"), {"WHARF_INDEX": "dev"}, "dev", "--url https://h.example/staging/dev/"),
    ],
)
def test_setup_refuses_the_address_of_one_index_with_the_name_of_another(
    words: tuple[str, ...],
    variables: dict[str, str],
    asked: str,
    right: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Both lines that the hint names are taken."""
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    error = run_wharf(capsys, "setup", "pip", *words, "--json", code=2).document["error"]
    assert f"'{asked}', but with 'staging'" in error["message"]
    assert f"`{right}`" in error["hint"]
    run_wharf(capsys, "setup", "pip", *words, "--index", "staging", "--json")
    without = () if asked == "main" else ("--index", asked)
    run_wharf(capsys, "setup", "pip", *right.split(), *without, "--json")


def test_setup_takes_the_address_of_an_index_beside_a_habit_that_is_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHARF_INDEX", "main")
    said = run_wharf(capsys, "setup", "pip", "--server", "https://h.example/staging", "--json").document
    assert "https://h.example/staging/simple/" in said["text"].split()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("list", "--bases"), "--bases"),
        (("show", "demo", "--at", "2026-11-30"), "--at"),
        (("promote", "demo==1.0", "--from", "staging", "--propose"), "--propose"),
        (("log", "demo==1.0", "demo-1.0.tar.gz"), "not one file"),
        (("publish", "--create", "."), "--create"),
        (("publish", "--dispatch", "x", "."), "--dispatch"),
        (("publish", "--stage", "--cancel", "."), "exclude each other"),
        (("publish", "--stage", "--dry-run", "."), "exclude each other"),
        (("list", "--repo", "./store"), "name two places"),
        (("list", "--server", "https://ada:hunter2@h.example/"), "user name or a token"),
        (("list", "--server", "http://h.example/"), "in the open"),
    ],
)
def test_what_does_not_work_over_a_server_is_said_before_it_is_asked(
    words: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_wheel(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHARF_TOKEN", "wharf_" + "x" * 43)
    with Server(always(answer())) as server:
        said = run_wharf(capsys, "--server", f"http://127.0.0.1:{server.port}/", *words, "--json", code=2).document["error"]
    assert says in f"{said['message']} {said['hint']}"
    assert "hunter2" not in str(said)
    assert server.heads == []


def test_a_server_that_only_a_working_tree_names_gets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHARF_TOKEN", "wharf_" + "x" * 43)
    empty: dict[str, object] = {"indexes": [], "index": "main", "commit": None, "projects": [], "next": None}
    with Server(always(answer(json.dumps(empty).encode()))) as server:
        url = f"http://127.0.0.1:{server.port}/"
        (tmp_path / "pyproject.toml").write_text(f'[tool.wharf]\nserver = "{url}"\n', encoding="utf-8")
        said = run_wharf(capsys, "list", "--json", code=2).document["error"]
        assert f"--server {url}" in said["hint"]
        assert server.heads == []
        own = Path(user_config_dir("wharf", appauthor=False))
        own.mkdir(parents=True)
        (own / "config.toml").write_text(f'server = "{url}"\n', encoding="utf-8")
        assert run_wharf(capsys, "list", "--json").document == {"projects": []}
        assert all("authorization: Basic" in head for head in server.heads)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scope", "more", "words", "code", "says"),
    [
        (None, {}, ("list",), 6, "WHARF_TOKEN"),
        ("wrong", {}, ("list",), 6, "WHARF_TOKEN"),
        ("read", {}, ("list",), 0, ""),
        ("read", {}, ("publish", "FILE"), 6, ""),
        ("publish", {}, ("publish", "FILE"), 0, ""),
        ("publish", {}, ("yank", "demo==1.0"), 6, "--scope manage"),
        ("publish", {}, ("remove", "demo==1.0", "--yes"), 6, "--scope manage"),
        ("manage", {}, ("yank", "demo==1.0"), 0, ""),
        ("manage", {"projects": ("other",)}, ("yank", "demo==1.0"), 6, ""),
        ("publish", {"projects": ("other",)}, ("publish", "FILE"), 6, ""),
        ("manage", {"indexes": ("staging",)}, ("list",), 6, ""),
    ],
)
def test_a_token_does_what_its_scope_says(
    store: Path,
    tmp_path: Path,
    scope: str | None,
    more: dict[str, tuple[str, ...]],
    words: tuple[str, ...],
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = make_wheel(tmp_path, version="2.0")
    with serving_world(store, monkeypatch, capsys, open_reading=False) as world:
        world.wharf("publish", make_wheel(tmp_path))
        token = f"wharf_{'x' * 43}" if scope == "wrong" else "" if scope is None else world.token("other", scope, **more)
        monkeypatch.setenv("WHARF_TOKEN", token or "-")
        if scope is None:
            monkeypatch.delenv("WHARF_TOKEN")
            monkeypatch.setenv("PATH", "")  # no keyring
            monkeypatch.setattr(server_credentials, "_keyring", lambda _environ: [])
        said = world.wharf("--json", *(file if each == "FILE" else each for each in words), code=code)
    if code:
        assert said.document["error"]["code"] in {"not-allowed", "may-not-write"}
        assert says in said.out


@pytest.mark.slow
def test_the_netrc_lets_a_person_in_and_a_verbose_command_says_so(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving_world(store, monkeypatch, capsys, open_reading=False) as world:
        netrc = tmp_path / "netrc"
        netrc.write_text(f"machine 127.0.0.1 login __token__ password {world.token('of-netrc', 'read')}\n", encoding="utf-8")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.delenv("WHARF_TOKEN")
        said = world.wharf("-v", "list", "--json")
    assert said.document == {"projects": []}
    assert f"token: from {netrc}" in said.err
    assert f"server: {world.url}/ (from the option --server)" in said.err


@pytest.mark.slow
def test_tokens_are_made_listed_and_ended_over_the_server(world: World) -> None:
    words = ("--scope", "publish", "--project", "acme-*", "--owner", "alice", "--expires", "90d")
    made = world.wharf("token", "create", "ci", *words, "--json").document
    assert (made["name"], made["scope"], made["projects"], made["owner"]) == ("ci", "publish", ["acme-*"], "alice")
    assert "may read all indexes, and publish acme-* there" in world.wharf("token", "create", "more", *words).err
    listed = world.wharf("token", "list", "--json").document["tokens"]
    here = world.here("token", "list", "--json").document["tokens"]
    assert [{**each, "last_used": None} for each in listed] == [{**each, "last_used": None} for each in here]
    assert any(line.startswith("ci  publish  expires") for line in world.wharf("token", "list").out.splitlines())
    assert world.wharf("token", "revoke", "ci", "--json").document == {"revoked": "ci"}
    assert world.wharf("token", "revoke", "ci", "--json", code=4).document["error"]["code"] == "not-found"
    assert world.wharf("token", "create", "more", "--json", code=5).document["error"]["code"] == "conflict"
