"""The verbs of the management API: each is the command of its name, with its documents; PUT and DELETE can be sent again."""

from __future__ import annotations

import difflib
import errno
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.makers import make_wheel
from tests.server.management.api import BASE, DEMO, MAIN, RELEASE, WHEEL, asking, fill, good, problem
from tests.server.running import soon
from tests.server.test_server import JSON
from wharf.errors import UNWRITABLE, did_you_mean
from wharf.index.index_name import DEFAULT_INDEX
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.server.management.index_reading import AT_ONCE, LOGS_AT_ONCE, IndexReading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from wharf.repository.opening import Repository


@pytest.fixture
def api(repository: Repository, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client with a token that may manage everything."""
    fill(repository, tmp_path)
    token = repository.tokens.create("boss", "manage").reveal()
    with asking(repository) as client:
        client.auth = ("x", token)
        yield client


def actors(repository: Repository) -> list[tuple[str, str]]:
    return [(entry.verb, entry.actor) for entry in repository.branch.history()]


@pytest.mark.slow
def test_the_indexes_and_what_is_in_them(api: httpx.Client) -> None:
    first, second = good(api.get(f"{BASE}/indexes"))["indexes"]
    assert (first["name"], first["default"], first["bases"]) == ("main", True, [])
    assert (second["name"], second["default"], second["bases"]) == ("staging", False, ["main"])
    main = good(api.get(MAIN))
    assert {key: main[key] for key in ("index", "default", "base_of", "order", "projects")} == {
        "index": DEFAULT_INDEX,
        "default": True,
        "base_of": ["staging"],
        "order": ["main"],
        "projects": 2,
    }
    assert main["commit"] == first["commit"]
    assert good(api.get(f"{BASE}/indexes/staging"))["order"] == ["staging", "main"]
    own = good(api.get(f"{BASE}/indexes/staging/projects"))["projects"]
    assert own == [{"name": "demo", "versions": ["2.0"]}], "what a base has is not its own"


@pytest.mark.slow
def test_the_commit_that_is_told_is_the_one_that_the_pages_show(
    api: httpx.Client, repository: Repository, tmp_path: Path
) -> None:
    publish(repository, [Input.of(make_wheel(tmp_path / "new", version="1.5"))], actor="ada")  # by another process, as it were
    tip = repository.branch.tip()
    soon(lambda: good(api.get(MAIN))["commit"] == tip)
    assert api.get("/simple/demo/", headers=JSON).json()["versions"] == ["1.0", "1.5"]
    health = api.get("/healthz")
    assert (health.json(), [each for each in (tip, "main", "demo") if str(each) in health.text]) == ({"status": "ok"}, [])


@pytest.mark.slow
def test_a_project_and_a_release_with_links_that_lead_to_the_bytes(api: httpx.Client) -> None:
    page = good(api.get(f"{MAIN}/projects/DEMO"))
    assert (page["name"], page["versions"], page["_removed"]) == ("demo", ["1.0"], {})
    release = good(api.get(f"{RELEASE}.0"))
    for answer, found in ((api.get(DEMO), page), (api.get(RELEASE), release)):
        (file,) = found["files"]
        assert api.get(str(answer.url.join(file["url"]))).status_code == 200
    problem(api.get(f"{MAIN}/projects/demoo"), 404, "not-found")
    assert "Did you mean demo?" in api.get(f"{MAIN}/projects/demoo").json()["hint"]
    problem(api.get(f"{DEMO}/releases/9"), 404, "not-found")
    problem(api.get(f"{DEMO}/releases/nine"), 400, "usage")
    problem(api.get(f"{MAIN}/projects/-"), 400, "usage")


@pytest.mark.slow
def test_projects_come_in_pages_that_fit_each_other(api: httpx.Client, repository: Repository, tmp_path: Path) -> None:
    wheels = [make_wheel(tmp_path / str(number), f"p{number}") for number in range(5)]
    publish(repository, [Input.of(each) for each in wheels], actor="ada")
    wanted = ["demo", "other", *(f"p{number}" for number in range(5))]
    good(api.put(f"{DEMO}/status", json={"status": "deprecated"}))  # after which the server shows all
    found, path, pages = [], f"{MAIN}/projects?limit=3", 0
    while path:
        answer = api.get(path)
        document = good(answer)
        found += [each["name"] for each in document["projects"]]
        link = answer.headers.get("link", "")
        assert bool(document["next"]) is bool(link)
        path, pages = link.partition(">")[0].removeprefix("<"), pages + 1
    assert (found, pages) == (wanted, 3)
    assert good(api.get(f"{MAIN}/projects?after=other&limit=1"))["projects"] == [{"name": "p0", "versions": ["1.0"]}]
    assert good(api.get(f"{MAIN}/projects?after=zzz")) | {"commit": None} == {
        "index": "main",
        "commit": None,
        "projects": [],
        "next": None,
    }
    for limit in ("0", "1001", "-1", "x", "9" * 5000):
        problem(api.get(f"{MAIN}/projects", params={"limit": limit}), 422, "invalid")


@pytest.mark.slow
def test_the_history_comes_in_pages_of_one_moment(api: httpx.Client) -> None:
    for reason in ("a", "b", "c"):
        good(api.put(f"{RELEASE}/yank", json={"reason": reason}))
    first = api.get(f"{MAIN}/log?limit=2")
    entries = good(first)["entries"]
    assert [(each["verb"], each["actor"], each["reason"]) for each in entries] == [("yank", "boss", "c"), ("yank", "boss", "b")]
    good(api.put(f"{MAIN}/projects/other/status", json={"status": "deprecated"}))  # is not in what comes next
    path = first.headers["link"].partition(">")[0].removeprefix("<")
    rest = good(api.get(path))
    assert [each["verb"] for each in rest["entries"]] == ["yank", "publish"]
    assert rest["next"] is None
    of_other = good(api.get(f"{MAIN}/log?project=Other&version=1"))
    assert [each["verb"] for each in of_other["entries"]] == ["publish"]
    problem(api.get(f"{MAIN}/log?project=nothing"), 404, "not-found")
    problem(api.get(f"{MAIN}/log?version=1.0"), 400, "usage")
    for cursor in ("x", "0" * 40 + ".1", good(api.get(f"{BASE}/indexes/staging"))["commit"] + ".0"):
        problem(api.get(f"{MAIN}/log", params={"before": cursor}), 400, "usage")


@pytest.mark.slow
def test_long_searches_of_the_history_keep_nothing_else_waiting(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_end = threading.Semaphore(0), threading.Event()

    def slow(*_words: object) -> list[object]:
        begun.release()
        may_end.wait(60)
        return []

    monkeypatch.setattr(IndexReading, "_entries", slow)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        searches = [pool.submit(api.get, f"{MAIN}/log") for _ in range(AT_ONCE)]
        for _ in range(LOGS_AT_ONCE):
            assert begun.acquire(timeout=60)
        assert good(api.get(DEMO))["name"] == "demo"
        assert not begun.acquire(blocking=False), "no more of them run at once"
        may_end.set()
        assert {each.result().status_code for each in searches} == {200}


@pytest.mark.slow
def test_a_yank_and_its_end_are_shown_at_once_and_can_be_sent_again(api: httpx.Client, repository: Repository) -> None:
    done = good(api.put(f"{RELEASE}/yank", json={"reason": "loses data"}))
    assert ([each["filename"] for each in done["changed"]], done["unchanged"]) == ([WHEEL], [])
    assert done["commit"] == repository.branch.tip()
    assert 'data-yanked="loses data"' in api.get("/simple/demo/").text
    again = good(api.put(f"{RELEASE}/yank", json={"reason": "loses data"}))
    assert (again["changed"], len(again["unchanged"]), again["commit"]) == ([], 1, done["commit"])
    assert len(good(api.put(f"{RELEASE}/yank"))["unchanged"]) == 1  # a body is not needed, and no reason takes none away
    assert len(good(api.put(f"{RELEASE}/yank", params={"file": WHEEL}, json={"reason": "worse"}))["changed"]) == 1
    for changed in (1, 0):
        assert len(good(api.delete(f"{RELEASE}/yank"))["changed"]) == changed
    assert "data-yanked" not in api.get("/simple/demo/").text
    assert actors(repository)[:3] == [("unyank", "boss"), ("yank", "boss"), ("yank", "boss")]
    problem(api.put(f"{RELEASE}/yank", params={"file": "demo-7.0.tar.gz"}), 404, "not-found")
    problem(api.put(f"{RELEASE}/yank", json={"reason": "two\nlines"}), 400, "usage")


@pytest.mark.slow
def test_a_removal_is_tried_first_and_then_for_ever(api: httpx.Client, repository: Repository, tmp_path: Path) -> None:
    tried = good(api.delete(RELEASE, params={"dry_run": "true"}))
    assert ([each["filename"] for each in tried["removed"]], tried["commit"]) == ([WHEEL], None)
    assert list((tmp_path / "store" / "assets").rglob(WHEEL))
    done = good(api.delete(RELEASE, params={"reason": "wrong branch"}))
    assert [each["filename"] for each in done["removed"]] == [WHEEL]
    assert not list((tmp_path / "store" / "assets").rglob(WHEEL))
    assert api.get("/simple/demo/", headers=JSON).json()["files"] == []
    again = good(api.delete(RELEASE))
    assert ([each["filename"] for each in again["gone"]], again["removed"], again["commit"]) == ([WHEEL], [], done["commit"])
    assert good(api.get(DEMO))["_removed"] == {"1.0": {WHEEL: done["removed"][0]["sha256"]}}
    assert actors(repository)[0] == ("remove", "boss")
    problem(api.delete(f"{MAIN}/projects/other/releases/7"), 404, "not-found")


@pytest.mark.slow
def test_several_releases_are_removed_with_one_commit_or_none(
    api: httpx.Client, repository: Repository, tmp_path: Path
) -> None:
    publish(repository, [Input.of(make_wheel(tmp_path / "later", version="1.1"))], actor="ada")
    before = len(actors(repository))
    both = [{"project": "Demo", "version": "1"}, {"project": "other", "version": "1.0", "file": "other-1.0-py3-none-any.whl"}]
    wrong = {"releases": [*both, {"project": "demo", "version": "9"}]}
    for body, status, code in (
        (wrong, 404, "not-found"),
        ({**wrong, "dry_run": True}, 404, "not-found"),
        ({"releases": []}, 422, "invalid"),
        ({"releases": both * 501}, 422, "invalid"),
        ({"releases": [{"project": "demo", "version": "1.*"}]}, 400, "usage"),
        ({"releases": both, "reason": "two\nlines"}, 400, "usage"),
    ):
        problem(api.post(f"{MAIN}/remove", json=body), status, code)
    names = [WHEEL, "other-1.0-py3-none-any.whl"]
    tried = good(api.post(f"{MAIN}/remove", json={"releases": both, "dry_run": True}))
    assert ([each["filename"] for each in tried["removed"]], tried["commit"]) == (names, None)
    assert len(actors(repository)) == before
    done = good(api.post(f"{MAIN}/remove", json={"releases": [*both, both[0]], "reason": "wrong branch"}))
    assert ([each["filename"] for each in done["removed"]], done["kept"]) == (names, [])
    assert len(actors(repository)) == before + 1
    assert api.get("/simple/demo/", headers=JSON).json()["versions"] == ["1.1"]
    assert not [*(tmp_path / "store" / "assets").rglob(WHEEL)]
    again = good(api.post(f"{MAIN}/remove", json={"releases": both}))
    assert ([each["filename"] for each in again["gone"]], again["removed"], again["commit"]) == (names, [], done["commit"])


@pytest.mark.slow
def test_a_mistyped_query_removes_nothing(api: httpx.Client, repository: Repository) -> None:
    tip = repository.branch.tip()
    for query in ("filename=x", "file=", "file=a&file=b", "dryrun=true", "file=x;reason=y&y=1"):
        problem(api.delete(f"{RELEASE}?{query}"), 422, "invalid")
    problem(api.request("DELETE", RELEASE, json={"file": WHEEL}), 400, "usage")
    assert repository.branch.tip() == tip


@pytest.mark.slow
def test_a_status_is_set_and_can_be_sent_again(api: httpx.Client, repository: Repository) -> None:
    for changed in (True, False):
        done = good(api.put(f"{DEMO}/status", json={"status": "archived", "reason": "use other"}))
        assert (done["status"], done["reason"], done["changed"]) == ("archived", "use other", changed)
    assert api.get("/simple/demo/", headers=JSON).json()["project-status"] == {"status": "archived", "reason": "use other"}
    assert actors(repository)[0] == ("status", "boss")
    problem(api.put(f"{DEMO}/status", json={"status": "odd"}), 422, "invalid")
    problem(api.put(f"{MAIN}/projects/nothing/status", json={"status": "active"}), 404, "not-found")


@pytest.mark.slow
def test_releases_are_promoted_and_restored(api: httpx.Client, repository: Repository) -> None:
    before = repository.branch.tip()
    wanted = {"from": "staging", "releases": [{"project": "Demo", "version": "2"}]}
    tried = good(api.post(f"{MAIN}/promote", json={**wanted, "dry_run": True}))
    assert ([each["version"] for each in tried["promoted"]], tried["commit"]) == (["2.0"], None)
    assert repository.branch.tip() == before
    done = good(api.post(f"{MAIN}/promote", json=wanted))
    assert (done["from"], [each["version"] for each in done["promoted"]]) == ("staging", ["2.0"])
    assert actors(repository)[0] == ("promote", "boss")
    assert len(good(api.post(f"{MAIN}/promote", json=wanted))["unchanged"]) == 1
    tried = good(api.post(f"{MAIN}/restore", json={"to": before, "dry_run": True}))
    assert [each["version"] for each in tried["left"]] == ["2.0"]
    back = good(api.post(f"{MAIN}/restore", json={"to": before, "projects": ["demo"]}))
    assert (back["to"], [each["version"] for each in back["left"]]) == ({"moment": before, "commit": before}, ["2.0"])
    assert api.get("/simple/demo/", headers=JSON).json()["versions"] == ["1.0"]
    assert actors(repository)[0] == ("restore", "boss")
    problem(api.post(f"{MAIN}/promote", json={**wanted, "from": "nowhere"}), 404, "no-index")
    problem(api.post(f"{MAIN}/promote", json={**wanted, "from": "main"}), 400, "usage")
    problem(api.post(f"{MAIN}/promote", json={**wanted, "releases": [{"project": "demo", "version": "9"}]}), 404, "not-found")
    problem(api.post(f"{MAIN}/restore", json={"to": "yesterday"}), 400, "usage")
    problem(api.post(f"{MAIN}/restore", json={"to": "2020-01-01"}), 404, "not-found")
    problem(api.post(f"{MAIN}/restore", json={"to": before, "projects": ["nothing"]}), 404, "not-found")


@pytest.mark.slow
def test_a_name_that_is_not_there_is_compared_with_few(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []

    def noted(text: str, names: list[str], _most: int) -> list[str]:
        compared.append(len(names))
        return [name for name in names if name[:-1] == text[:-1]][:1]

    monkeypatch.setattr(difflib, "get_close_matches", noted)
    many = [f"acme-{number:05}" for number in range(20_000)]
    assert did_you_mean("acme-1234x", many) == "Did you mean acme-12340? "
    assert did_you_mean("zzz", many) == did_you_mean("a", many) == ""
    problem(api.get(f"{MAIN}/projects/demi"), 404, "not-found")
    assert max(compared) <= 400


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", f"{BASE}/tokens", {"name": "job"}),
        ("DELETE", f"{BASE}/tokens/boss", None),
        ("PUT", f"{RELEASE}/yank", {"reason": "loses data"}),
    ],
)
def test_a_full_disk_is_told_and_the_log_says_where(
    api: httpx.Client,
    method: str,
    path: str,
    body: dict[str, str] | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And the same request does it when there is room again."""

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        told = problem(api.request(method, path, json=body), 503, "storage")
    assert told["detail"] == UNWRITABLE
    said = [each.getMessage() for each in caplog.records if each.name == "wharf"]
    assert any(f"{method} '{path}': " in line and re.search("No space left|disk is full", line) for line in said), said
    assert api.request(method, path, json=body).status_code < 300
