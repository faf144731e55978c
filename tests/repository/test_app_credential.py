"""The GitHub App that a person names: where, for which host, and what is said of a key that does not do."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.simulator import apps
from wharf.errors import UsageError
from wharf.github.app_jwt import App
from wharf.repository import credentials
from wharf.repository.settings import Settings, resolve
from wharf.repository.settings_file import parse_settings_file
from wharf.repository_address import Address

if TYPE_CHECKING:
    from collections.abc import Mapping

GITHUB, GHE = "https://github.com", "https://ghe.example.org"
PEM = apps.pem(apps.keys())
NOBODY = {"PATH": "/nonexistent"}


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "app.pem"
    path.write_text(PEM)
    path.chmod(0o600)
    return path


def settings(repo: str, user: str = "", folder: Path = Path("/home")) -> Settings:
    config = parse_settings_file(user.encode(), folder / "config.toml", own=True)
    assert config is not None
    return resolve({"repo": repo} if repo else {}, {}, [config], data=Path("/data"), cache=Path("/cache"))


def found(named: Settings, environ: Mapping[str, str]) -> tuple[str, str, str]:
    """Id and key of the app, or "" and the token; and where it was found."""
    credential = credentials.find(named, {**NOBODY, **environ})
    assert credential is not None
    if isinstance(credential.token, App):
        return credential.token.id, credential.token.key.reveal(), credential.source
    return "", credential.token.reveal(), credential.source


def refusal(named: Settings, environ: Mapping[str, str]) -> UsageError:
    with pytest.raises(UsageError) as caught:
        credentials.find(named, {**NOBODY, **environ})
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.hint
    assert PEM.splitlines()[3] not in shown
    assert "hunter2" not in shown
    assert caught.value.exit_code == 2
    return caught.value


@pytest.mark.parametrize("number", ["12345", "Iv23liABCDEF01234567", " 12345\n"])
@pytest.mark.parametrize("form", ["file", "pem", "one line", "with blanks around"])
def test_two_variables_name_it(form: str, number: str, key: Path) -> None:
    given = {"file": str(key), "pem": PEM, "one line": PEM.replace("\n", "\\n"), "with blanks around": f"\n {PEM}\n\n"}[form]
    environ = {"WHARF_APP_ID": number, "WHARF_APP_KEY": given}
    assert found(settings("a/b"), environ) == (number.strip(), PEM, f"the app {number.strip()} (WHARF_APP_ID)")


def test_a_token_that_is_said_wins_and_those_that_lie_around_do_not(key: Path) -> None:
    environ = {"WHARF_APP_ID": "1", "WHARF_APP_KEY": str(key), "GH_TOKEN": "gh", "GITHUB_TOKEN": "github"}
    assert found(settings("a/b"), environ)[0] == "1"
    assert found(settings("a/b"), environ | {"WHARF_TOKEN": "mine"}) == ("", "mine", "WHARF_TOKEN")
    user = f'[app]\nid = 2\nkey = "{key}"\n'
    assert found(settings("a/b", user), environ)[0] == "1", "a variable wins over a file"
    assert found(settings("a/b", user), {"GH_TOKEN": "gh"})[0] == "2"


def test_the_file_of_the_person_names_it_beside_itself(key: Path) -> None:
    named = settings("a/b", '[app]\nid = 12345\nkey = "app.pem"\n', key.parent)
    assert found(named, {})[:2] == ("12345", PEM)
    assert f"'app' in {key.parent / 'config.toml'}" in found(named, {})[2]


@pytest.mark.parametrize(
    ("repo", "in_file", "is_for_it"),
    [
        ("a/b", "", True),
        (f"{GHE}/a/b", "", False),
        ("", f"{GHE}/a/b", True),
        (f"{GHE}/c/d", f"{GHE}/a/b", True),
        ("a/b", f"{GHE}/a/b", False),
        ("a/b", "/srv/store", True),
    ],
)
def test_an_app_in_a_file_is_for_the_host_that_the_file_names(repo: str, in_file: str, is_for_it: bool, key: Path) -> None:
    line = f'repo = "{in_file}"\n' if in_file else ""
    named = settings(repo, f'{line}[app]\nid = 1\nkey = "{key}"\n')
    credential = credentials.find(named, NOBODY)
    assert isinstance(credential and credential.token, App) is is_for_it
    assert isinstance(named.place, Address)
    assert bool(credentials.tokens_left_out(named.place, NOBODY, named.app)) is not is_for_it


def test_variables_are_for_the_hosts_that_the_person_names(key: Path) -> None:
    environ = {**NOBODY, "WHARF_APP_ID": "1", "WHARF_APP_KEY": str(key)}
    assert found(settings(f"{GHE}/a/b"), environ)[0] == "1"
    config = parse_settings_file(f'[tool.wharf]\nrepo = "{GHE}/a/b"'.encode(), Path("/src/pyproject.toml"), own=False)
    assert config is not None
    tree = resolve({}, {}, [config], data=Path("/data"), cache=Path("/cache"))
    with pytest.raises(UsageError, match="no token is sent to a host that only a file here names"):
        credentials.find(tree, environ)


@pytest.mark.parametrize("missing", ["WHARF_APP_ID", "WHARF_APP_KEY"])
def test_one_variable_without_the_other_is_told(missing: str) -> None:
    environ = {"WHARF_APP_ID": "1", "WHARF_APP_KEY": PEM, missing: " "}
    error = refusal(settings("a/b"), environ)
    assert f"{missing} is not" in error.message


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", "1/../2", "hunter2", "9" * 30, "Iv1 x"])
def test_an_id_that_can_be_none_is_told(number: str, key: Path) -> None:
    assert "is not the id" in refusal(settings("a/b"), {"WHARF_APP_ID": number, "WHARF_APP_KEY": PEM}).message
    assert "is not the id" in refusal(settings("a/b", f'[app]\nid = "{number}"\nkey = "{key}"\n'), {}).message


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PUBLIC KEY-----\nhunter2\n-----END PUBLIC KEY-----", "-----BEGIN RSA PRIVATE KEY-----\nhunter2",
        "-----BEGIN EC PRIVATE KEY-----\nhunter2\n-----END EC PRIVATE KEY-----", "-----BEGIN hunter2",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nhunter2\n-----END ENCRYPTED PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nhunter2\n-----END RSA PRIVATE KEY-----",
    ],
)  # fmt: skip
def test_what_is_no_private_key_is_told_and_not_shown(text: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(0o600)
    for given in (text, str(path)):
        error = refusal(settings("a/b"), {"WHARF_APP_ID": "1", "WHARF_APP_KEY": given})
        assert "is not the private key of a GitHub App" in error.message
        assert "Generate" in error.hint or ".pem" in error.hint


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 100_000)
    for name, words in (("none", "No such file"), ("", "Is a directory"), ("large", "is not the private key")):
        path = tmp_path / name
        error = refusal(settings("a/b"), {"WHARF_APP_ID": "1", "WHARF_APP_KEY": str(path)})
        assert words in error.message
        assert str(path) in error.message
    assert "a/none" in refusal(settings("a/b", '[app]\nid = 1\nkey = "a/none"\n'), {}).message


@pytest.mark.parametrize("text", ["hunter2" * 60, "hunter2" * 1000, "hunter2\nx" * 40, "~hunter2nobody/x", "hunter2\0x"])
def test_a_key_that_lost_its_first_line_is_not_shown_as_a_path(text: str) -> None:
    error = refusal(settings("a/b"), {"WHARF_APP_ID": "1", "WHARF_APP_KEY": text.replace("~hunter2", "~")})
    assert "cannot be read" in error.message


@pytest.mark.parametrize(("mode", "told"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True), (0o644, True)])
def test_a_file_that_others_can_read_is_warned_of(mode: int, told: bool, key: Path) -> None:
    key.chmod(mode)
    credential = credentials.find(settings("a/b"), {**NOBODY, "WHARF_APP_ID": "1", "WHARF_APP_KEY": str(key)})
    assert credential is not None
    assert credential.warning == (f"Others on this machine can read the app's private key: chmod 600 '{key}'" if told else "")


def test_a_key_that_another_program_hands_over_is_taken() -> None:
    reading, writing = os.pipe()
    os.write(writing, PEM.encode())
    os.close(writing)
    try:
        environ = {"WHARF_APP_ID": "1", "WHARF_APP_KEY": f"/dev/fd/{reading}"}
        assert found(settings("a/b"), environ)[1] == PEM
    finally:
        os.close(reading)


def test_no_file_of_a_working_tree_names_an_app() -> None:
    text = b'[tool.wharf.app]\nid = 1\nkey = "app.pem"\n'
    with pytest.raises(UsageError, match="may not say 'app'"):
        parse_settings_file(text, Path("/src/pyproject.toml"), own=False)


@pytest.mark.parametrize(
    "table",
    [
        "app = 1", '[app]\nid = 1', '[app]\nkey = "x"', '[app]\nid = true\nkey = "x"', "[app]\nid = 1\nkey = 2",
        "[app]", '[app]\nid = 1\nkey = "x"\nsecret = "y"',
        '[app]\nid = 1\nkey = """-----BEGIN RSA PRIVATE KEY-----\nhunter2"""',
    ],
)  # fmt: skip
def test_a_table_of_another_form_is_told(table: str) -> None:
    with pytest.raises(UsageError, match="app") as caught:
        parse_settings_file(table.encode(), Path("/home/config.toml"), own=True)
    assert "hunter2" not in caught.value.message + caught.value.hint
