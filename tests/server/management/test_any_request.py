"""The management API and requests of every kind: what OpenAPI describes is what comes, and nothing is a fault."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.matrix import first
from tests.server.management.api import BASE, DEMO, MAIN, RELEASE, asking, fill, good, problem
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings
from wharf.repository.tokens import NewToken
from wharf.server.management import request_rates
from wharf.server.management.request_terms import BODY_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from wharf.repository.opening import Repository


@pytest.fixture
def api(repository: Repository, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client with a token that may manage everything."""
    fill(repository, tmp_path)
    with asking(repository) as client:
        client.auth = ("x", repository.tokens.create("boss", "manage").reveal())
        yield client


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The same for all tests that change nothing."""
    folder = tmp_path_factory.mktemp("shared")
    with open_repository(Settings(place=folder / "store", data=folder / "store", cache=folder / "cache")) as repository:
        fill(repository, folder)
        with asking(repository) as client:
            client.auth = ("x", repository.tokens.create("boss", "manage").reveal())
            yield client


# Descriptions


@pytest.mark.slow
def test_the_description_is_for_everybody_and_says_nothing_of_the_indexes(repository: Repository, tmp_path: Path) -> None:
    fill(repository, tmp_path)
    with asking(repository) as api:
        _is_described(api)


def _is_described(api: httpx.Client) -> None:
    document = good(api.get(f"{BASE}/openapi.json"))
    assert (document["info"]["title"], document["openapi"][:3]) == ("wharf management API", "3.1")
    assert document["components"]["securitySchemes"].keys() == {"basic", "bearer"}
    page = api.get(f"{BASE}/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "script" not in page.text
    for path in document["paths"]:
        assert path in page.text
    assert "demo" not in page.text + json.dumps(document)
    assert api.get(BASE).headers["location"] == "v1/"
    for method in ("put", "post"):
        problem(api.request(method, f"{BASE}/openapi.json"), 405, "no-method")


@pytest.mark.slow
def test_each_route_declares_each_status_that_can_come_of_it(shared: httpx.Client) -> None:
    for path, operations in good(shared.get(f"{BASE}/openapi.json"))["paths"].items():
        for method, operation in operations.items():
            told = {int(status) for status in operation["responses"]}
            assert {401, 403, 404, 406, 422, 429, 500, 503} <= told, (path, method)
            assert ({408, 409, 413} <= told) is (method != "get")
            assert (415 in told) is ("requestBody" in operation)
            for status, answer in operation["responses"].items():
                assert [*answer["content"]] == ["application/json" if int(status) < 400 else "application/problem+json"]


def test_head_is_get_without_its_body(shared: httpx.Client) -> None:
    for path in (MAIN, DEMO, f"{MAIN}/log", f"{BASE}/", f"{BASE}/openapi.json", f"{MAIN}/projects/nothing"):
        whole, head = shared.get(path), shared.head(path)
        assert (head.status_code, head.content) == (whole.status_code, b"")
        assert head.headers["content-length"] == str(len(whole.content))


@pytest.mark.slow
def test_below_the_path_of_a_proxy(repository: Repository, tmp_path: Path) -> None:
    fill(repository, tmp_path)
    with asking(repository, open_reading=True, root_path="/packages") as client:
        for base in ("/packages", ""):
            assert good(client.get(f"{base}{MAIN}"))["index"] == "main"
        assert good(client.get(f"/packages{BASE}/openapi.json"))["servers"] == [{"url": "/packages"}]
        answer = client.get(f"/packages{MAIN}/projects?limit=1")
        assert answer.headers["link"] == f'</packages{MAIN}/projects?limit=1&after=demo>; rel="next"'
        page = client.get(f"/packages{DEMO}")
        assert client.get(str(page.url.join(page.json()["files"][0]["url"]))).status_code == 200
        problem(client.put(f"/packages{RELEASE}/yank"), 401, "not-allowed")


# Hostile requests


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/-/api/", "no-address"),
        ("GET", "/-/api/v2/indexes", "no-address"),
        ("GET", f"{BASE}/indexes/", "no-address"),
        ("POST", f"{BASE}/nothing", "no-address"),
        ("GET", f"{MAIN}%2Fnothing", "no-address"),
        ("GET", f"{MAIN}/projects/demo%0A/x", "no-address"),
        ("GET", f"{BASE}/inde%0Axes", "no-address"),
        ("PATCH", MAIN, "no-method"),
        ("OPTIONS", MAIN, "no-method"),
        ("DELETE", f"{BASE}/indexes", "no-method"),
        ("POST", f"{RELEASE}/yank", "no-method"),
        ("GET", f"{DEMO}/status", "no-method"),
        ("TRACE", f"{BASE}/tokens", "no-method"),
    ],
)
def test_what_is_not_there_is_a_problem_too(shared: httpx.Client, method: str, path: str, code: str) -> None:
    found = shared.request(method, path)
    problem(found, 405 if code == "no-method" else 404, code)
    if code == "no-method":
        allow = set(found.headers["allow"].split(", "))
        assert method not in allow
        assert allow <= {"GET", "HEAD", "PUT", "POST", "DELETE"}
    problem(shared.request(method, path, auth=("x", "wrong")), found.status_code, code)


def test_a_path_with_several_methods_names_all_of_them(shared: httpx.Client) -> None:
    assert shared.patch(RELEASE).headers["allow"] == "DELETE, GET, HEAD"
    assert shared.patch(f"{RELEASE}/yank").headers["allow"] == "DELETE, PUT"


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("", 200),
        ("*/*", 200),
        ("application/*;q=0.1", 200),
        ("text/html, application/json", 200),
        ("text/html, */*;q=0.1", 200),
        ("text/html", 406),
        ("application/json;q=0", 406),
        ("*/*, application/json;q=0", 406),
        ("application/json;q=x", 406),
        ("a" * 5000, 406),
    ],
)
def test_who_takes_no_json_is_told_so(shared: httpx.Client, accept: str, status: int) -> None:
    answer = shared.get(MAIN, headers={"Accept": accept})
    assert answer.status_code == status
    if status == 406:
        problem(answer, 406, "not-acceptable")
        problem(shared.delete(f"{RELEASE}", headers={"Accept": accept}), 406, "not-acceptable")
        assert good(shared.get(DEMO))["versions"] == ["1.0"]


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{}", {"Content-Type": "text/plain"}, 415, "media-type"),
        (b"{}", {}, 415, "media-type"),
        (b"{}", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "media-type"),
        (b"{}", {"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415, "media-type"),
        (b"", {"Content-Type": "application/json"}, 422, "invalid"),
        (b"{", {"Content-Type": "application/json"}, 422, "invalid"),
        (b"[]", {"Content-Type": "application/json; charset=utf-8"}, 422, "invalid"),
        (b"null", {"Content-Type": "application/json"}, 422, "invalid"),
        (b'{"status": "archived", "status": "active"}', {"Content-Type": "application/json"}, 422, "invalid"),
        (b'{"status": "active", "sattus": 1}', {"Content-Type": "application/json"}, 422, "invalid"),
        (b'{"status": "active", "reason": "\\ud800"}', {"Content-Type": "application/json"}, None, ""),
        (b'{"status": "active", "reason": "\\u0000"}', {"Content-Type": "application/json"}, 400, "usage"),
        (b'{"status": "\xff"}', {"Content-Type": "application/json"}, None, ""),
        (b"[" * 100_000, {"Content-Type": "application/json"}, None, ""),
        (b'{"status": ' + b"9" * 5000 + b"}", {"Content-Type": "application/json"}, 422, "invalid"),
        (b" " * (BODY_LIMIT + 1), {"Content-Type": "application/json"}, 413, "too-large"),
    ],
)
def test_a_body_of_any_kind(shared: httpx.Client, body: bytes, headers: dict[str, str], status: int | None, code: str) -> None:
    tip = shared.get(MAIN).json()["commit"]
    answer = shared.put(f"{DEMO}/status", content=body, headers=headers)
    if status is None:
        assert answer.status_code in {400, 422}, answer.text
        problem(answer, answer.status_code, answer.json()["code"])
    else:
        problem(answer, status, code)
    assert ("too many digits" in answer.text) is (b"9999" in body)
    assert shared.get(MAIN).json()["commit"] == tip


def test_what_is_wrong_with_a_body_is_told_without_what_was_sent(shared: httpx.Client) -> None:
    secret = "wharf_" + "s" * 43
    answer = shared.post(f"{BASE}/tokens", json={"name": [secret], "scope": secret, "note": 5, "expires": secret})
    found = problem(answer, 422, "invalid")
    assert {each["at"][-1] for each in found["errors"]} == {"name", "scope", "note", "expires"}
    assert secret not in answer.text


@pytest.mark.slow
def test_no_answer_names_a_path_of_the_server(api: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "store" / "tokens-used.json").write_text("broken")
    texts = [
        api.get(f"{BASE}{path}").text
        for path in ("/indexes", "/indexes/main", "/indexes/nothing", "/tokens", "/indexes/main/log")
    ]
    texts += [
        api.post(f"{MAIN}/promote", json={"from": name, "releases": [{"project": "a", "version": "1"}]}).text
        for name in ("x", "../x", "main")
    ]
    texts += [api.post(f"{MAIN}/restore", json={"to": to}).text for to in ("2020-01-01", "0000000", "2999-01-01", "/etc")]
    assert not [text for text in texts if str(tmp_path) in text or "/store" in text]


# How many


@pytest.mark.slow
def test_too_many_requests_are_told_when_there_is_room_again(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch, repository: Repository
) -> None:
    monkeypatch.setattr(request_rates, "WRITES", 2)
    for _ in range(2):
        good(api.put(f"{RELEASE}/yank"))
    refused = api.put(f"{RELEASE}/yank")
    problem(refused, 429, "too-many")
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert api.get(MAIN).status_code == 200  # what only reads has a count of its own
    other = ("x", repository.tokens.create("other", "manage").reveal())
    assert api.put(f"{RELEASE}/yank", auth=other).status_code == 200
    statuses = [api.put(f"{RELEASE}/yank", auth=("x", f"wrong{number}")).status_code for number in range(15)]
    assert statuses == [*[401] * statuses.index(429), *[429] * (15 - statuses.index(429))]  # who makes up tokens is one address
    assert api.put(f"{RELEASE}/yank", auth=other).status_code == 200  # and takes no room of those who need not


@pytest.mark.slow
def test_a_bucket_fills_again_and_the_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    rates = request_rates.RequestRates(lambda: now[0])
    monkeypatch.setattr(request_rates, "WRITES", 60)
    waits = [rates.take("a", "t", writes=True) for _ in range(61)]
    assert waits == [*[0] * 60, 1]
    now[0] = 1.0
    assert [rates.take("a", "t", writes=True) for _ in range(2)] == [0, 1]
    now[0] = 0.5  # a clock that goes back gives nothing away
    assert rates.take("a", "t", writes=True) == 1
    for number in range(20_000):
        rates.take(f"address {number}", f"token {number}", writes=False)
    assert len(rates._buckets) <= 8192


# Any request


@pytest.mark.slow
@pytest.mark.parametrize("kind", first(0, ["manages", "reads", "manages demo", "none"]))
def test_schemathesis_finds_no_fault_and_no_answer_that_is_not_described(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if importlib.util.find_spec("schemathesis") is None and "CI" not in os.environ:
        pytest.skip("schemathesis is not installed")
    monkeypatch.setattr(request_rates, "WRITES", 1_000_000)
    monkeypatch.setattr(request_rates, "READS", 1_000_000)
    fill(repository, tmp_path)
    tokens = {
        "manages": NewToken(name="t", scope="manage"),
        "reads": NewToken(name="t", scope="read"),
        "manages demo": NewToken(name="t", scope="manage", projects=["demo"], indexes=["main"]),
    }
    auth = [] if kind == "none" else ["--auth", f"x:{repository.tokens.add(tokens[kind]).reveal()}"]
    phases, most = ("coverage,fuzzing", "2") if kind == "manages" else ("fuzzing", "1")
    places = '[parameters]\n"path.index" = "main"\n"path.name" = "demo"\n"path.version" = "1.0"\n'
    (tmp_path / "schemathesis.toml").write_text(places)
    with asking(repository) as client:
        words = ["run", f"{client.base_url}{BASE}/openapi.json".replace("//-", "/-"), *auth, "--phases", phases]
        # That a name is one of a project, and a time is one of the history, no schema can say.
        words += ["--exclude-checks", "positive_data_acceptance", "--suppress-health-check", "all", "--seed", "1"]
        words += ["--max-examples", most]
        run = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    found = re.findall(r"^- (ST\d+ .*)$", run.stdout, re.MULTILINE)
    assert (run.returncode, found) == (0, []), run.stdout[-4000:]
