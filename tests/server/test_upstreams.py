"""What an index does not have, got from upstream indexes: whole, checked, kept, and never under a name of the repository."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx
import pypi_simple
import pytest

from tests.makers import make_sdist, make_wheel
from tests.server.over_github import JSON
from tests.server.running import running, soon
from tests.server.test_several_indexes import OPEN, edit, files, put
from tests.upstream import Fault, Upstream
from wharf.operations.open_upstream import open_upstream
from wharf.server import file_answers
from wharf.server.app import make_app
from wharf.sources.public_index_address import PublicIndex
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wharf.repository.opening import Repository
    from wharf.sources.upstream_index import UpstreamIndex


class Clock:
    """Both clocks, which a test can turn."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.set = timedelta()

    def clock(self) -> float:
        return elapsed() + self.passed

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.passed) + self.set

    def forward(self, seconds: float) -> None:
        self.passed += seconds


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    folder = tmp_path / "upstream"
    folder.mkdir()
    with Upstream() as upstream:
        upstream.add(make_wheel(folder, "other", "1.0"), requires_python=">=3.8", provenance=f"{upstream.url}/root/provenance")
        upstream.add(make_wheel(folder, "other", "2.0"), yanked="broken")
        upstream.add(make_sdist(folder, "other", "2.0"), upload_time="2026-01-01T00:00:00Z")
        upstream.add(make_wheel(folder, "demo", "99.0"))
        yield upstream


@pytest.fixture
def settled(repository: Repository, store: Path, upstream: Upstream, tmp_path: Path) -> Repository:
    """An index with demo 1.0, which gets all else from the upstream, and reserves acme-*."""
    put(repository, "main", make_wheel(tmp_path, "demo"))
    settle(store, upstream)
    return repository


def settle(store: Path, upstream: Upstream, more: str = "", *, mode: str = "proxy", index: str = "main") -> None:
    edit(store, index, f'format = 1\nreserved = ["acme-*"]\n[upstream]\nmode = "{mode}"\nurl = "{upstream.simple}"\n{more}')


