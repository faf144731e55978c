"""What comes while something is asked of an upstream, and what one upstream does to the others."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx
import pytest

from tests.makers import make_wheel
from tests.server.over_github import JSON
from tests.server.running import soon
from tests.server.test_several_indexes import files, put
from tests.server.test_upstreams import links, page, serving, settle, settled, upstream
from tests.upstream import Fault, Upstream
from wharf.server.files import cache_folder
from wharf.server.upstream import upstream_document
from wharf.server.upstream.open_upstreams import AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wharf.repository.opening import Repository

__all__ = ["settled", "upstream"]  # fixtures

DOWNLOADS = 20


@pytest.fixture
def many(upstream: Upstream, tmp_path: Path) -> list[str]:
    """As many projects of the upstream as are asked for at once."""
    wheel = make_wheel(tmp_path / "upstream", "slow0", "1.0", files={"data.bin": bytes(100)})
    names = [f"slow{number}" for number in range(AT_ONCE)]
    upstream.add(wheel)
    for name in names[1:]:
        made = wheel.with_name(wheel.name.replace("slow0", name))
        made.write_bytes(wheel.read_bytes() + name.encode())
        upstream.add(made)
    return names


@pytest.fixture
def queued(settled: Repository, upstream: Upstream, many: list[str], tmp_path: Path) -> str:
    upstream.add(make_wheel(tmp_path / "upstream", "later", "1.0"))
    return "later"


def begin(repository: Repository, when: str) -> str:
    """Where the addresses of the index begin: now, or at its newest commit."""
    return "" if when == "now" else f"/main@{repository.branch.snapshot().commit}"


@pytest.mark.slow
@pytest.mark.parametrize("when", ["now", "then"])
def test_a_name_that_is_claimed_while_its_question_waits_is_never_asked_for(
    settled: Repository, upstream: Upstream, many: list[str], queued: str, tmp_path: Path, when: str
) -> None:
    start = begin(settled, when)
    upstream.faults["*/simple/slow*/"] = Fault(hold=0)
    with serving(settled) as client, ThreadPoolExecutor(AT_ONCE + 1) as pool:
        slow = [pool.submit(client.get, f"{start}/simple/{name}/") for name in many]
        soon(lambda: len(upstream.asked) == AT_ONCE)
        late = pool.submit(client.get, f"{start}/simple/{queued}/", headers=JSON)
        put(settled, "team", make_wheel(tmp_path, queued, "0.1"))
        soon(lambda: client.get(f"/team/simple/{queued}/").status_code == 200)
        upstream.release()
        assert late.result().json()["files"] == []
        assert {each.result().status_code for each in slow} == {200}
    assert queued not in upstream.names


@pytest.mark.slow
@pytest.mark.parametrize("when", ["now", "then"])
@pytest.mark.parametrize("change", ["claim", "policy"])
def test_a_file_that_may_not_be_sent_any_more_when_its_turn_comes_is_not_asked_for(
    settled: Repository, store: Path, upstream: Upstream, many: list[str], queued: str, tmp_path: Path, change: str, when: str
) -> None:
    start = begin(settled, when)
    with serving(settled) as client, ThreadPoolExecutor(DOWNLOADS + 1) as pool:
        addresses = [next(iter(links(client, f"{start}/simple/{name}/").values())) for name in many[:DOWNLOADS]]
        late = next(iter(links(client, f"{start}/simple/{queued}/").values()))
        upstream.faults["*/slow*.whl"] = Fault(hold=0)
        before = len(upstream.asked)
        slow = [pool.submit(client.get, each) for each in addresses]
        soon(lambda: len(upstream.asked) == before + DOWNLOADS)
        waiting = pool.submit(client.get, late)
        if change == "claim":
            put(settled, "team", make_wheel(tmp_path, queued, "0.1"))
        else:
            settle(store, upstream, f'[policy]\ndeny = ["{queued}"]\n')
        soon(lambda: page(client, f"/simple/{queued}/")["files"] == [])
        upstream.release()
        assert waiting.result().status_code == 503
        assert client.get(late).status_code == 403
        assert {each.result().status_code for each in slow} == {200}
    assert not any("later-1.0" in path for path in upstream.paths)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["now", "then"])
@pytest.mark.parametrize("change", ["claim", "policy"])
def test_core_metadata_that_come_too_late_are_not_sent(
    settled: Repository, store: Path, upstream: Upstream, tmp_path: Path, change: str, when: str
) -> None:
    start = begin(settled, when)
    with serving(settled) as client, ThreadPoolExecutor(1) as pool:
        link = next(link for link in links(client, f"{start}/simple/other/").values() if link.endswith(".whl"))
        upstream.faults["*.metadata"] = Fault(hold=0)
        before = len(upstream.asked)
        waiting = pool.submit(client.get, f"{link}.metadata")
        soon(lambda: len(upstream.asked) == before + 1)
        if change == "claim":
            put(settled, "team", make_wheel(tmp_path, "other", "0.1"))
        else:
            settle(store, upstream, '[policy]\ndeny = ["other"]\n')
        soon(lambda: page(client)["files"] == [])
        upstream.release()
        assert waiting.result().status_code == 403


@pytest.mark.slow
def test_a_page_that_comes_after_a_change_of_the_settings_is_shown_by_the_new_ones(
    settled: Repository, store: Path, upstream: Upstream
) -> None:
    upstream.faults["*/simple/other/"] = Fault(hold=0)
    with serving(settled) as client, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.get, "/simple/other/", headers=JSON)
        soon(lambda: upstream.asked)
        settle(store, upstream, '[policy]\ndeny = ["other"]\n[[route]]\nnames = ["mark"]\nfrom = []\n')
        soon(lambda: client.get("/simple/mark/").status_code == 200)  # the change is here
        upstream.release()
        assert waiting.result().json()["files"] == []


@pytest.mark.slow
def test_a_slow_upstream_keeps_no_other_waiting(
    settled: Repository, upstream: Upstream, two: Upstream, many: list[str]
) -> None:
    upstream.faults["*/simple/slow*/"] = Fault(hold=0)
    with serving(settled) as client, ThreadPoolExecutor(AT_ONCE) as pool:
        slow = [pool.submit(client.get, f"/simple/{name}/") for name in many]
        soon(lambda: len(upstream.asked) == AT_ONCE)
        assert files(client, "/simple/twin/") == ["twin-1.0-py3-none-any.whl"]
        upstream.release()
        assert {each.result().status_code for each in slow} == {200}


@pytest.mark.slow
def test_many_downloads_from_an_upstream_keep_its_pages_from_nobody(
    settled: Repository, upstream: Upstream, many: list[str]
) -> None:
    with serving(settled) as client, ThreadPoolExecutor(DOWNLOADS) as pool:
        addresses = [next(iter(links(client, f"/simple/{name}/").values())) for name in many[:DOWNLOADS]]
        upstream.faults["*/slow*.whl"] = Fault(hold=0)
        before = len(upstream.asked)
        slow = [pool.submit(client.get, urljoin(str(client.base_url), each)) for each in addresses]
        soon(lambda: len(upstream.asked) == before + DOWNLOADS)
        assert len(page(client)["files"]) == 3
        upstream.release()
        assert {each.result().status_code for each in slow} == {200}


@pytest.fixture
def two(settled: Repository, store: Path, upstream: Upstream, tmp_path: Path) -> Iterator[Upstream]:
    """Another upstream, which has the project `twin`. The first one has a project `other` with the same bytes."""
    folder = tmp_path / "two"
    folder.mkdir()
    with Upstream() as two:
        two.add(make_wheel(folder, "twin", "1.0"))
        settle(store, upstream, f'[upstreams.two]\nurl = "{two.simple}"\n[[route]]\nnames = ["twin"]\nfrom = ["this", "two"]\n')
        yield two


def given_wrong(upstream: Upstream, two: Upstream, tmp_path: Path) -> Path:
    """The file of `twin`, which the other upstream has as one of `copy`, and sends other bytes of."""
    right = two.projects["twin"].files[0].path
    same = tmp_path / "upstream" / "copy-1.0-py3-none-any.whl"
    same.write_bytes(right.read_bytes())
    upstream.add(same)
    upstream.faults["*/copy-*.whl"] = Fault(body=bytes(len(right.read_bytes())))
    return right


def test_a_file_that_one_upstream_gives_wrong_is_got_from_another(
    settled: Repository, upstream: Upstream, two: Upstream, tmp_path: Path
) -> None:
    right = given_wrong(upstream, two, tmp_path)
    with serving(settled) as client:
        wrong = next(iter(links(client, "/simple/copy/").values()))
        with suppress(httpx.RemoteProtocolError):
            assert client.get(wrong).status_code == 503
        good = next(iter(links(client, "/simple/twin/").values()))
        assert client.get(good).content == right.read_bytes()
        assert client.get(wrong).content == right.read_bytes()  # it is here now, whoever gave it


@pytest.mark.slow
def test_a_file_that_is_whole_and_not_yet_on_the_disk_is_here_for_those_who_ask_another_upstream(
    settled: Repository, upstream: Upstream, two: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = given_wrong(upstream, two, tmp_path)
    synced, sync = threading.Event(), os.fsync

    def slow_disk(handle: int) -> None:
        assert synced.wait(60)
        sync(handle)

    with serving(settled) as client:
        addresses = [next(iter(links(client, f"/simple/{name}/").values())) for name in ("copy", "twin")]
        with suppress(httpx.RemoteProtocolError):
            assert client.get(addresses[0]).status_code == 503
        monkeypatch.setattr(os, "fsync", slow_disk)
        with ThreadPoolExecutor(1) as pool:
            try:
                assert client.get(addresses[1]).content == right.read_bytes()
                waiting = pool.submit(client.get, addresses[0], headers={"range": "bytes=1-2"})
                assert wait([waiting], 0.2).not_done
            finally:
                synced.set()
            part = waiting.result()
        assert (part.status_code, part.content) == (206, right.read_bytes()[1:3])


@pytest.mark.slow
def test_downloads_from_a_slow_upstream_keep_no_file_of_another_waiting_and_none_that_is_here(
    settled: Repository, upstream: Upstream, two: Upstream, many: list[str]
) -> None:
    with serving(settled) as client:
        kept = next(iter(links(client).values()))
        assert client.get(kept).status_code == 200
    with serving(settled) as client, ThreadPoolExecutor(DOWNLOADS) as pool:
        addresses = [next(iter(links(client, f"/simple/{name}/").values())) for name in many[:DOWNLOADS]]
        upstream.faults["*/slow*.whl"] = Fault(hold=0)
        before = len(upstream.asked)
        slow = [pool.submit(client.get, each) for each in addresses]
        soon(lambda: len(upstream.asked) == before + DOWNLOADS)
        assert client.get(next(iter(links(client, "/simple/twin/").values()))).status_code == 200
        assert client.get(kept).status_code == 200
        upstream.release()
        assert {each.result().status_code for each in slow} == {200}


@pytest.mark.slow
def test_a_download_leaves_some_of_the_disk_to_others(
    settled: Repository, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_folder, "FREE", 1 << 62)
    with (tmp_path / "upstream" / "big-1.0.tar.gz").open("wb") as file:
        file.truncate(17 << 20)
    upstream.add(tmp_path / "upstream" / "big-1.0.tar.gz")
    with serving(settled) as client:
        small, big = (next(iter(links(client, f"/simple/{name}/").values())) for name in ("other", "big"))
        assert client.get(small).status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(big)
        assert client.get(big).status_code == 503


@pytest.mark.slow
def test_own_pages_do_not_wait_while_pages_of_upstreams_are_made(
    settled: Repository, many: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done, begun, made = threading.Event(), threading.Event(), upstream_document.of_project

    def slow(*given: Any) -> Any:
        begun.set()
        assert done.wait(60)
        return made(*given)

    monkeypatch.setattr(upstream_document, "of_project", slow)
    with serving(settled) as client, ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(client.get, f"/simple/{name}/") for name in many]
        assert begun.wait(60)
        try:
            for accept in ("text/html", JSON["Accept"]):
                assert client.get("/simple/demo/", headers={"accept": accept}, timeout=60).status_code == 200
        finally:
            done.set()
        assert {each.result().status_code for each in waiting} == {200}
