"""`wharf setup`: what each client is told, and edits that leave everything else in people's files as it is."""

from __future__ import annotations

import configparser
import os
import stat
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
import tomlkit
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.cli.test_main import document
from wharf.cli.main import main
from wharf.cli.setup_command import setup_command
from wharf.clients import setup_by_client
from wharf.clients.index_address import IndexAddress, parse_index_address
from wharf.clients.setup_text import Client
from wharf.errors import UsageError
from wharf.text_formats import ini_editing

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., Any]

URL = "https://wharf.example.com"
SIMPLE = f"{URL}/simple/"
CLIENTS = get_args(Client)
PYPROJECT = """\
# mine
[project]
name = "app"  # a comment

[tool.black]
line-length = 100

[tool.uv]
package = true
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and an empty folder beside it to work in."""
    (tmp_path / "home").mkdir()
    (tmp_path / "app" / "src").mkdir(parents=True)
    (tmp_path / "app" / ".git").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "app")
    for name in ("PIP_CONFIG_FILE", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `wharf setup … --json`, checks the exit code, and gives the document."""

    def run(*words: object, code: int = 0) -> Any:
        with pytest.raises(SystemExit) as left:
            main(["setup", *(str(word) for word in words), "--json"])
        out, err = capsys.readouterr()
        assert left.value.code == code, err + out
        return document(out)

    return run


def project(text: str = PYPROJECT) -> Path:
    path = Path("pyproject.toml").absolute()
    path.write_text(text)
    return path


def toml(path: Path) -> Any:
    return tomllib.loads(path.read_text())


def wrong(said: Any) -> Any:
    return said["error"]


def ini(path: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read(path)
    return parser


# The address


@pytest.mark.parametrize(
    ("text", "root"),
    [
        (URL, f"{URL}/"),
        (f"{URL}/", f"{URL}/"),
        (f"{URL}/simple", f"{URL}/"),
        (f"{URL}/simple/", f"{URL}/"),
        (f"{URL}/packages/simple/", f"{URL}/packages/"),
        ("https://ada.github.io/index", "https://ada.github.io/index/"),
        ("HTTPS://Wharf.Example.COM:443/Pkg", f"{URL}/Pkg/"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/"),
        ("http://[::1]:8000/simple/", "http://[::1]:8000/"),
        (f"{URL}/simpleton", f"{URL}/simpleton/"),
    ],
)
def test_the_address_is_taken_with_or_without_simple(text: str, root: str) -> None:
    place = parse_index_address(text)
    assert place.root == root
    assert (place.simple, place.legacy) == (f"{root}simple/", f"{root}legacy/")


@pytest.mark.parametrize(
    "text",
    [
        *("", "wharf.example.com", "ftp://wharf.example.com", "file:///simple", "https://", "https:///simple/", "//host/"),
        *(f"{URL}/?a=b", f"{URL}/?", f"{URL}/#x", f"{URL}:0", f"{URL}:99999", f"{URL}:x", "https://[::1", "https://a b/"),
        *(f"{URL}/a//b", f"{URL}/../a", f"{URL}/./a", f"{URL}/a b", f"{URL}/a\nb", f'{URL}/"', f"{URL}/${{HOME}}", f"{URL}/ä"),
        *(f"{URL}/legacy/", f"{URL}/legacy", "https://-x/", "https://x/\\y"),
    ],
)
def test_what_is_no_address_of_an_index_is_told(text: str) -> None:
    with pytest.raises(UsageError, match=r"address|where uploads go") as caught:
        parse_index_address(text)
    assert URL in caught.value.hint


def test_credentials_in_the_address_are_refused_and_not_repeated(run: Run) -> None:
    for text in (
        "https://x:hush@wharf.example.com",
        "x:hush@wharf.example.com",
        "https://hush@wharf.example.com/simple/?hush",
        "https://x:hush@[::1",
    ):
        said = wrong(run("pip", "--url", text, code=2))
        assert "hush" not in str(said)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_is_refused(text: str) -> None:
    for whole in (text, f"{URL}/{text}", f"https://{text}/"):
        try:
            place = parse_index_address(whole)
        except UsageError:
            continue
        assert parse_index_address(place.root) == parse_index_address(place.simple) == place
        assert not set(place.root) & set(" \t\r\n\"'\\${}@?#")


@pytest.mark.parametrize("name", ["", "pypi", "PyPI", "testpypi", "distutils", "a b", "-a", "a-", "a]", "ä", "x" * 65, "a\nb"])
def test_a_name_that_cannot_be_is_told(run: Run, name: str) -> None:
    if name:
        assert "--name" in wrong(run("uv", "--url", URL, "--name", name, code=2))["hint"]
    for client in ("pip", "pdm"):
        assert "--name" in wrong(run(client, "--url", URL, "--name", name or "acme", code=2))["hint"]


# What is printed


@pytest.mark.parametrize("client", CLIENTS)
def test_without_write_nothing_is_written(run: Run, home: Path, client: str) -> None:
    path = project()
    said = run(client, "--url", URL)
    assert set(said) == {"client", "file", "written", "changed", "text", "environment", "notes"}
    assert (said["client"], said["written"], said["changed"]) == (client, False, False)
    assert f"{URL}/{'legacy' if client == 'twine' else 'simple'}/" in said["text"]
    assert path.read_text() == PYPROJECT
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_printed_is_what_is_written(run: Run, tmp_path: Path, client: str) -> None:
    """The text alone in a file makes the client see the same."""
    name = {"pip": "pip.conf", "twine": ".pypirc", "uv": "uv.toml"}.get(client, "pyproject.toml")
    file = tmp_path / "fresh" / name
    file.parent.mkdir()
    file.write_text("")
    said = run(client, "--url", URL, "--file", file, "--write")
    assert (said["file"], said["written"], said["changed"]) == (str(file), True, True)
    assert file.read_text() == said["text"]


@pytest.mark.parametrize("client", CLIENTS)
def test_the_person_is_told_where_the_token_goes_and_whose_it_is(
    run: Run, store: Path, capsys: pytest.CaptureFixture[str], client: str
) -> None:
    project()
    said = run(client, "--url", URL, "--repo", "acme/packages")
    assert any("GitHub token that may read acme/packages" in note for note in said["notes"])
    assert any("token goes to" in note for note in said["notes"])
    assert all(name in str(said["notes"]) for name in said["environment"])
    store.mkdir()
    assert any("wharf token create" in note for note in run(client, "--url", URL, "--repo", store)["notes"])
    with pytest.raises(SystemExit):
        main(["setup", client, "--url", URL])
    out, _ = capsys.readouterr()
    assert said["text"].splitlines()[0] in out
    assert all(name in out for name in said["environment"])


@pytest.mark.parametrize("client", CLIENTS)
def test_an_index_that_is_named_is_the_one_of_the_address(run: Run, monkeypatch: pytest.MonkeyPatch, client: str) -> None:
    project()
    staging = run(client, "--url", f"{URL}/staging")
    assert staging["text"] != run(client, "--url", URL)["text"]
    for url in (URL, SIMPLE, f"{URL}/staging", f"{URL}/staging/simple/"):
        assert run(client, "--url", url, "--index", "staging") == staging
    assert run(client, "--url", URL, "--index", "main") == run(client, "--url", URL)
    for url in (f"{URL}/site", f"{URL}/not-staging"):
        error = run(client, "--url", url, "--index", "staging", code=2)["error"]
        assert f"`--url {url}/staging/`" in error["hint"]
    assert run(client, "--url", f"{URL}/site/staging", "--index", "staging")["text"]
    assert run(client, "--url", f"{URL}/My_Site", "--index", "main") == run(client, "--url", f"{URL}/My_Site")
    monkeypatch.setenv("WHARF_INDEX", "staging")
    assert run(client, "--url", URL) == staging


@pytest.mark.parametrize(("client", "prefix"), [("uv", "UV_INDEX_"), ("poetry", "POETRY_HTTP_BASIC_")])
def test_variables_are_named_after_the_index(run: Run, client: str, prefix: str) -> None:
    said = run(client, "--url", URL, "--name", "My-index")
    assert said["environment"] == [f"{prefix}MY_INDEX_USERNAME", f"{prefix}MY_INDEX_PASSWORD"]


def test_a_token_in_the_open_is_warned_of(run: Run) -> None:
    for url, warned in (("http://wharf.example.com", True), ("http://localhost:8000", False), (URL, False)):
        assert any("in the open" in note for note in run("pip", "--url", url)["notes"]) is warned


@pytest.mark.parametrize("client", ["uv", "poetry"])
def test_without_an_address_it_is_that_of_wharf_run(run: Run, client: str) -> None:
    path = project()
    said = run(client, "--repo", "acme/packages", "--write")
    assert said["changed"]
    assert "http://127.0.0.1:24541/simple/" in path.read_text()
    assert any(f"wharf run --repo acme/packages -- {client}" in note for note in said["notes"])
    assert any("No token" in note for note in said["notes"])
    assert not any("--name out" in note for note in said["notes"])
    assert any("--name out" in note for note in run(client, "--name", "acme")["notes"])


@pytest.mark.parametrize("client", ["pip", "pdm"])
def test_with_wharf_run_pip_and_pdm_need_nothing(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch, client: str) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    path = project()
    said = run(client, "--write")
    assert (said["file"], said["written"], said["text"]) == (None, False, "")
    assert any("needs no configuration" in note for note in said["notes"])
    assert path.read_text() == PYPROJECT
    assert list(home.iterdir()) == []


def test_twine_needs_a_server(run: Run) -> None:
    assert "wharf publish" in wrong(run("twine", code=2))["hint"]


# Which file


def test_pip_is_told_in_the_file_that_it_would_edit_itself(
    run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("pip", "--url", URL)["file"] == str(home / ".config/pip/pip.conf")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    config = tmp_path / "config" if sys.platform != "darwin" else home / ".config"
    assert run("pip", "--url", URL)["file"] == str(config / "pip/pip.conf")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "venv"))
    assert run("pip", "--url", URL)["file"] == str(config / "pip/pip.conf")
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv/pip.conf").touch()
    assert run("pip", "--url", URL)["file"] == str(tmp_path / "venv/pip.conf")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "mine.conf"))
    assert run("pip", "--url", URL, "--write")["file"] == str(tmp_path / "mine.conf")
    assert ini(tmp_path / "mine.conf")["global"]["index-url"] == SIMPLE
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    assert "--file" in wrong(run("pip", "--url", URL, "--write", code=2))["hint"]
    assert run("pip", "--url", URL, "--file", tmp_path / "other")["file"] == str(tmp_path / "other")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("machine wharf.example.com login x password t\n", False),
        ("machine a login x password t\ndefault login x password t\n", True),
        (None, False),
    ],
)
def test_a_password_for_any_host_breaks_pip_over_redirects(
    run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, told: bool
) -> None:
    for file in (home / ".netrc", tmp_path / "mine"):
        if text is not None:
            file.write_text(text)
        for words in ((), ("--url", URL)):
            assert any("`default` line" in note for note in run("pip", *words)["notes"]) is told
            assert not any("`default` line" in note for note in run("uv", *words)["notes"])
        (home / ".netrc").unlink(missing_ok=True)
        monkeypatch.setenv("NETRC", str(tmp_path / "mine"))


def test_twine_is_not_to_be_told_to_skip_what_is_there(run: Run) -> None:
    assert any(note.startswith("Leave --skip-existing out") for note in run("twine", "--url", URL)["notes"])


def test_uv_is_told_in_the_nearest_project_or_for_the_person(
    run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").touch()  # above the working tree
    said = run("uv", "--url", URL, "--write")
    assert said["file"] == str(home / ".config/uv/uv.toml")
    assert toml(home / ".config/uv/uv.toml") == {"index": [{"name": "wharf", "url": SIMPLE}]}
    path = project()
    monkeypatch.chdir("src")
    assert run("uv", "--url", URL)["file"] == str(path)
    (tmp_path / "app/uv.toml").touch()
    assert run("uv", "--url", URL)["file"] == str(tmp_path / "app/uv.toml")


def test_the_address_of_a_run_goes_into_no_file_for_all_projects(run: Run, home: Path, tmp_path: Path) -> None:
    everywhere = home / ".config/uv/uv.toml"
    assert run("uv")["file"] is None
    said = wrong(run("uv", "--write", code=2))
    assert "There is no pyproject.toml here" in said["message"]
    assert "--url" in said["message"]
    assert "in all projects" in wrong(run("uv", "--write", "--file", everywhere, code=2))["message"]
    everywhere.parent.mkdir(parents=True)
    (tmp_path / "link.toml").symlink_to(everywhere)
    assert "in all projects" in wrong(run("uv", "--file", tmp_path / "link.toml", code=2))["message"]
    assert not everywhere.exists()
    path = project()
    assert run("uv", "--write")["file"] == str(path)


@pytest.mark.parametrize("client", ["poetry", "pdm"])
def test_a_project_has_to_be_there(run: Run, tmp_path: Path, client: str) -> None:
    assert run(client, "--url", URL)["file"] is None
    assert f"{client} init" in wrong(run(client, "--url", URL, "--write", code=2))["message"]
    assert wrong(run(client, "--url", URL, "--write", "--file", tmp_path / "no/pyproject.toml", code=4))
    assert not (tmp_path / "no").exists()


def test_what_wins_over_pip_s_file_is_told(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", SIMPLE)
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nextra_index_url = https://a/\n[install]\nindex-url = https://b/\n")
    notes = str(run("pip", "--url", URL, "--write", "--file", file)["notes"])
    assert "PIP_EXTRA_INDEX_URL" in notes
    assert "[global]" in notes
    assert "[install]" in notes


# Edits


@pytest.mark.parametrize("client", CLIENTS)
def test_writing_again_changes_nothing(run: Run, tmp_path: Path, client: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("" if client in {"pip", "twine"} else PYPROJECT)
    words = (client, "--url", URL, "--write", "--file", path)
    assert run(*words)["changed"]
    before = path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino
    said = run(*words)
    assert (said["written"], said["changed"]) == (True, False)
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) == before
    assert run(client, "--url", f"{URL}/moved", "--write", "--file", path)["changed"]
    assert path.read_text() == before[0].decode().replace(URL, f"{URL}/moved")


def test_comments_and_everything_else_stay(run: Run) -> None:
    path = project()
    for client in ("uv", "poetry", "pdm"):
        run(client, "--url", URL, "--write")
    left = path.read_text()
    for line in PYPROJECT.splitlines():
        assert line in left
    assert toml(path)["tool"] == {
        "black": {"line-length": 100},
        "uv": {"package": True, "index": [{"name": "wharf", "url": SIMPLE}]},
        "poetry": {"source": [{"name": "wharf", "url": SIMPLE, "priority": "primary"}]},
        "pdm": {"source": [{"name": "pypi", "url": SIMPLE}]},
    }


def test_a_new_index_comes_before_those_that_are_there_and_an_old_one_keeps_its_place(run: Run) -> None:
    path = project('[[tool.uv.index]]\nname = "a"\nurl = "https://a/"\n\n[[tool.uv.index]]\nname = "b"\nurl = "https://b/"\n')
    run("uv", "--url", URL, "--write")
    assert [each["name"] for each in toml(path)["tool"]["uv"]["index"]] == ["wharf", "a", "b"]
    said = run("uv", "--url", URL, "--name", "B", "--write")
    assert [each["url"] for each in toml(path)["tool"]["uv"]["index"]] == [SIMPLE, "https://a/", SIMPLE]
    assert any("'a' stands before" in note for note in said["notes"])


def test_an_entry_keeps_what_else_it_says(run: Run) -> None:
    path = project(
        '[[tool.uv.index]]\nname = "wharf"  # ours\nurl = "https://old/simple/"  # moved\nexplicit = true\nignored = 1\n'
        '[[tool.poetry.source]]\nname = "Wharf"\nurl = "https://old/"\npriority = "explicit"\n'
    )
    run("uv", "--url", URL, "--write")
    run("poetry", "--url", URL, "--write")
    assert path.read_text() == (
        f'[[tool.uv.index]]\nname = "wharf"  # ours\nurl = "{SIMPLE}"  # moved\nexplicit = true\nignored = 1\n'
        f'[[tool.poetry.source]]\nname = "Wharf"\nurl = "{SIMPLE}"\npriority = "explicit"\n'
    )


@pytest.mark.parametrize("before", ['priority = "supplemental"\n', 'priority = "default"\n', ""])
def test_poetry_asks_no_other_source_for_what_is_here(run: Run, before: str) -> None:
    path = project(
        f'[[tool.poetry.source]]\nname = "wharf"\nurl = "https://old/"\n{before}\n[[tool.poetry.source]]\nname = "PyPI"\n'
    )
    said = run("poetry", "--url", URL, "--write")
    assert toml(path)["tool"]["poetry"]["source"][0] == {"name": "wharf", "url": SIMPLE, "priority": "primary"}
    assert any("'PyPI'" in note and "primary as well" in note for note in said["notes"])


def test_an_inline_list_stays_one(run: Run) -> None:
    path = project('[tool.uv]\nindex = [\n  # first\n  { name = "a", url = "https://a/" },\n]\n')
    run("uv", "--url", URL, "--write")
    assert "# first" in path.read_text()
    assert [each["name"] for each in toml(path)["tool"]["uv"]["index"]] == ["wharf", "a"]


def test_pip_s_other_spelling_of_an_option_stays(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "pip.conf"
    path.write_text("[global]\n# which\nIndex_Url: https://old/\n[list]\nformat = columns\n")
    run("pip", "--url", URL, "--write", "--file", path)
    assert path.read_text() == f"[global]\n# which\nIndex_Url : {SIMPLE}\n[list]\nformat = columns\n"


def test_twine_keeps_the_servers_that_are_there(run: Run, home: Path) -> None:
    path = home / ".pypirc"
    path.write_text("[distutils]\nindex-servers =\n    pypi\n    # the old one\n    old\n\n[old]\npassword = hush\n")
    said = run("twine", "--url", URL, "--name", "acme", "--write")
    assert path.read_text() == (
        "[distutils]\nindex-servers =\n    pypi\n    # the old one\n    old\n    acme\n\n[old]\npassword = hush\n"
        f"\n[acme]\nrepository = {URL}/legacy/\nusername = __token__\n"
    )
    assert "hush" not in str(said)
    for before in ("pypi old\n", "pypi old", "pypi\n  old", "\n  pypi\n  old"):
        path.write_text(f"[distutils]\nindex-servers = {before}")
        run("twine", "--url", URL, "--write")
        assert ini(path)["distutils"]["index-servers"].split() == ["pypi", "old", "wharf"]


def test_a_password_in_the_file_is_told_and_not_repeated(run: Run, tmp_path: Path) -> None:
    path = tmp_path / ".pypirc"
    path.write_text("[wharf]\npassword = hush\n")
    said = run("twine", "--url", URL, "--write", "--file", path)
    assert "hush" in path.read_text()
    assert any("holds a password for 'wharf'" in note for note in said["notes"])
    assert "hush" not in str(said)
    path = project('[[tool.pdm.source]]\nname = "pypi"\npassword = "hush"\n')
    assert any("holds a password for 'pypi'" in note for note in run("pdm", "--url", URL, "--write")["notes"])


@pytest.mark.parametrize(
    ("client", "text"),
    [
        ("pip", "[global]\nindex-url = https://x:hush@wharf.example.com/simple/\n"),
        ("uv", '[[tool.uv.index]]\nname = "wharf"\nurl = "https://x:hush@wharf.example.com/simple/"\n'),
        ("poetry", '[[tool.poetry.source]]\nname = "wharf"\nurl = "https://hush@wharf.example.com/simple/"\n'),
        ("pdm", '[[tool.pdm.source]]\nname = "pypi"\nurl = "https://x:hush@WHARF.example.com/simple/"\n'),
        ("twine", "[distutils]\nindex-servers = wharf\n[wharf]\nrepository = https://x:hush@wharf.example.com/legacy/\n"),
    ],
)
def test_a_token_in_the_address_is_taken_out_and_told(run: Run, tmp_path: Path, client: str, text: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    said = run(client, "--url", URL, "--write", "--file", path)
    assert "hush" not in path.read_text()
    assert any("Revoke" in note for note in said["notes"])
    assert "hush" not in str(said)
    assert not any("evoke" in note for note in run(client, "--url", URL, "--write", "--file", path)["notes"])


def test_a_token_elsewhere_in_the_file_is_told_with_its_line(run: Run) -> None:
    path = project('[[tool.uv.index]]\nname = "old"\nurl = "https://x:hush@wharf.example.com/simple/"\n')
    said = run("uv", "--url", URL, "--write")
    assert any("line 7" in note and "revoke" in note for note in said["notes"]), said["notes"]
    assert "hush" not in str(said)
    assert path.read_text().splitlines()[6].startswith("url")


# Files


@pytest.mark.parametrize(
    ("name", "data", "line"),
    [
        ("pyproject.toml", b"a = 1\nb = hush\n", "line 2"),
        ("pyproject.toml", b"a = 1\na = 2\n", ""),
        ("pyproject.toml", b"tool = 5\n", "not a list"),
        ("pyproject.toml", b"tool.uv.index = 'x'\n", "not a list"),
        ("pyproject.toml", b"a = 1\n# \xff\n", "line 2"),
        ("pyproject.toml", b"a = 1\r\nb = 2\n", "line ends"),
        ("pip.conf", b"[global]\nhush\n", "line 2"),
        ("pip.conf", b"hush\n", "line 1"),
        ("pip.conf", b"[global]\na = 1\n[global]\n", "line 3"),
        ("pip.conf", b"[global]\nindex-url = 1\nindex_url = 2\n", "line 3"),
    ],
)
def test_a_file_that_cannot_be_read_is_left_and_told(run: Run, tmp_path: Path, name: str, data: bytes, line: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    said = wrong(run("pip" if name == "pip.conf" else "uv", "--url", URL, "--write", "--file", path, code=2))
    assert str(path) in said["message"]
    assert line in said["message"]
    assert said["hint"]
    assert "hush" not in str(said)
    assert path.read_bytes() == data
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == [name]


def test_a_list_in_two_parts_is_left_to_the_person(run: Run) -> None:
    text = '[[tool.uv.index]]\nname = "a"\n[other]\nx = 1\n[[tool.uv.index]]\nname = "b"\n'
    path = project(text)
    assert "by hand" in wrong(run("uv", "--url", URL, "--write", code=2))["hint"]
    assert path.read_text() == text


def test_what_the_library_would_break_is_left_to_the_person(run: Run, tmp_path: Path) -> None:
    text = "[global]\n  index-url = https://old/\n timeout = 3\n"  # it takes the third line to belong to the second
    path = tmp_path / "pip.conf"
    path.write_text(text)
    assert "by hand" in wrong(run("pip", "--url", URL, "--write", "--file", path, code=2))["hint"]
    assert path.read_text() == text


def test_what_is_no_file_is_told(run: Run, tmp_path: Path) -> None:
    pipe, loop = tmp_path / "pipe", tmp_path / "loop"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    for path in (tmp_path, pipe):
        assert "is not a file" in wrong(run("pip", "--url", URL, "--write", "--file", path, code=2))["message"]
    assert str(loop) in wrong(run("pip", "--url", URL, "--write", "--file", loop, code=8))["message"]


def test_the_mode_stays_and_a_new_file_for_secrets_is_for_its_owner(run: Run, home: Path, tmp_path: Path) -> None:
    run("twine", "--url", URL, "--write")
    assert stat.S_IMODE((home / ".pypirc").stat().st_mode) == 0o600
    mask = os.umask(0o022)
    try:
        run("pip", "--url", URL, "--write")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((home / ".config/pip/pip.conf").stat().st_mode) == 0o644
    path = tmp_path / "kept"
    path.touch()
    path.chmod(0o640)
    run("pip", "--url", URL, "--write", "--file", path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_stays_a_link(run: Run, home: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles" / "pypirc"
    target.parent.mkdir()
    target.touch()
    (home / ".pypirc").symlink_to(target)
    run("twine", "--url", URL, "--write")
    assert (home / ".pypirc").is_symlink()
    assert "wharf" in target.read_text()
    assert [each.name for each in target.parent.iterdir()] == ["pypirc"]


def test_a_disk_that_is_full_leaves_the_file(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = project()

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "No space" in wrong(run("uv", "--url", URL, "--write", code=8))["message"]
    assert path.read_text() == PYPROJECT
    assert sorted(each.name for each in path.parent.iterdir()) == [".git", "pyproject.toml", "src"]


def test_line_ends_of_windows_stay(run: Run) -> None:
    path = project()
    path.write_bytes(PYPROJECT.replace("\n", "\r\n").encode())
    run("uv", "--url", URL, "--write")
    data = path.read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n") > PYPROJECT.count("\n")


# Any file

WORDS = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
LINES = st.from_regex(r"[ -~äß]{0,20}", fullmatch=True).map(str.strip)
VALUES = st.recursive(
    st.one_of(LINES, st.integers(-99, 99), st.booleans()), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)
TABLES = st.recursive(
    st.dictionaries(WORDS, VALUES, max_size=3), lambda inner: st.dictionaries(WORDS, st.one_of(VALUES, inner), max_size=4)
)
ENTRIES = st.lists(st.fixed_dictionaries({"name": WORDS, "url": LINES}, optional={"explicit": st.booleans()}), max_size=3)


@st.composite
def tomls(draw: st.DrawFn) -> str:
    """A TOML file with comments, in which a list of indexes may stand anywhere."""
    data: dict[str, Any] = draw(TABLES)
    if draw(st.booleans()):
        inside = data.setdefault("tool", {})
        assume(isinstance(inside, dict))
        uv = inside.setdefault("uv", {})
        assume(isinstance(uv, dict))
        uv["index"] = draw(ENTRIES)
    lines = tomlkit.dumps(data).splitlines()
    for number in draw(st.lists(st.integers(0, max(len(lines) - 1, 0)), max_size=3, unique=True)):
        if lines and lines[number] and not lines[number].endswith((",", "[")):
            lines[number] += "  # kept"
    return "\n".join(["# top", *lines, draw(st.sampled_from(["", "# end", "\n\n"]))])


@pytest.mark.slow
@given(tomls(), st.sampled_from(["uv", "poetry", "pdm"]))
def test_whatever_stands_around_in_a_toml_file_stays(text: str, client: Client) -> None:
    before: Any = tomllib.loads(text)
    key = "index" if client == "uv" else "source"
    name = "pypi" if client == "pdm" else "wharf"
    try:
        after, _ = setup_by_client.edit(client, IndexAddress(root=f"{URL}/"), name, text, "pyproject.toml")
    except UsageError:
        there = before.get("tool", {})
        there = there.get(client, {}) if isinstance(there, dict) else there
        entries = there.get(key, []) if isinstance(there, dict) else None
        assert not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries), text
        return
    data: Any = tomllib.loads(after)
    entries = data["tool"][client][key]
    (mine,) = [each for each in entries if each["name"] == name]
    assert mine["url"] == SIMPLE
    entries.remove(mine)
    old = [each for each in before.get("tool", {}).get(client, {}).get(key, []) if each["name"] != name]
    assert entries == old
    for each in (data, before):
        each.setdefault("tool", {}).setdefault(client, {}).pop(key, None)
    assert data == before
    assert after.count("# kept") == text.count("# kept")
    assert setup_by_client.edit(client, IndexAddress(root=f"{URL}/"), name, after, "pyproject.toml")[0] == after


@st.composite
def inis(draw: st.DrawFn) -> str:
    """An INI file with comments, empty lines, several spellings and values of several lines."""
    sections = draw(st.lists(st.one_of(WORDS, st.sampled_from(["global", "distutils", "DEFAULT"])), max_size=4, unique=True))
    lines = draw(st.sampled_from([[], ["# top"], ["", ""]]))
    for section in sections:
        lines = [*lines, f"[{section}]"]
        for option in draw(st.lists(WORDS, max_size=3, unique=True)):
            value = draw(st.lists(st.from_regex(r"[!-9<-Z^-~]{1,8}", fullmatch=True), max_size=3))
            sign = draw(st.sampled_from(["=", " = ", ": "]))
            lines.append(f"{option}{sign}" + draw(st.sampled_from([" ", "\n    ", "\n  # kept\n\t"])).join(value))
        lines += draw(st.sampled_from([[], ["# kept"], ["", "; kept", ""]]))
    return "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n"]))


@pytest.mark.slow
@given(inis(), st.sampled_from(["pip", "twine"]))
def test_whatever_stands_around_in_an_ini_file_stays(text: str, client: Client) -> None:
    before = ini_editing.read_ini(text, "f")
    after, _ = setup_by_client.edit(client, IndexAddress(root=f"{URL}/"), "wharf", text, "f")
    data = ini_editing.read_ini(after, "f")
    if client == "pip":
        assert data["global"].pop("index-url") == SIMPLE
    else:
        assert data["wharf"].pop("repository") == f"{URL}/legacy/"
        assert data["wharf"].pop("username") == "__token__"
        assert "wharf" in data["distutils"].pop("index-servers").split()
    for section, options in before.items():
        for option, value in options.items():
            if option not in {"index-url", "repository", "username", "index-servers"}:
                assert data[section].pop(option) == value
    assert not any(data.values())
    assert after.count("kept") == text.count("kept")
    assert setup_by_client.edit(client, IndexAddress(root=f"{URL}/"), "wharf", after, "f")[0] == after


def test_every_client_has_its_own_word_on_the_command_line() -> None:
    argument = setup_command.params[0]
    assert tuple(getattr(argument.type, "choices", ())) == CLIENTS
