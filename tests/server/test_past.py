"""Addresses of the past over a folder: which they are, and what each index was at a moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx
import pytest

from tests.index.test_branch import git
from tests.server.over_github import JSON
from tests.server.past import NOW, OPEN, date, links, page, put, serving, tip, versions, wheel
from tests.server.running import running, soon
from tests.server.test_server import LIMIT, form
from tests.server.test_several_indexes import edit
from wharf.index.git import Git
from wharf.operations.manage_indexes import remove as remove_index
from wharf.repository.tokens import NewToken
from wharf.server.app import make_app
from wharf.server.past import held_views
from wharf.server.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from wharf.repository.opening import Repository

FOREVER = "public, max-age=31536000, immutable"
NEVER = "1234567" + "0" * 33


@pytest.fixture
def client(repository: Repository, tmp_path: Path) -> Iterator[httpx.Client]:
    """demo 1.0 since 2026-01-10, demo 2.0 and late 1.0 since 2026-02-20."""
    put(repository, "2026-01-10T00:00:00Z", wheel(tmp_path))
    put(repository, "2026-02-20T00:00:00Z", wheel(tmp_path, version="2.0"), wheel(tmp_path, "late"))
    with serving(repository) as client:
        yield client


def test_each_moment_shows_what_the_index_was(client: httpx.Client, store: Path) -> None:
    first = git(store, "rev-parse", "refs/heads/wharf/main^").strip()
    for when, expected in {
        "2026-01-10": ["1.0"],
        "2026-01-09T23:59:59Z": [],
        "2026-02-19": ["1.0"],
        "2026-02-20T00:00:00Z": ["1.0", "2.0"],
        first: ["1.0"],
        tip(store): ["1.0", "2.0"],
    }.items():
        for prefix in ("", "/main"):
            index = prefix.strip("/")
            assert versions(client, f"/{index}@{when}/simple/demo/") == expected, when
    assert [each["name"] for each in page(client, "/@2026-01-10/simple/")["projects"]] == ["demo"]
    assert [each["name"] for each in page(client, "/@2026-03-01/simple/")["projects"]] == ["demo", "late"]
    assert page(client, "/@2025-01-01/simple/")["projects"] == []


@pytest.mark.slow
def test_files_are_found_below_the_address_of_the_moment(client: httpx.Client) -> None:
    [path] = links(client, "/main@2026-01-10/simple/demo/")
    assert path.startswith("/main@2026-01-10/files/")
    found = client.get(path)
    assert found.status_code == 200
    assert found.headers["cache-control"] == "public, no-cache"  # it obeys what holds today
    metadata = client.get(f"{path}.metadata")
    assert metadata.text.startswith("Metadata-Version")
    assert metadata.headers["cache-control"] == "public, no-cache"
    assert client.get(path, headers={"If-None-Match": found.headers["etag"]}).status_code == 304
    assert client.get(path, headers={"Range": "bytes=0-3"}).content == found.content[:4]
    [late] = links(client, "/@2026-03-01/simple/late/")
    assert client.get(late.replace("2026-03-01", "2026-01-10")).status_code == 404  # it was not there yet


@pytest.mark.slow
def test_a_page_that_cannot_change_any_more_may_be_kept_forever(
    client: httpx.Client, repository: Repository, store: Path
) -> None:
    young = NOW - timedelta(minutes=59)
    for when, kept in {"2026-03-01": FOREVER, tip(store): FOREVER, f"{young:%Y-%m-%dT%H:%M:%SZ}": "public, no-cache"}.items():
        for path in ("simple/", "simple/demo/"):
            for _ in range(2):
                assert client.get(f"/@{when}/{path}").headers["cache-control"] == kept
    at = [NOW]
    with serving(repository, at) as later:
        path = f"/@{young:%Y-%m-%dT%H:%M:%SZ}/simple/demo/"
        assert later.get(path).headers["cache-control"] == "public, no-cache"
        at[0] += timedelta(minutes=2)
        soon(lambda: later.get(path).headers["cache-control"] == FOREVER)


@pytest.mark.slow
def test_a_commit_of_the_last_hour_may_change_with_its_bases(
    client: httpx.Client, repository: Repository, store: Path, tmp_path: Path
) -> None:
    edit(store, "staging", "format = 1\nbases = ['main']\n")
    date(store, "2026-03-01T00:00:00Z", "staging")
    when = f"{NOW - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
    young, old = put(repository, when, wheel(tmp_path, "next"), index="staging"), git(store, "rev-parse", "wharf/staging^")
    soon(lambda: client.get("/staging/simple/next/").status_code == 200)
    for commit, kept in {young: "public, no-cache", old: FOREVER}.items():
        assert client.get(f"/staging@{commit}/simple/demo/").headers["cache-control"] == kept
    put(repository, when, wheel(tmp_path, version="3.0"))  # in the same second
    soon(lambda: "3.0" in versions(client, f"/staging@{young}/simple/demo/"))


@pytest.mark.slow
def test_a_young_moment_shows_a_commit_that_still_comes(client: httpx.Client, repository: Repository, tmp_path: Path) -> None:
    when = f"{NOW - timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
    old = NOW - timedelta(days=1)
    assert versions(client, f"/@{when}/simple/demo/") == versions(client, f"/@{old:%Y-%m-%d}/simple/demo/") == ["1.0", "2.0"]
    put(repository, when, wheel(tmp_path, version="3.0"))
    soon(lambda: versions(client, f"/@{when}/simple/demo/") == ["1.0", "2.0", "3.0"])
    assert versions(client, f"/@{old:%Y-%m-%d}/simple/demo/") == ["1.0", "2.0"]


@pytest.mark.slow
def test_what_is_no_moment_is_refused_and_says_how_one_is_written(client: httpx.Client) -> None:
    ahead = f"{NOW + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"
    forms = ["", "now", "2026-1-1", "2026-02-30", "0000-01-01", "9999-12-31", "2026-01-10T00:00:00", "2026-01-10T24:00:00Z"]
    forms += [
        "2026-01-10T00:00:00+00:00",
        "12345",
        "ABCDEF1",
        "0" * 41,
        "g" * 40,
        ahead,
        "\u0662026-01-10",
        "2026-01-10 ",
        "%00",
    ]
    forms += ["@2026-01-10", "x" * 8000, "%2E%2E", "2026-01-10%0a"]
    for when in forms:
        for path in (f"/@{when}/simple/demo/", f"/main@{when}/simple/", f"/@{when}/files/{'0' * 64}/demo-1.0-py3-none-any.whl"):
            refused = client.get(path)
            assert refused.status_code == 400, path
            assert "Write a date as in" in refused.text
            assert len(refused.text) < 1000
    assert client.get("/%402026-01-10/simple/demo/", headers=JSON).json()["versions"] == ["1.0"]


def test_a_commit_that_was_never_the_tip_is_not_there_and_its_names_stay_here(client: httpx.Client) -> None:
    for path in ("simple/", "simple/nobodys/", f"files/{'0' * 64}/demo-1.0-py3-none-any.whl"):
        assert client.get(f"/@{NEVER}/{path}").status_code == 404
    refused = client.get(f"/@{NEVER}/simple/demo/")  # after 404 uv would ask the next index
    assert refused.status_code == 403
    assert "never the tip" in refused.reason_phrase


@pytest.mark.slow
def test_the_beginning_of_an_id_leads_to_the_whole_id_behind_any_prefix(client: httpx.Client, store: Path) -> None:
    whole = tip(store)
    for prefix in ("", "main"):
        for below in (
            "simple/demo/",
            "simple/",
            "simple",
            "simple/Demo",
            "simple/demo/?format=text/html",
        ):
            moved = client.get(f"/{prefix}@{whole[:7]}/{below}")
            assert moved.status_code == 301
            url = httpx.URL("http://proxy/root/").join(f"{prefix}@{whole[:7]}/{below}").join(moved.headers["location"])
            assert str(url) == f"http://proxy/root/{prefix}@{whole}/{below}"
    assert client.get(f"/@{whole[:12]}/simple/demo/", follow_redirects=True).status_code == 200


def test_the_beginning_of_an_id_with_slashes_too_many_leads_there_for_every_client(
    repository: Repository, tmp_path: Path
) -> None:
    """Python drops slashes before it goes up, and others count them."""
    whole = put(repository, "2026-01-10T00:00:00Z", wheel(tmp_path))
    with serving(repository, rules=replace(OPEN, root_path="/root")) as client:
        for below in ("/simple//demo/", "/simple///demo///"):
            for join in (urljoin, lambda base, link: str(httpx.URL(base).join(link))):
                url = f"http://proxy/root/main@{whole[:9]}{below}"
                for _ in range(2):
                    moved = client.get(url.removeprefix("http://proxy"))
                    assert moved.status_code == 301
                    url = join(url, moved.headers["location"])
                assert url.replace("%40", "@") == f"http://proxy/root/main@{whole}/simple/demo/"


def test_addresses_are_as_forgiving_as_those_of_now(client: httpx.Client) -> None:
    for given, moved in {
        "simple": "/@2026-03-01/simple/",
        "simple/demo": "/@2026-03-01/simple/demo/",
        "simple/DEMO/": "/@2026-03-01/simple/demo/",
        "simple/De__mo": "/@2026-03-01/simple/de-mo/",
        "simple//demo/": "/@2026-03-01/simple/demo/",
    }.items():
        answer = client.get(f"/@2026-03-01/{given}")
        assert answer.status_code == 301
        assert answer.url.join(answer.headers["location"]).path == moved
    for other in ("", "/", "/demo/", "/legacy/", "/healthz"):
        assert client.get(f"/@2026-03-01{other}").status_code == 400
    for no_index in ("nobody", "simple", "Main", "ma in", "x" * 300):
        assert client.get(f"/{no_index}@2026-03-01/simple/").status_code == 400


def test_formats_validators_and_heads_are_those_of_any_page(client: httpx.Client) -> None:
    path = "/@2026-01-10/simple/demo/"
    json, html = client.get(path, headers=JSON), client.get(path)
    assert json.headers["content-type"] == "application/vnd.pypi.simple.v1+json"
    assert html.headers["content-type"] == "text/html; charset=utf-8"
    assert client.get(f"{path}?format=application/vnd.pypi.simple.v1%2Bjson").json() == json.json()
    assert client.get(path, headers={"Accept": "image/png"}).status_code == 406
    unchanged = client.get(path, headers={**JSON, "If-None-Match": json.headers["etag"]})
    assert unchanged.status_code == 304
    assert unchanged.headers["cache-control"] == FOREVER
    head = client.head(path, headers=JSON)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", json.headers["etag"])
    assert client.delete(path).status_code == 405


def test_the_page_for_people_says_where_the_past_is(client: httpx.Client) -> None:
    for path, below in {"/": "/@", "/main/": "/main@"}.items():
        assert f"{client.base_url}{below}2026-11-30/simple/" in client.get(path).text


def test_the_past_takes_no_uploads(client: httpx.Client, tmp_path: Path) -> None:
    for prefix, to in {"": "/legacy/", "main": "/main/legacy/"}.items():
        for path in ("legacy/", "simple/", ""):
            refused = client.post(f"/{prefix}@2026-01-10/{path}", **form(wheel(tmp_path, version="9.0")))
            assert refused.status_code == 405
            assert f"{client.base_url.copy_with(path=to)}" in refused.text
            assert refused.headers["allow"] == "GET, HEAD"


@pytest.mark.slow
def test_names_of_now_and_of_then_never_leave(client: httpx.Client, repository: Repository, store: Path) -> None:
    assert versions(client, "/@2026-01-10/simple/late/") == []  # it is owned now, and was not then
    assert client.get("/@2026-01-10/simple/nobodys/").status_code == 404
    edit(store, "staging", "format = 1\nreserved = ['acme-*']\n")
    date(store, "2026-03-01T00:00:00Z", "staging")
    edit(store, "staging", "format = 1\n")
    date(store, "2026-04-01T00:00:00Z", "staging")
    with serving(repository) as again:
        assert again.get("/simple/acme-x/").status_code == 404
        assert versions(again, "/@2026-03-15/simple/acme-x/") == []  # staging reserved it then
        assert again.get("/@2026-04-15/simple/acme-x/").status_code == 404


@pytest.mark.slow
def test_an_index_shows_its_bases_as_they_were(
    client: httpx.Client, repository: Repository, store: Path, tmp_path: Path
) -> None:
    edit(store, "staging", "format = 1\nbases = ['main']\n")
    date(store, "2026-01-15T00:00:00Z", "staging")
    put(repository, "2026-03-01T00:00:00Z", wheel(tmp_path, "next"), index="staging")
    with serving(repository) as again:
        assert versions(again, "/staging@2026-01-15/simple/demo/") == ["1.0"]
        assert versions(again, "/staging@2026-03-02/simple/demo/") == ["1.0", "2.0"]
        assert versions(again, "/staging@2026-02-01/simple/next/") == []
        for path in links(again, "/staging@2026-01-15/simple/demo/"):
            assert again.get(path).status_code == 200


@pytest.mark.slow
def test_a_token_reads_the_past_of_the_indexes_that_it_reads_now(
    client: httpx.Client, repository: Repository, store: Path
) -> None:
    edit(store, "staging", "format = 1\n")
    date(store, "2026-01-15T00:00:00Z", "staging")
    one = ("x", repository.tokens.add(NewToken(name="ci", scope="read", indexes=["staging"])).reveal())
    every = ("x", repository.tokens.create("reader", "read").reveal())
    with serving(repository, rules=Rules(open_reading=False, upload_limit=LIMIT)) as guarded:
        [file] = links(client, "/@2026-01-20/simple/demo/")
        for path in ("/@2026-01-20/simple/", "/main@2026-01-20/simple/demo/", "/@2026-01-20/simple/none/", "/@nonsense/", file):
            for _ in range(2):  # the second answer is one that lies ready
                assert guarded.get(path).status_code == 401
                assert guarded.get(path, auth=one).status_code == 403
                assert guarded.get(path, auth=every).status_code in {200, 400, 404}
        page = guarded.get("/staging@2026-01-20/simple/", auth=one)
        assert page.status_code == 200
        assert page.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert guarded.get("/nobody@2026-01-20/simple/", auth=every).status_code == 400


@pytest.mark.slow
def test_a_name_of_an_index_that_was_removed_stays(client: httpx.Client, repository: Repository, tmp_path: Path) -> None:
    put(repository, "2026-01-12T00:00:00Z", wheel(tmp_path, "gone"), index="old")
    remove_index(repository.of_index("old"))
    with serving(repository) as again:
        assert again.get("/old@2026-01-20/simple/gone/").status_code == 400
        for when in ("2026-01-11", "2026-01-20"):
            assert versions(again, f"/@{when}/simple/gone/") == []


@pytest.mark.slow
@pytest.mark.usefixtures("client")
def test_a_clock_far_ahead_is_no_fault(repository: Repository, tmp_path: Path) -> None:
    commit = put(repository, "@4000000000000 +0000", wheel(tmp_path, version="3.0"))
    with serving(repository) as again:
        assert versions(again, f"/@{commit}/simple/demo/") == ["1.0", "2.0", "3.0"]
        assert versions(again, "/@2026-05-01/simple/demo/") == ["1.0", "2.0"]


def _counted(started: list[str], method: Callable[..., Any]) -> Callable[..., Any]:
    def call(*words: Any, **more: Any) -> Any:
        started.append(str(words[1:]))
        return method(*words, **more)

    return call


@pytest.mark.slow
@pytest.mark.usefixtures("client")
def test_thousands_of_moments_cost_no_more_than_those_that_are_held(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    count = partial(_counted, started)
    monkeypatch.setattr(Git, "start", count(Git.start))
    monkeypatch.setattr(Git, "attempt", count(Git.attempt))
    app = make_app(repository, OPEN, now=lambda: NOW)
    with running(app) as url, httpx.Client(base_url=url, timeout=60) as again:
        assert again.get("/@2026-01-01/simple/demo/").status_code == 200
        started.clear()
        for number in range(150):
            when = f"{NOW - timedelta(hours=number + 1, seconds=1):%Y-%m-%dT%H:%M:%SZ}"
            assert versions(again, f"/@{when}/simple/demo/") == ["1.0", "2.0"]
        assert len(app._past._views._held) == held_views.MOMENTS
        assert len(app._cache.past) == 1  # all of them mean the same commits
        assert len(started) < 4, started


@pytest.mark.slow
def test_a_moment_that_is_asked_for_stays_while_others_take_its_place(
    client: httpx.Client, repository: Repository, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_views, "MOMENTS", 1)
    for number in range(12):
        put(repository, f"2026-03-{number + 1:02}T00:00:00Z", wheel(tmp_path, version=f"3.{number}"))
    commits = git(store, "rev-list", "--reverse", "wharf/main").split()[-12:]
    asked = [(f"/@{commit}/simple/demo/", number + 3) for number, commit in enumerate(commits)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda each: (len(versions(client, each[0])), each[1]), asked * 4))
    assert all(count == expected for count, expected in found), found
    for path, count in asked:  # also a file of each
        assert client.get(links(client, path)[count - 1]).status_code == 200


@pytest.mark.slow
def test_a_rewritten_branch_has_no_past_and_pages_of_now_go_on(client: httpx.Client, store: Path) -> None:
    before = tip(store)
    assert versions(client, "/@2026-03-01/simple/demo/") == ["1.0", "2.0"]
    git(store, "update-ref", "refs/heads/wharf/main", f"{before}^")
    soon(lambda: versions(client, "/simple/demo/") == ["1.0"])
    for when in ("2026-02-01", "2026-03-01", before):
        refused = client.get(f"/@{when}/simple/demo/")
        assert refused.status_code == 503
        assert "was rewritten" in refused.text
    assert client.get("/healthz").json()["past"] == "rewritten"
    git(store, "update-ref", "refs/heads/wharf/main", before)
    soon(lambda: versions(client, "/simple/demo/") == ["1.0", "2.0"])
    assert versions(client, "/@2026-02-01/simple/demo/") == ["1.0"]
    assert client.get("/healthz").json()["past"] == "ok"