@contextmanager
def serving(repository: Repository, clock: Clock | None = None, **more: Any) -> Iterator[httpx.Client]:
    clock = clock or Clock()
    app = make_app(repository, replace(OPEN, **more), clock=clock.clock, now=clock.now)
    with running(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def page(client: httpx.Client, path: str = "/simple/other/") -> dict[str, Any]:
    answer = client.get(path, headers=JSON)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def links(client: httpx.Client, path: str = "/simple/other/") -> dict[str, str]:
    """The addresses of the files of a page, by their names."""
    return {each["filename"]: urljoin(path, each["url"]) for each in page(client, path)["files"]}


# What comes through


def test_a_page_says_of_each_file_what_the_upstream_says(settled: Repository, upstream: Upstream) -> None:
    theirs = httpx.get(f"{upstream.simple}other/", headers=JSON).json()
    with serving(settled) as client:
        ours = page(client)
    assert (ours["name"], ours["versions"]) == ("other", ["1.0", "2.0"])
    for mine, given in zip(ours["files"], theirs["files"], strict=True):
        assert mine["url"] == f"../../files/other/{given['hashes']['sha256']}/{given['filename']}"
        for key in ("filename", "size", "yanked", "requires-python", "provenance"):
            assert mine.get(key) == (given.get(key) or None if key == "yanked" else given.get(key))
        assert datetime.fromisoformat(mine["upload-time"]) == datetime.fromisoformat(given["upload-time"])
        assert mine["hashes"] == {"sha256": given["hashes"]["sha256"]}
        assert mine["core-metadata"] == (given.get("core-metadata") or False)


def test_the_html_says_the_same(settled: Repository, upstream: Upstream) -> None:
    with serving(settled) as client:
        html = client.get("/simple/other/", headers={"accept": "text/html"})
        parsed = pypi_simple.ProjectPage.from_response(_as_requests(html), "other")
        assert [each.filename for each in parsed.packages] == [each["filename"] for each in page(client)["files"]]
        assert [each.is_yanked for each in parsed.packages] == [False, True, False]
    upstream.formats = upstream.formats[1:]
    assert len(upstream.asked) == 1  # one page for both


def test_files_and_metadata_come_through_byte_for_byte_and_once(settled: Repository, upstream: Upstream) -> None:
    there = {each.filename: each for each in upstream.projects["other"].files}
    with serving(settled) as client:
        for name, link in links(client).items():
            for _ in range(2):
                assert client.get(link).content == there[name].path.read_bytes()
                if there[name].core_metadata is not None:
                    assert client.get(f"{link}.metadata").content == there[name].core_metadata
        assert client.head(link).headers["content-length"] == str(there[name].size)
        assert client.get(link, headers={"range": "bytes=0-9"}).content == there[name].path.read_bytes()[:10]
    assert len(upstream.paths) == len({*upstream.paths}) == 1 + 3 + 2


def test_an_upstream_of_html_without_sizes_and_times_comes_through_too(settled: Repository, upstream: Upstream) -> None:
    upstream.formats = ("text/html",)
    with serving(settled) as client:
        found = page(client)["files"]
        assert len(found) == 3
        assert not {"size", "upload-time"} & {*found[0]}
        for name, link in links(client).items():
            given = next(each for each in upstream.projects["other"].files if each.filename == name)
            for _ in range(2):
                answer = client.get(link)
                assert (answer.content, answer.headers["content-length"]) == (given.path.read_bytes(), str(given.size))


@pytest.mark.slow
def test_a_page_that_did_not_change_is_304_here_and_there(settled: Repository, upstream: Upstream) -> None:
    clock = Clock()
    with serving(settled, clock) as client:
        first = client.get("/simple/other/", headers=JSON)
        for _ in range(3):
            again = client.get("/simple/other/", headers={**JSON, "if-none-match": first.headers["etag"]})
            assert again.status_code == 304
        assert len(upstream.asked) == 1
        clock.forward(601)
        soon(lambda: client.get("/simple/other/", headers=JSON).status_code == 200 and len(upstream.asked) == 2)
        assert upstream.asked[1].status == 304
        upstream.projects["other"].files.pop()
        clock.forward(601)
        soon(lambda: len(page(client)["files"]) == 2)


def test_many_who_ask_for_one_file_cause_one_fetch(settled: Repository, upstream: Upstream, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "upstream", "large", "1.0", files={"data.bin": bytes(range(256)) * 8_000})
    upstream.add(wheel)
    upstream.faults["*/large-*"] = Fault(hold=1 << 20)  # all have bytes of it before the upstream has sent it all
    with serving(settled) as client, ThreadPoolExecutor(16) as pool:
        link = next(iter(links(client, "/simple/large/").values()))
        have_some = threading.Barrier(16, action=upstream.release)

        def fetch(_number: int) -> bytes:
            with client.stream("GET", link) as answer:
                pieces = answer.iter_bytes()
                first = next(pieces)
                have_some.wait(60)
                return b"".join([first, *pieces])

        assert set(pool.map(fetch, range(16))) == {wheel.read_bytes()}
    assert sum("large-1.0" in path for path in upstream.paths) == 1


def test_an_upstream_is_opened_once_and_before_the_first_client(
    settled: Repository, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def count(url: str, *words: Any, **more: Any) -> UpstreamIndex:
        opened.append(url)
        return open_upstream(url, *words, **more)

    monkeypatch.setattr(file_answers, "open_upstream", count)
    with serving(settled) as client, ThreadPoolExecutor(8) as pool:
        soon(lambda: opened)
        assert upstream.asked == []
        assert {each.status_code for each in pool.map(client.get, ["/simple/other/"] * 8)} == {200}
    assert opened == [upstream.simple]


# What does not leave


@pytest.mark.parametrize("name", ["demo", "acme-secret", "Demo", "acme_secret"])
def test_a_name_of_the_repository_is_never_asked_for(settled: Repository, upstream: Upstream, name: str) -> None:
    with serving(settled) as client:
        answer = client.get(f"/simple/{name}/", headers=JSON, follow_redirects=True)
        assert answer.status_code == 200
        assert all("99.0" not in each["filename"] for each in answer.json()["files"])
        bad = upstream.projects["demo"].files[0]
        assert client.get(f"/files/demo/{bad.sha256}/{bad.filename}").status_code == 403
        assert client.get(f"/files/demo/{bad.sha256}/{bad.filename}.metadata").status_code == 403
        assert client.get(f"/files/{bad.sha256}/{bad.filename}").status_code == 404
    assert upstream.paths == []


def test_a_name_that_the_repository_gets_is_the_upstreams_no_more(
    settled: Repository, upstream: Upstream, tmp_path: Path
) -> None:
    with serving(settled) as client:
        link = next(iter(links(client).values()))
        assert client.get(link).status_code == 200
        put(settled, "team", make_wheel(tmp_path, "other", "0.1"))  # another index than the one that is asked
        soon(lambda: page(client)["files"] == [])
        assert client.get(link).status_code == 403
        assert client.get(f"{link}.metadata").status_code == 403
        assert files(client, "/team/simple/other/") == ["other-0.1-py3-none-any.whl"]


def test_a_file_of_another_project_on_a_page_is_not_passed_on(settled: Repository, upstream: Upstream, tmp_path: Path) -> None:
    evil = upstream.add(make_wheel(tmp_path / "upstream", "acme_core", "9.9"), project="other")
    with serving(settled) as client:
        assert evil.filename not in links(client)
        assert {each["filename"] for each in page(client)["_hidden"]} == {evil.filename}
        for project in ("other", "acme-core"):
            answer = client.get(f"/files/{project}/{evil.sha256}/{evil.filename}")
            assert answer.status_code in {403, 404}
    assert not any("acme" in path for path in upstream.paths)


# Routes and modes


def test_a_route_says_where_a_name_is_looked_for(settled: Repository, store: Path, upstream: Upstream, tmp_path: Path) -> None:
    with Upstream() as gpu:
        (tmp_path / "gpu").mkdir()
        gpu.add(make_wheel(tmp_path / "gpu", "torch", "2.0"))
        upstream.add(make_wheel(tmp_path / "upstream", "torch", "9.0"))
        upstream.add(make_wheel(tmp_path / "upstream", "torch_extra", "1.0"))
        upstream.add(make_wheel(tmp_path / "upstream", "nowhere", "1.0"))
        settle(
            store,
            upstream,
            f'[upstreams.gpu]\nurl = "{gpu.simple}"\n'
            '[[route]]\nnames = ["torch*"]\nfrom = ["this", "gpu", "upstream"]\n'
            '[[route]]\nnames = ["nowhere"]\nfrom = []\n',
        )
        with serving(settled) as client:
            assert files(client, "/simple/torch/") == ["torch-2.0-py3-none-any.whl"]
            assert files(client, "/simple/torch-extra/") == ["torch_extra-1.0-py3-none-any.whl"]
            assert files(client, "/simple/nowhere/") == []
            assert client.get("/simple/no-such/").status_code == 404
            gpu.down()
            gpu.projects.clear()
            assert client.get("/simple/torch-new/").status_code == 503  # not the next one: the first may have it
        assert gpu.names == {"torch", "torch-extra"}
        assert upstream.names == {"torch-extra", "no-such"}


def test_a_redirect_leads_to_the_upstream_that_has_the_name(
    settled: Repository, store: Path, upstream: Upstream, tmp_path: Path
) -> None:
    settle(store, upstream, mode="redirect")
    with serving(settled) as client:
        answer = client.get("/simple/other/")
        assert (answer.status_code, answer.headers["location"]) == (302, f"{upstream.simple}other/")
        assert client.get("/simple/demo/", headers=JSON).json()["files"]
    assert upstream.paths == []


def test_with_a_policy_nothing_is_redirected(settled: Repository, store: Path, upstream: Upstream) -> None:
    edit(store, "main", 'format = 1\n[policy]\ndeny = ["other==2.0"]\n')
    with serving(settled, public_index=PublicIndex(upstream.simple)) as client:
        assert [*links(client)] == ["other-1.0-py3-none-any.whl"]


def test_without_a_mode_nothing_is_asked(settled: Repository, store: Path, upstream: Upstream) -> None:
    with serving(settled) as client:
        link = next(iter(links(client).values()))
        edit(store, "main", f'format = 1\n[upstream]\nurl = "{upstream.simple}"\n')
        soon(lambda: client.get("/simple/other/").status_code == 404)
        assert client.get(link).status_code == 404


def test_an_index_of_the_repository_has_upstreams_of_its_own(settled: Repository, store: Path, upstream: Upstream) -> None:
    settle(store, upstream, "[policy]\nsdists = false\n", index="staging")
    with serving(settled) as client:
        assert len(links(client)) == 3
        assert len(links(client, "/staging/simple/other/")) == 2
        hidden = ({*links(client)} - {*links(client, "/staging/simple/other/")}).pop()
        assert client.get(links(client)[hidden]).status_code == 200
        assert client.get(f"/staging{links(client)[hidden]}").status_code == 403


def test_a_public_index_that_is_no_address_is_no_fault_of_the_client(
    settled: Repository, store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WHARF_PUBLIC_INDEX", "ftp://user:geheim@mirror/")
    edit(store, "main", 'format = 1\n[upstream]\nmode = "proxy"\n')
    with serving(settled) as client:
        answer = client.get("/simple/other/")
        assert (answer.status_code, "geheim" in answer.text) == (503, False)
        assert client.get("/simple/demo/").status_code == 200
    assert "unset WHARF_PUBLIC_INDEX" not in answer.text
    assert "geheim" not in caplog.text
    assert "never retrieved" not in caplog.text


# Policies


def test_a_hidden_file_is_hidden_at_its_own_address_too(settled: Repository, store: Path, upstream: Upstream) -> None:
    with serving(settled) as client:
        before = links(client)
        first = before["other-1.0-py3-none-any.whl"]
        assert "immutable" in client.get(first).headers["cache-control"]
        settle(store, upstream, '[policy]\ndeny = ["other>=2"]\n')
        soon(lambda: [*links(client)] == ["other-1.0-py3-none-any.whl"])
        assert {(each["filename"], each["rule"]) for each in page(client)["_hidden"]} == {
            (name, "policy.deny") for name in before if "2.0" in name
        }
        assert client.get(first).headers["cache-control"] == "private, no-cache"  # it may be hidden tomorrow
        for name, link in before.items():
            for address in (link, f"{link}.metadata"):
                answer = client.get(address)
                if "2.0" not in name:
                    assert answer.status_code == 200
                elif ".metadata" not in address or name.endswith(".whl"):
                    assert answer.status_code == 403
                    assert "policy.deny" in answer.text
                    assert "policy.deny" in answer.reason_phrase


def test_the_log_tells_of_a_refused_file_once_a_minute(
    settled: Repository, store: Path, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    settle(store, upstream, '[policy]\ndeny = ["other"]\n')
    given = upstream.projects["other"].files[0]

    def told() -> int:
        return sum("is not sent" in each.getMessage() for each in caplog.records)

    with serving(settled, clock) as client:
        for count in (1, 2):
            for _ in range(5):
                assert client.get(f"/files/other/{given.sha256}/{given.filename}").status_code == 403
            assert told() == count
            clock.forward(61)


def test_a_status_that_no_standard_knows_hides_all_if_there_is_a_rule_for_statuses(
    settled: Repository, store: Path, upstream: Upstream
) -> None:
    body = httpx.get(f"{upstream.simple}other/", headers=JSON).json() | {"project-status": {"status": "QUARANTINED"}}
    upstream.faults["*/simple/other/"] = Fault(body=json.dumps(body).encode())
    with serving(settled) as client:
        found = page(client)
        assert (len(found["files"]), found["project-status"]) == (3, {"status": "active"})
        settle(store, upstream, '[policy]\nstatus = ["quarantined"]\n')
        soon(lambda: page(client)["files"] == [])
        assert {each["rule"] for each in page(client)["_hidden"]} == {"policy.status"}


def test_a_page_of_which_all_is_hidden_is_no_404(settled: Repository, store: Path, upstream: Upstream) -> None:
    settle(store, upstream, '[policy]\nallow = ["something"]\n')
    with serving(settled) as client:
        assert page(client)["files"] == []
        assert client.get("/simple/never-heard-of/").status_code == 404
        assert "off" not in client.get("/simple/-no-name-/").text


def test_a_cooldown_ends_at_its_moment(settled: Repository, store: Path, upstream: Upstream, tmp_path: Path) -> None:
    clock = Clock()
    young = f"{datetime.now(UTC) - timedelta(days=6, hours=23):%Y-%m-%dT%H:%M:%SZ}"
    upstream.add(make_wheel(tmp_path / "upstream", "fresh", "1.0"), upload_time=young)
    settle(store, upstream, '[policy]\ncooldown = "7d"\n')
    upstream.cache_control = "max-age=86400"
    with serving(settled, clock) as client:
        for _ in range(2):
            assert page(client, "/simple/fresh/")["files"] == []
        hidden = page(client, "/simple/fresh/")["_hidden"][0]
        until = datetime.fromisoformat(hidden["until"])
        assert abs((until - datetime.now(UTC)).total_seconds() - 3600) < 60
        file = upstream.projects["fresh"].files[0]
        link = f"/files/fresh/{file.sha256}/{file.filename}"
        assert client.get(link).status_code == 403
        clock.forward(3660)
        soon(lambda: len(page(client, "/simple/fresh/")["files"]) == 1)
        assert client.get(link).status_code == 200
        clock.set = timedelta(days=-3)
        soon(lambda: page(client, "/simple/fresh/")["files"] == [])
        assert client.get(link).status_code == 403


# The upstream is away, or lies


@pytest.mark.slow
def test_pages_are_served_stale_while_the_upstream_is_away(settled: Repository, upstream: Upstream) -> None:
    clock = Clock()
    for restarted in (False, True):
        with serving(settled, clock) as client:
            if not restarted:
                for link in links(client).values():
                    assert client.get(link).status_code == 200
                    client.get(f"{link}.metadata")
                upstream.down()
            clock.forward(601)
            soon(lambda: "x-wharf-stale-since" in client.get("/simple/other/").headers)
            for name, link in links(client).items():
                assert client.get(link).status_code == 200
                assert client.get(f"{link}.metadata").status_code == (200 if name.endswith(".whl") else 404)
            assert client.get("/simple/unknown/").status_code == 503
            assert client.get("/healthz").json()["upstreams"] == "stale"
    with serving(settled, clock) as client:
        upstream.up()
        clock.forward(601)
        soon(lambda: "x-wharf-stale-since" not in client.get("/simple/other/").headers)
        assert client.get("/healthz").json()["upstreams"] == "ok"


@pytest.mark.parametrize("size", [True, False])
def test_wrong_bytes_are_never_whole_and_never_kept(
    settled: Repository, upstream: Upstream, caplog: pytest.LogCaptureFixture, *, size: bool
) -> None:
    given = upstream.projects["other"].files[0]
    if not size:
        given.size = None
    body = given.path.read_bytes()
    clock = Clock()
    upstream.faults["*/other-1.0*.whl"] = Fault(body=body[:-1] + bytes([body[-1] ^ 1]))
    with serving(settled, clock) as client:
        link = links(client)[given.filename]
        with suppress(httpx.RemoteProtocolError):  # the answer ends before its last byte, or does not begin
            assert client.get(link).status_code == 503
        assert client.get(link).status_code == 503
        assert any(each.startswith(f"{given.filename}: ") for each in caplog.messages), caplog.messages
        upstream.faults.clear()
        clock.forward(61)
        assert client.get(link).content == body


@pytest.mark.slow
@pytest.mark.parametrize("what", ["other bytes", "a link", "cut off", "a pipe"])
def test_a_file_of_the_cache_that_somebody_else_wrote_is_not_sent(
    settled: Repository, store: Path, upstream: Upstream, tmp_path: Path, what: str
) -> None:
    given = upstream.projects["other"].files[0]
    body = given.path.read_bytes()
    for restarted in (False, True):
        with serving(settled) as client:
            link = links(client)[given.filename]
            assert client.get(link).content == body
            soon(lambda: [*store.rglob(given.sha256 or "")])
            kept = next(store.rglob(given.sha256 or ""))
            if restarted:
                assert client.get(link).content == body
            else:
                wrong = body[:-1] + bytes([body[-1] ^ 1])
                kept.unlink()
                if what == "a link":
                    (tmp_path / "secret").write_bytes(wrong)
                    kept.symlink_to(tmp_path / "secret")
                elif what == "a pipe":
                    os.mkfifo(kept)
                else:
                    kept.write_bytes(wrong if what == "other bytes" else body[:10])
                assert client.get(link).content == body


def _as_requests(answer: httpx.Response) -> Any:
    import requests

    found = requests.Response()
    found._content = answer.content
    found.headers.update(answer.headers)
    found.url, found.status_code = str(answer.url), answer.status_code
    return found
