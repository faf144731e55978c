"""The upstreams that a person's own config.toml lists."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wharf
from wharf.errors import UsageError
from wharf.repository.listed_upstreams import ListedUpstream
from wharf.repository.settings import resolve
from wharf.repository.settings_file import parse_settings_file
from wharf.secret import Secret

PATH = Path("/home/ada/.config/wharf/config.toml")
TABLE = '[upstreams."https://mirror.corp:8443/simple"]\n'


def listed(text: str, path: Path = PATH) -> tuple[ListedUpstream, ...]:
    found = parse_settings_file(text.encode(), path, own=True)
    assert found is not None
    return resolve({}, {}, [found], data=Path("/data"), cache=Path("/cache")).upstreams


def test_a_file_lists_upstreams_with_what_it_takes_to_ask_them() -> None:
    text = f"""{TABLE}username = "wharf"
password-env = "MIRROR_PASSWORD"
ca-file = "corp.pem"
proxy = "http://proxy.corp:3128"
[upstreams."http://127.0.0.1:3141/root/"]
[upstreams."https://Other.example/"]
username = "x"
password-file = "/run/secrets/other"
"""
    first, second, third = listed(text)
    assert (first.url, first.username, first.proxy) == ("https://mirror.corp:8443/simple/", "wharf", "http://proxy.corp:3128")
    assert (first.password_env, first.ca_file, first.source) == ("MIRROR_PASSWORD", PATH.parent / "corp.pem", str(PATH))
    assert second == ListedUpstream(url="http://127.0.0.1:3141/root/", source=str(PATH))
    assert (third.url, third.password_file) == ("https://other.example/", Path("/run/secrets/other"))


def test_a_password_is_read_when_it_is_needed_and_shown_by_nothing(tmp_path: Path) -> None:
    (upstream,) = listed(f'{TABLE}username = "wharf"\npassword-env = "MIRROR"')
    environ = {"MIRROR": "hunter2hunter2"}
    assert upstream.password(environ) == Secret("hunter2hunter2")
    assert "hunter2" not in f"{upstream!r} {upstream.password(environ)}"
    environ["MIRROR"] = "another one"
    assert upstream.password(environ) == Secret("another one")
    (upstream,) = listed(f'{TABLE}username = "wharf"\npassword-file = "mirror.txt"', tmp_path / "config.toml")
    for data in (b"hunter2", b"hunter2\n", b"hunter2\r\n"):
        (tmp_path / "mirror.txt").write_bytes(data)
        assert upstream.password({}) == Secret("hunter2")
    (upstream,) = listed(TABLE)
    assert upstream.password({}) is None


@pytest.mark.parametrize("value", [None, "", "\n", "two\nlines", "x" * 5000, "a\x1bb"])
def test_a_password_that_is_missing_or_can_be_none_is_told_with_its_place(value: str | None, tmp_path: Path) -> None:
    (upstream,) = listed(f'{TABLE}username = "wharf"\npassword-env = "MIRROR"')
    with pytest.raises(UsageError, match=r"variable MIRROR") as caught:
        upstream.password({} if value is None else {"MIRROR": value})
    assert "https://mirror.corp:8443/simple/" in caught.value.message
    (upstream,) = listed(f'{TABLE}username = "wharf"\npassword-file = "mirror.txt"', tmp_path / "config.toml")
    if value is not None:
        (tmp_path / "mirror.txt").write_text(value)
    with pytest.raises(UsageError, match=r"mirror\.txt"):
        upstream.password({})


def test_a_file_that_is_none_holds_no_password(tmp_path: Path) -> None:
    (upstream,) = listed(f'{TABLE}username = "wharf"\npassword-file = "mirror"', tmp_path / "config.toml")
    (tmp_path / "mirror").mkdir()
    with pytest.raises(UsageError, match="it is a folder"):
        upstream.password({})
    (tmp_path / "mirror").rmdir()
    (tmp_path / "mirror").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="UTF-8"):
        upstream.password({})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('upstreams."https://a.example/" = 1', "must be a table"),
        ('upstreams."https://a.example/".user = "x"', "a key 'user'"),
        ('upstreams."https://a.example/".password = "hunter2"', "must not hold the password itself"),
        ('upstreams."https://a.example/".username = 1', "'username' .* one line"),
        ('upstreams."https://a.example/".username = ""', "'username' .* one line"),
        ('upstreams."https://a.example/".username = "a:b"', "'username' .* without a colon"),
        ('upstreams."https://a.example/".username = "a\\nb"', "'username' .* one line"),
        ('upstreams."https://a.example/".password-env = "MIRROR"', "a username with each password"),
        ('upstreams."https://a.example/" = {username = "x", password-env = "a b"}', "'password-env' .* environment variable"),
        ('upstreams."https://a.example/" = {username = "x", password-env = "A", password-file = "b"}', "one of password-env"),
        ('upstreams."https://a.example/".proxy = "proxy:3128"', "'proxy' .* http://HOST:PORT"),
        ('upstreams."https://a.example/".proxy = "https://proxy:3128"', "'proxy' .* http://HOST:PORT"),
        ('upstreams."https://a.example/".proxy = "http://u:hunter2@proxy:3128"', "'proxy' .* http://HOST:PORT"),
        ('upstreams."https://a.example/".proxy = "http://proxy:3128/x"', "'proxy' .* http://HOST:PORT"),
        ('upstreams."https://bob:hunter2@a.example/" = {}', "is not http"),
        ('upstreams."/srv/wheels" = {}', "is not http"),
        ('upstreams."mirror" = {}', "is not http"),
        ('upstreams."https://a.example/" = {}\nupstreams."https://A.example:443" = {}', "lists https://a.example/ twice"),
    ],
)
def test_what_is_no_upstream_is_told_with_its_key_and_its_file(text: str, named: str) -> None:
    with pytest.raises(UsageError, match=named) as caught:
        listed(text)
    assert str(PATH) in caught.value.message
    assert caught.value.hint
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


def test_a_misspelt_key_has_a_near_one() -> None:
    with pytest.raises(UsageError) as caught:
        listed('upstreams."https://a.example/".password_env = "X"')
    assert caught.value.hint == "Did you mean 'password-env'?"


def test_a_file_of_the_working_tree_may_not_list_one() -> None:
    with pytest.raises(UsageError, match="may not say 'upstreams'") as caught:
        parse_settings_file(b'[tool.wharf.upstreams."https://a.example/"]\n', Path("/src/app/pyproject.toml"), own=False)
    assert "your own config.toml" in caught.value.hint


def test_what_docs_upstream_md_says_to_write() -> None:
    text = (Path(wharf.__file__).parents[1] / "docs" / "upstream.md").read_text(encoding="utf-8")
    block = text.partition("test_what_docs_upstream_md_says_to_write -->\n```toml\n")[2].partition("```")[0]
    first, second = listed(block)
    assert (first.username, first.password_env, first.ca_file) == ("wharf", "MIRROR_PASSWORD", PATH.parent / "corp-ca.pem")
    assert second == ListedUpstream(url="http://10.0.0.8:3141/root/pypi/", source=str(PATH))


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(["username", "password-env", "ca-file", "proxy", "x"]), st.text(max_size=8), max_size=3))
def test_any_table_is_taken_or_told(table: dict[str, str]) -> None:
    import tomlkit

    try:
        (found,) = listed(tomlkit.dumps({"upstreams": {"https://a.example/": table}}))
    except UsageError:
        return
    assert found.username == table.get("username")
