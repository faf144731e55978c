"""Which server a command works with, and which texts are the address of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from wharf.errors import UsageError
from wharf.repository.server_address import ServerAddress, parse_server
from wharf.repository.server_settings import VERBS, refuse_server, resolve_server
from wharf.repository.settings_file import SettingsFile

URL = "https://wharf.example.com/"


@pytest.mark.parametrize(
    ("text", "origin", "path", "names"),
    [
        ("https://wharf.example.com", "https://wharf.example.com", "", [None]),
        ("HTTPS://Wharf.Example.com:443/", "https://wharf.example.com", "", [None]),
        ("https://h.example/pkgs/staging/", "https://h.example", "/pkgs/staging", [None, "staging"]),
        ("https://h.example/pkgs/staging/simple/", "https://h.example", "/pkgs/staging", [None, "staging"]),
        ("https://h.example:8443//legacy/", "https://h.example:8443", "", [None]),
        ("https://h.example/pkgs/-/api/v1/indexes", "https://h.example", "/pkgs", [None, "pkgs"]),
        ("https://h.example/A_b/", "https://h.example", "/A_b", [None]),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", "", [None]),
        ("http://[::1]:8000/", "http://[::1]:8000", "", [None]),
        ("http://localhost:80/", "http://localhost", "", [None]),
    ],
)
def test_an_address_is_that_of_the_server_or_of_an_index_there(
    text: str, origin: str, path: str, names: list[str | None]
) -> None:
    found = parse_server(text, "the option --server")
    assert (found.origin, found.path) == (origin, path)
    assert [name for _, name in found.readings] == names
    assert parse_server(str(found), "x") == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("wharf.example.com/staging", "Write https://wharf.example.com/staging"),
        ("owner/name", "Write it as in"),
        ("localhost:8000", "Write http://localhost:8000"),
        ("127.0.0.1:8000/simple/", "Write http://127.0.0.1:8000/simple/"),
        ("ftp://h.example/", "begins with https://"),
        ("https://ada:hunter2secret@h.example/", "user name or a token"),
        ("https://hunter2secret%40h.example/", "user name or a token"),
        ("https://h.example/?token=hunter2secret", "nothing more"),
        ("https://h.example/#hunter2secret", "nothing more"),
        ("https://h.example:99999/", "port is not valid"),
        ("https://h.example:hunter2secret/", "port is not valid"),
        ("https://", "nothing more"),
        ("https://h.exa mple/", "nothing more"),
        ("https://h.example/../x", "path is not valid"),
        ("https://h.example/staging@2026-11-30/", "nothing more"),
        ("http://wharf.example.com/", "travel in the open"),
        ("http://10.0.0.1/", "travel in the open"),
        ("http://localhost.example.com/", "travel in the open"),
    ],
)
def test_what_is_no_address_of_a_server_is_refused_and_no_secret_repeated(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_server(text, "WHARF_SERVER")
    assert says in caught.value.sentences
    assert "hunter2" not in caught.value.sentences


@pytest.mark.parametrize(
    ("link", "followed"),
    [
        ("https://h.example/-/upload/2.0/1", "https://h.example/-/upload/2.0/1"),
        ("http://h.example:8000/a?b=c#d", "https://h.example/a?b=c"),
        ("/a", "https://h.example/a"),
        ("a", "https://h.example/pkgs/a"),
        ("https://evil.example/a", None),
        ("//evil.example/a", None),
        ("https://h.example@evil.example/a", None),
        ("https://evil.example\\@h.example/a", None),
        ("file:///etc/passwd", None),
        ("https://h.example.evil.example/", None),
        ("https://h.example/a b", None),
        ("https://h.example/é", None),
    ],
)
def test_a_link_of_the_server_is_followed_on_its_own_origin_only(link: str, followed: str | None) -> None:
    assert ServerAddress(origin="https://h.example", path="/pkgs").linked(link) == followed


def _file(*, own: bool, **table: str) -> SettingsFile:
    return SettingsFile(Path("/home/ada/.config/wharf/config.toml" if own else "/tree/pyproject.toml"), table, own)


MINE, THEIRS = _file(own=True, server=URL), _file(own=False, server=URL)


@pytest.mark.parametrize(
    ("options", "environ", "configs", "source"),
    [
        ({"server": URL}, {}, [], "the option --server"),
        ({"server": URL}, {"WHARF_REPO": "owner/name"}, [THEIRS], "the option --server"),
        ({}, {"WHARF_SERVER": URL}, [_file(own=False, repo="owner/name")], "WHARF_SERVER"),
        ({}, {}, [MINE], str(MINE.path)),
        ({}, {}, [THEIRS, MINE], str(MINE.path)),
        ({"repo": "./store"}, {"WHARF_SERVER": URL}, [THEIRS], None),
        ({}, {"WHARF_REPO": "./store"}, [MINE], None),
        ({}, {}, [_file(own=False, repo="owner/name"), MINE], None),
        ({}, {}, [], None),
    ],
)
def test_the_most_direct_word_says_whether_it_is_a_server_or_a_repository(
    options: dict[str, str], environ: dict[str, str], configs: list[SettingsFile], source: str | None
) -> None:
    found = resolve_server(options, environ, configs)
    assert (found and found.source) == source
    if source is None:
        refuse_server(options, environ, configs)
        return
    assert found is not None
    assert str(found.address) == URL
    with pytest.raises(UsageError, match="does not work over a server") as caught:
        refuse_server(options, environ, configs)
    assert all(verb in caught.value.hint for verb in VERBS)


@pytest.mark.parametrize(
    ("options", "environ", "configs", "says"),
    [
        ({"server": URL, "repo": "./store"}, {}, [], "--server and --repo name two places"),
        ({}, {"WHARF_SERVER": URL, "WHARF_REPO": "./store"}, [], "WHARF_SERVER and WHARF_REPO name two places"),
        ({}, {}, [_file(own=True, server=URL, repo="./store")], "names a 'server' and a 'repo'"),
        ({}, {}, [THEIRS], f"--server {URL}"),
        ({}, {}, [THEIRS, _file(own=True, server="https://other.example/")], f"--server {URL}"),
        ({}, {}, [THEIRS, _file(own=True, repo="owner/name")], f"--server {URL}"),
    ],
)
def test_two_places_and_a_server_that_only_a_working_tree_names_are_errors(
    options: dict[str, str], environ: dict[str, str], configs: list[SettingsFile], says: str
) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_server(options, environ, configs)
    assert says in caught.value.sentences


@pytest.mark.parametrize(
    ("options", "environ", "index", "habit"),
    [
        ({"index": "staging"}, {"WHARF_INDEX": "main"}, "staging", "main"),
        ({}, {"WHARF_INDEX": "staging"}, None, "staging"),
        ({}, {}, None, None),
    ],
)
def test_an_index_that_is_typed_is_told_from_one_that_is_a_habit(
    options: dict[str, str], environ: dict[str, str], index: str | None, habit: str | None
) -> None:
    found = resolve_server({"server": URL, **options}, environ, [])
    assert found is not None
    assert (found.index, found.habit) == (index, habit)
