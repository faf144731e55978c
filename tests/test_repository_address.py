"""Addresses of repositories: what is one, what is a folder, what is refused, and what follows from one."""

from __future__ import annotations

import string
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf.errors import UsageError
from wharf.repository_address import Address, parse

ENTERPRISE = "https://ghe.example.org/acme/pkgs"


def address(text: str) -> Address:
    found = parse(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "text",
    [
        "acme/pkgs", "acme/pkgs/", "acme/pkgs.git", "https://github.com/acme/pkgs", "https://github.com/acme/pkgs/",
        "https://github.com/acme/pkgs.git", "https://github.com/acme/pkgs.git/", "HTTPS://GitHub.COM/acme/pkgs",
        "https://github.com:443/acme/pkgs", "https://www.github.com/acme/pkgs",
    ],
)  # fmt: skip
def test_one_repository_has_many_spellings(text: str) -> None:
    assert parse(text) == Address(owner="acme", name="pkgs")


def test_what_follows_from_an_address_on_github() -> None:
    found = address("acme/pkgs")
    assert (str(found), found.slug, found.host) == ("acme/pkgs", "acme/pkgs", "github.com")
    assert (found.web, found.git) == ("https://github.com/acme/pkgs", "https://github.com/acme/pkgs.git")
    assert (found.api, found.graphql) == ("https://api.github.com", "https://api.github.com/graphql")


def test_what_follows_from_an_address_on_an_enterprise_server() -> None:
    found = address("https://GHE.example.org:8443/acme/pkgs.git")
    root = "https://ghe.example.org:8443"
    assert (str(found), found.host) == (f"{root}/acme/pkgs", "ghe.example.org:8443")
    assert (found.git, found.api, found.graphql) == (f"{root}/acme/pkgs.git", f"{root}/api/v3", f"{root}/api/graphql")


def test_the_public_address_of_an_asset_is_percent_encoded() -> None:
    assert address("a/b").download("x-1!2+c/d", "x+1%.whl") == (
        "https://github.com/a/b/releases/download/x-1%212%2Bc%2Fd/x%2B1%25.whl"
    )


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "127.1.2.3", "[::1]:8000"])
def test_plain_http_is_for_loopback(host: str) -> None:
    found = address(f"http://{host}/acme/pkgs")
    assert (found.scheme, found.api) == ("http", f"http://{host}/api/v3")


@pytest.mark.parametrize(
    "host", ["github.com", "ghe.example.org", "10.0.0.1", "127.0.0.1.example.org", "localhost.example.org"]
)
def test_plain_http_beyond_loopback_is_refused_with_the_right_spelling(host: str) -> None:
    with pytest.raises(UsageError, match="in the open") as caught:
        parse(f"http://{host}/acme/pkgs")
    assert f"https://{host}/acme/pkgs" in caught.value.hint


@pytest.mark.parametrize("name", ["ghp_secret", "ada:ghp_secret", ":ghp_secret", "ghp_secret:x-oauth-basic"])
@pytest.mark.parametrize(
    "form",
    ["https://{}@github.com/a/b", "http://{}@localhost/a/b", "ssh://{}@github.com/a/b", "git+https://{}@github.com/a/b",
     "https://{}@[/a/b"],
)  # fmt: skip
def test_a_token_in_an_address_is_refused_and_not_shown(name: str, form: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(form.format(name))
    assert "ghp_secret" not in caught.value.message + caught.value.hint + repr(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "git@github.com:acme/pkgs.git", "git@github.com:acme/pkgs", "ssh://git@github.com/acme/pkgs.git",
        "ssh://git@github.com:22/acme/pkgs", "git://github.com/acme/pkgs.git", "github.com/acme/pkgs",
        "github.com/acme/pkgs.git/",
    ],
)  # fmt: skip
def test_git_s_other_forms_are_told_in_the_right_spelling(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert "Write https://github.com/acme/pkgs;" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "github:acme/pkgs", "file:///srv/git/pkgs", "hptts://github.com/acme/pkgs", "git+ssh://git@github.com/acme/pkgs",
        "https://github.com", "https://github.com/", "https://github.com/acme", "https://github.com/acme/", "https:///acme/pkgs",
        "https://github.com/acme/pkgs/tree/main", "https://github.com/acme/pkgs/releases", "https://github.com/acme//pkgs",
        "https://github.com/acme/pkgs?token=x", "https://github.com/acme/pkgs#readme", "https://github.com/acme/..",
        "https://github.com/../pkgs", "https://github.com/acme/%2e%2e", "https://github.com/-acme/pkgs",
        "https://github.com/acme/p kgs", "https://github.com/acme/pkgs\n", "https://github.com/ac\tme/pkgs",
        "https://github.com:0/acme/pkgs", "https://github.com:65536/acme/pkgs", "https://github.com:x/acme/pkgs",
        "https://github.com\\evil.example/acme/pkgs", "https://-x/acme/pkgs", "https://gïthub.com/acme/pkgs",
        "acme/..", "acme/.git", "acme-/pkgs", "acme/" + "x" * 101, "x" * 101 + "/pkgs",
    ],
)  # fmt: skip
def test_what_looks_like_an_address_and_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert caught.value.hint
    assert "token=x" not in caught.value.message


