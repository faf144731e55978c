"""Settings: which of many places wins, what a file may say, and which hosts are the person's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf.errors import UsageError
from wharf.repository.settings import Settings, resolve
from wharf.repository.settings_file import SettingsFile, parse_settings_file
from wharf.repository_address import Address

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA, CACHE = Path("/data/wharf"), Path("/cache/wharf")
USER = Path("/home/ada/.config/wharf/config.toml")
PROJECT = Path("/src/app/pyproject.toml")
JOB = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "job/repo", "GITHUB_SERVER_URL": "https://github.com"}
GHE = "https://ghe.example.org"


def own(text: str) -> SettingsFile:
    found = parse_settings_file(text.encode(), USER, own=True)
    assert found is not None
    return found


def project(text: str) -> SettingsFile:
    found = parse_settings_file(f"[tool.wharf]\n{text}".encode(), PROJECT, own=False)
    assert found is not None
    return found


def settled(
    options: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None, *configs: SettingsFile
) -> Settings:
    return resolve(options or {}, environ or {}, configs, data=DATA, cache=CACHE)


def test_the_nearest_place_that_names_a_repository_wins() -> None:
    places = [
        ({"repo": "o/option"}, "the option --repo"),
        ({"WHARF_REPO": "o/variable"}, "WHARF_REPO"),
        (project('repo = "o/project"'), f"[tool.wharf] in {PROJECT}"),
        (own('repo = "o/user"'), str(USER)),
        (JOB, "the Actions job (GITHUB_REPOSITORY)"),
    ]
    named = ["o/option", "o/variable", "o/project", "o/user", "job/repo"]
    for first in range(len(places) + 1):
        left = places[first:]
        options = next((place for place, _ in left if isinstance(place, dict) and "repo" in place), {})
        environ = {
            key: value for place, _ in left if isinstance(place, dict) and "repo" not in place for key, value in place.items()
        }
        found = settled(options, environ, *(place for place, _ in left if isinstance(place, SettingsFile)))
        if left:
            assert (str(found.place), found.source) == (named[first], left[0][1])
        else:
            assert (found.place, found.source) == (DATA, "the default: your data folder")
        assert found.trusted
        assert (found.data, found.cache) == (DATA, CACHE)


def test_a_file_that_names_no_repository_leaves_that_to_the_next() -> None:
    found = settled({}, {}, project('index = "staging"'), own('repo = "o/user"\nindex = "mine"'))
    assert (str(found.place), found.index) == ("o/user", "staging")


@pytest.mark.parametrize(
    "environ",
    [{**JOB, "GITHUB_ACTIONS": "1"}, {**JOB, "GITHUB_ACTIONS": ""}, {**JOB, "GITHUB_REPOSITORY": ""}, {"WHARF_REPO": ""}],
)
def test_an_empty_variable_or_one_outside_of_a_job_names_nothing(environ: dict[str, str]) -> None:
    assert settled({}, environ).place == DATA


def test_a_job_on_an_enterprise_server_names_that_host() -> None:
    found = settled({}, {**JOB, "GITHUB_SERVER_URL": f"{GHE}/"})
    assert (str(found.place), found.trusted) == (f"{GHE}/job/repo", True)
    assert str(settled({}, {key: value for key, value in JOB.items() if key != "GITHUB_SERVER_URL"}).place) == "job/repo"


def test_the_index_is_named_by_option_variable_files_in_this_order() -> None:
    configs = (project('index = "project"'), own('index = "user"'))
    assert settled({"index": "option"}, {"WHARF_INDEX": "variable"}, *configs).index == "option"
    assert settled({}, {"WHARF_INDEX": "variable"}, *configs).index == "variable"
    assert settled({}, {"WHARF_INDEX": ""}, *configs).index == "project"
    assert settled({}, {}, *configs[1:]).index == "user"
    assert settled().index == "main"


@pytest.mark.parametrize("name", ["", "Main", "a/b", "../x", "simple", "healthz", "-x", "a b", "ä", "x" * 65])
def test_an_index_name_that_cannot_be_is_told_wherever_it_comes_from(name: str) -> None:
    for options, configs in (({"index": name}, ()), ({}, (project(f'index = "{name}"'),))):
        with pytest.raises(UsageError):
            settled(options, {}, *configs)


def test_the_way_to_commit() -> None:
    assert settled().commit == "auto"
    assert settled({"commit": "api"}, {}, own('commit = "git"')).commit == "api"
    assert settled({}, {}, own('commit = "git"')).commit == "git"
    with pytest.raises(UsageError, match="'smoke' is not a way to commit"):
        settled({"commit": "smoke"})


def test_the_longest_wait() -> None:
    assert settled().max_wait == 3700.0
    assert settled({"max-wait": "90.5"}, {}, own("max-wait = 5")).max_wait == 90.5
    assert settled({}, {}, own("max-wait = 5")).max_wait == 5.0
    assert settled({}, {}, own("max-wait = 0")).max_wait == 0.0


@pytest.mark.parametrize("text", ["", "-1", "1e9", "nan", "inf", "5m", " 5", "5\n", "99999999", "٣", "1_0"])
def test_a_wait_that_is_no_number_of_seconds_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="seconds"):
        settled({"max-wait": text})


@given(st.floats(0.001, 9_999_999))
def test_every_wait_that_a_file_may_say_can_be_used(seconds: float) -> None:
    assert settled({}, {}, own(f"max-wait = {seconds!r}")).max_wait == pytest.approx(seconds)


@pytest.mark.parametrize("line", ["max-wait = 5", 'repositories = ["a/b"]', 'upstreams."https://a.example/" = {}'])
def test_a_file_of_the_working_tree_may_not_say_what_only_the_person_may(line: str) -> None:
    with pytest.raises(UsageError, match="may not say") as caught:
        project(line)
    assert str(PROJECT) in caught.value.message
    assert "config.toml" in caught.value.hint
    own(line)


def test_other_repositories_come_from_the_person_s_own_file() -> None:
    assert settled({}, {}, project('index = "x"'), own('repositories = ["a/b", "c/d"]')).repositories == ("a/b", "c/d")
    assert settled().repositories == ()


@pytest.mark.parametrize(
    ("key", "hint"),
    [("repos", "Did you mean 'repo'?"), ("maxwait", "Did you mean 'max-wait'?"), ("comit", "Did you mean 'commit'?"),
     ("max_wait", "Did you mean 'max-wait'?"),
     ("zzz", "There are: repo, server, index, commit, max-wait, repositories, strict, app, upstreams.")],
)  # fmt: skip
def test_an_unknown_setting_is_told_with_the_one_that_was_meant(key: str, hint: str) -> None:
    for make, where in ((own, USER), (project, PROJECT)):
        with pytest.raises(UsageError, match=f"a setting '{key}'") as caught:
            make(f"{key} = 1")
        assert str(where) in caught.value.message
        assert caught.value.hint == hint


@pytest.mark.parametrize(
    "line",
    ["repo = 1", "repo = true", 'repo = ["a/b"]', "index = {}", "commit = 1", 'commit = "smoke"', 'max-wait = "5"',
     "max-wait = true", "max-wait = -1", "max-wait = nan", "max-wait = inf", "max-wait = 1e300",
     'repositories = "a/b"', "repositories = [1]", 'repositories = ["./folder"]', 'repositories = ["a"]',
     "upstreams = 1", "upstreams = []"],
)  # fmt: skip
def test_a_value_of_the_wrong_type_is_told_with_key_and_file(line: str) -> None:
    with pytest.raises(UsageError) as caught:
        own(line)
    assert repr(line.partition(" ")[0]) in caught.value.message
    assert str(USER) in caught.value.message


@pytest.mark.parametrize("data", [b"repo =", b"\xff", b"[tool.wharf]\nrepo = 'a/b'\nrepo = 'a/b'", b"\0"])
@pytest.mark.parametrize("mine", [True, False])
def test_a_file_that_is_no_toml_is_told(data: bytes, mine: bool) -> None:
    with pytest.raises(UsageError, match="is not TOML"):
        parse_settings_file(data, PROJECT, own=mine)


@pytest.mark.parametrize("text", ["", "[tool.other]\nx = 1", "[project]\nname = 'x'\n[wharf]\nx = 1"])
def test_a_pyproject_without_our_table_says_nothing(text: str) -> None:
    assert parse_settings_file(text.encode(), PROJECT, own=False) is None


def test_our_table_has_to_be_one() -> None:
    for data in (b"[tool]\nwharf = 'owner/name'", b"tool = 5"):
        with pytest.raises(UsageError, match=r"tool\.wharf in .* is not a table"):
            parse_settings_file(data, PROJECT, own=False)


def test_a_path_in_a_file_starts_at_that_file_and_one_typed_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert settled({}, {}, project('repo = "./store"')).place == PROJECT.parent / "store"
    assert settled({}, {}, own('repo = "../store"')).place == USER.parent / "../store"
    assert settled({"repo": "./store"}, {}, project('repo = "o/p"')).place == tmp_path / "store"
    assert settled({}, {"WHARF_REPO": "/abs/store"}).place == Path("/abs/store")
    assert settled({"repo": "~/store"}).place == Path("~/store").expanduser()


def test_a_folder_that_exists_wins_over_a_repository_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(settled({"repo": "acme/pkgs"}).place, Address)
    (tmp_path / "acme" / "pkgs").mkdir(parents=True)
    assert settled({"repo": "acme/pkgs"}).place == tmp_path / "acme/pkgs"
    assert str(settled({"repo": "https://github.com/acme/pkgs"}).place) == "acme/pkgs"


def test_no_folder_of_a_working_tree_takes_the_place_of_what_the_environment_or_the_person_s_file_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "acme" / "pkgs").mkdir(parents=True)
    assert str(settled({}, {"WHARF_REPO": "acme/pkgs"}).place) == "acme/pkgs"
    assert isinstance(settled({}, {"WHARF_REPO": "acme/pkgs/"}).place, Address)
    assert settled({}, {"WHARF_REPO": "./acme/pkgs"}).place == tmp_path / "acme/pkgs"
    assert isinstance(settled({}, {}, own('repo = "acme/pkgs"')).place, Address)
    assert settled({}, {}, own('repositories = ["acme/pkgs"]')).repositories == ("acme/pkgs",)


def test_the_home_of_nobody_is_told() -> None:
    with pytest.raises(UsageError, match="~nobody-of-that-name"):
        settled({"repo": "~nobody-of-that-name/store"})


def test_without_a_home_a_store_in_a_folder_has_the_cache(tmp_path: Path) -> None:
    found = resolve({"repo": str(tmp_path / "store")}, {}, (), data=None, cache=None)
    assert found.cache == tmp_path / "store" / "cache"
    assert resolve({"repo": str(tmp_path / "store")}, {}, (), data=None, cache=CACHE).cache == CACHE


@pytest.mark.parametrize("text", ["", " ", "a\0b"])
def test_an_empty_address_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="empty"):
        settled({"repo": text})


@pytest.mark.parametrize("text", ["git@github.com:a/b.git", "https://t@github.com/a/b", "http://ghe.example.org/a/b"])
def test_an_address_that_cannot_be_is_told_wherever_it_comes_from(text: str) -> None:
    for options, environ, configs in (
        ({"repo": text}, {}, ()),
        ({}, {"WHARF_REPO": text}, ()),
        ({}, {}, (own(f'repo = "{text}"'),)),
    ):
        with pytest.raises(UsageError):
            settled(options, environ, *configs)


def test_a_host_that_only_the_working_tree_names_is_not_trusted() -> None:
    stranger = project(f'repo = "{GHE}/a/b"')
    assert not settled({}, {}, stranger).trusted
    assert not settled({}, {}, stranger, own('repo = "o/user"')).trusted
    assert not settled({}, {}, stranger, own('repo = "https://other.example.org/o/user"')).trusted
    assert not settled({}, {}, stranger, own('repo = "https://ghe.example.org:8443/o/user"')).trusted
    assert not settled({}, {"GITHUB_SERVER_URL": GHE}, stranger).trusted, "outside of a job that variable says nothing"
    assert not settled({"index": "x"}, {"WHARF_INDEX": "y", **JOB}, stranger).trusted


def test_a_host_that_the_person_names_as_well_is_trusted() -> None:
    stranger = project(f'repo = "{GHE}/a/b"')
    assert settled({"repo": f"{GHE}/a/b"}, {}, stranger).trusted
    assert settled({}, {"WHARF_REPO": f"{GHE}/a/b"}, stranger).trusted
    assert settled({}, {}, stranger, own('repo = "https://GHE.example.org/o/other"')).trusted
    assert settled({}, {**JOB, "GITHUB_SERVER_URL": GHE}, stranger).trusted
    assert settled({}, {}, project('repo = "a/b"')).trusted, "github.com is trusted in any case"
    assert settled({}, {}, project('repo = "./store"')).trusted, "a folder gets no token"


def test_the_port_of_a_repository_is_the_same_on_every_machine() -> None:
    def port(repo: str, index: str = "main") -> int:
        return settled({"repo": repo, "index": index}).loopback_port

    assert port("acme/packages") == 24_541, "lock files depend on it: it must never change"
    assert port("acme/packages") == port("https://github.com/Acme/Packages") != port("acme/packages", "staging")
    assert len({port(f"acme/p{number}") for number in range(100)}) > 95
    assert all(20_000 <= port(f"acme/p{number}") < 30_000 for number in range(100))