@pytest.mark.parametrize(
    "text",
    ["store", "./acme/pkgs", "../pkgs", "/srv/wharf", "~/wharf", "a/b/c", ".hidden/x", "acme/pkgs/x/", "a b/c", "C:\\w", "ä/b"],
)
def test_everything_else_is_the_path_of_a_folder(text: str) -> None:
    assert parse(text) is None


LETTERS = st.text(string.printable + "äß\u202e\u2028\0\ud800", max_size=20)
URLS = st.tuples(st.sampled_from(["https://", "http://", "HTTP://", "ssh://", ""]), LETTERS, LETTERS, LETTERS)


@given(LETTERS | URLS.map(lambda parts: parts[0] + "/".join(parts[1:])))
def test_any_text_is_an_address_or_a_folder_or_told(text: str) -> None:
    try:
        found = parse(text)
    except UsageError:
        return
    if found is not None:
        again = urlsplit(found.web)
        assert (again.scheme, again.netloc, again.path) == (found.scheme, found.host, f"/{found.owner}/{found.name}")
        assert parse(found.web) == found
        assert "@" not in found.web
        assert found.scheme == "https" or again.hostname in {"localhost", "::1"} or again.netloc.startswith("127.")


@pytest.mark.parametrize(
    ("place", "url", "good"),
    [
        ("acme/pkgs", "https://uploads.github.com/repos/acme/pkgs/releases/1/assets", True),
        ("acme/pkgs", "https://uploads.github.com:443/x", True),
        ("acme/pkgs", "https://api.github.com/x", True),
        ("acme/pkgs", "https://github.com/x", False),
        ("acme/pkgs", "http://uploads.github.com/x", False),
        ("acme/pkgs", "https://uploads.github.com.evil.example/x", False),
        ("acme/pkgs", "https://evil.example/uploads.github.com", False),
        ("acme/pkgs", "https://uploads.github.com@evil.example/x", False),
        ("acme/pkgs", "https://ada@uploads.github.com/x", False),
        ("acme/pkgs", "https://uploads.github.com:8443/x", False),
        ("acme/pkgs", "//uploads.github.com/x", False),
        ("acme/pkgs", " https://uploads.github.com/x", False),
        ("acme/pkgs", "https://[/x", False),
        ("acme/pkgs", "", False),
        (ENTERPRISE, "https://ghe.example.org/api/uploads/x", True),
        (ENTERPRISE, "https://uploads.ghe.example.org/x", True),
        (ENTERPRISE, "https://uploads.github.com/x", False),
        (ENTERPRISE, "https://evil.ghe.example.org/x", False),
        ("http://127.0.0.1:8000/acme/pkgs", "http://127.0.0.1:8000/api/uploads/x", True),
        ("http://127.0.0.1:8000/acme/pkgs", "http://127.0.0.1:8001/api/uploads/x", False),
    ],
)
def test_uploads_go_to_the_api_s_own_host_or_its_sibling(place: str, url: str, good: bool) -> None:
    assert address(place).may_upload_to(url) is good


def test_a_moved_repository_stays_on_its_host() -> None:
    assert address(ENTERPRISE).moved("other/name").web == "https://ghe.example.org/other/name"
    for wrong in ("", "other", "a/b/c", "//evil.example/x", "a/..", "a@b/c"):
        with pytest.raises(UsageError):
            address(ENTERPRISE).moved(wrong)
