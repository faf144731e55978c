"""An upstream that is asked, that says nothing new, that is away, and that lies: what is shown, and what is kept."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import urllib3

from tests.pools import Pools
from wharf.errors import StorageError
from wharf.secret import Secret
from wharf.sources import upstream_page
from wharf.sources.upstream_address import UpstreamAddress
from wharf.sources.upstream_index import MISSING, SeenProject, UpstreamIndex
from wharf.sources.upstream_page_store import PageStore
from wharf.transport.http_client import Transport

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

URL = "https://up.example.com/simple/"
JSON = "application/vnd.pypi.simple.v1+json"
START = datetime(2026, 5, 1, tzinfo=UTC)


def file(version: str, *, time: str | None = "2026-01-01T00:00:00Z", data: bytes = b"x", **more: Any) -> dict[str, Any]:
    found = {
        "filename": f"demo-{version}-py3-none-any.whl",
        "url": f"../../files/demo-{version}-py3-none-any.whl",
        "hashes": {"sha256": hashlib.sha256(data).hexdigest()},
        "size": len(data),
        **more,
    }
    return found if time is None else {**found, "upload-time": time}


def page(*files: dict[str, Any], name: str = "demo") -> bytes:
    return json.dumps({"meta": {"api-version": "1.4"}, "name": name, "files": files}).encode()


@dataclass
class Upstream:
    """Answers by a function, which a test may change; `asked` are the requests."""

    answer: Callable[[httpx.Request], httpx.Response]
    asked: list[httpx.Request] = field(default_factory=list)
    seconds: float = 1000.0
    now: datetime = START

    def pools(self) -> Pools:
        def talk(request: httpx.Request) -> httpx.Response:
            self.asked.append(request)
            return self.answer(request)

        return Pools(talk)

    def index(self, folder: Path, **more: Any) -> UpstreamIndex:
        address = more.pop("address", UpstreamAddress(url=URL))
        one, other = Transport(self.pools()), Transport(self.pools())
        return UpstreamIndex(address, folder, transports=(one, other), clock=lambda: self.seconds, now=lambda: self.now, **more)

    def later(self, seconds: float) -> None:
        self.seconds += seconds
        self.now += timedelta(seconds=seconds)


def always(body: bytes, *, status: int = 200, **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    given = {"content-type": JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return lambda _request: httpx.Response(status, content=body, headers=given)


def away(_request: httpx.Request) -> httpx.Response:
    raise urllib3.exceptions.ConnectTimeoutError


def shown(found: SeenProject | None) -> list[str]:
    assert found is not None
    return [each.version for each in found.project.files]


def test_a_page_is_asked_for_once_while_it_is_fresh_also_after_a_restart(tmp_path: Path) -> None:
    upstream = Upstream(always(page(file("1.0")), cache_control="max-age=100"))
    index = upstream.index(tmp_path)
    assert index.ready("demo") is None
    first = index.project("demo")
    assert shown(first) == ["1.0"]
    assert index.ready("demo") == first
    upstream.later(99)
    assert index.project("demo") == first
    again = upstream.index(tmp_path).project("demo")
    assert again is not None
    assert first is not None
    assert (again.project, again.validator) == (first.project, first.validator)
    assert len(upstream.asked) == 1
    upstream.later(2)
    assert index.ready("demo") is None
    index.project("demo")
    assert len(upstream.asked) == 2


def test_the_upstream_is_asked_whether_a_page_still_holds(tmp_path: Path) -> None:
    upstream = Upstream(always(page(file("1.0")), etag='"a"', last_modified="Fri, 01 May 2026 00:00:00 GMT"))
    first = upstream.index(tmp_path).project("demo")
    upstream.later(3600)
    upstream.answer = always(b"", status=304)
    index = upstream.index(tmp_path)
    found = index.project("demo")
    assert found is not None
    assert first is not None
    assert (found.validator, found.stale_since) == (first.validator, None)
    assert upstream.asked[-1].headers["if-none-match"] == '"a"'
    assert index.ready("demo") == found


def test_a_validator_that_never_changes_hides_nothing_for_longer_than_a_day(tmp_path: Path) -> None:
    upstream = Upstream(always(page(file("1.0")), etag='"a"'))
    index = upstream.index(tmp_path)
    index.project("demo")
    upstream.answer = lambda request: always(b"", status=304)(request) if "if-none-match" in request.headers else new(request)
    new = always(page(file("1.0"), file("2.0")), etag='"a"')
    upstream.later(3600)
    assert shown(index.project("demo")) == ["1.0"]
    upstream.later(24 * 3600)
    assert shown(index.project("demo")) == ["1.0", "2.0"]


def test_not_modified_is_no_answer_to_the_first_question(tmp_path: Path) -> None:
    upstream = Upstream(always(b"", status=304))
    with pytest.raises(StorageError, match="answers 304"):
        upstream.index(tmp_path).project("demo")


@pytest.mark.parametrize("status", [404, 410])
def test_a_miss_is_remembered_for_a_while(tmp_path: Path, status: int) -> None:
    upstream = Upstream(always(b"", status=status))
    index = upstream.index(tmp_path)
    assert index.project("demo") is None
    assert index.ready("demo") is MISSING
    assert index.project("demo") is None
    assert len(upstream.asked) == 1
    upstream.later(61)
    upstream.answer = always(page(file("1.0")))
    assert shown(index.project("demo")) == ["1.0"]
    assert index.ready("demo") is not MISSING


@pytest.mark.parametrize("status", [401, 403, 500, 503, 429])
def test_a_refusal_is_no_miss_and_a_kept_page_is_shown_as_stale(tmp_path: Path, status: int) -> None:
    upstream = Upstream(always(page(file("1.0")), cache_control="max-age=60"))
    upstream.index(tmp_path).project("demo")
    upstream.later(100)
    upstream.answer = always(b"", status=status)
    index = upstream.index(tmp_path)
    found = index.project("demo")
    assert shown(found) == ["1.0"]
    assert found is not None
    assert found.stale_since == START
    assert f"answers {status}" in (index.problem or "")
    with pytest.raises(StorageError) as caught:
        index.project("other")
    assert caught.value.http_status == 503
    upstream.answer = always(page(file("1.0"), file("2.0")))
    assert shown(index.project("demo")) == ["1.0"]  # it is not asked again at once
    upstream.later(11)
    fresh = index.project("demo")
    assert shown(fresh) == ["1.0", "2.0"]
    assert fresh is not None
    assert fresh.stale_since is None


def test_an_upstream_that_is_away_is_not_asked_for_each_project(tmp_path: Path) -> None:
    upstream = Upstream(away)
    index = upstream.index(tmp_path)
    for name in ("one", "two", "three"):
        with pytest.raises(StorageError):
            index.project(name)
    assert len(upstream.asked) == 1
    assert index.problem
    upstream.later(11)
    upstream.answer = always(page(file("1.0")))
    index.project("demo")
    assert index.problem is None


def test_files_of_an_upstream_that_is_away_are_not_waited_for(tmp_path: Path) -> None:
    there = f"https://files.example.com/{'x' * 10}"
    core = {"core-metadata": {"sha256": "0" * 64}}
    upstream = Upstream(always(page(file("1.0") | core, file("2.0") | core | {"url": there})))
    index = upstream.index(tmp_path)
    found = index.project("demo")
    assert found is not None
    here, elsewhere = found.project.files
    upstream.answer = away
    upstream.later(601)
    index.project("demo")
    count = len(upstream.asked)
    with pytest.raises(StorageError):
        index.core_metadata(here)
    with pytest.raises(StorageError), index.open(here):
        pass
    assert len(upstream.asked) == count
    with pytest.raises(StorageError), index.open(elsewhere):
        pass
    assert len(upstream.asked) == count + 1


def test_many_that_ask_at_once_cause_one_request(tmp_path: Path) -> None:
    gate = threading.Event()

    def slow(request: httpx.Request) -> httpx.Response:
        gate.wait(60)
        return always(page(file("1.0")))(request)

    upstream = Upstream(slow)
    index = upstream.index(tmp_path)
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(index.project, "demo") for _ in range(16)]
        gate.set()
        found = [each.result() for each in asked]
    assert len(upstream.asked) == 1
    assert all(each == found[0] for each in found)


@pytest.mark.slow
def test_large_pages_are_parsed_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"name{number}" for number in range(4)]
    bodies = {name: page(name=name) + bytes([32]) * (2 << 20) for name in names}
    upstream = Upstream(lambda request: always(bodies[request.url.path.split("/")[-2]])(request))
    together = threading.Barrier(2)
    made = upstream_page.parse

    def parse(*given: Any) -> Any:
        with pytest.raises(threading.BrokenBarrierError):
            together.wait(0.05)
        together.reset()
        return made(*given)

    monkeypatch.setattr(upstream_page, "parse", parse)
    index = upstream.index(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        assert [found and found.project.name for found in pool.map(index.project, names)] == names


def test_a_file_that_comes_later_counts_from_when_it_was_seen(tmp_path: Path) -> None:
    upstream = Upstream(always(page(file("1.0"), file("1.1", time=None))))
    index = upstream.index(tmp_path)
    index.project("demo")
    upstream.later(7200)
    upstream.answer = always(page(file("1.0"), file("1.1", time=None), file("2.0"), file("3.0", time="2026-06-01T00:00:00Z")))
    for each in (index, upstream.index(tmp_path)):
        found = each.project("demo")
        assert found is not None
        assert {file.version: file.since for file in found.project.files} == {
            "1.0": datetime(2026, 1, 1, tzinfo=UTC),
            "1.1": START,
            "2.0": START + timedelta(seconds=7200),
            "3.0": datetime(2026, 6, 1, tzinfo=UTC),
        }
    fresh = upstream.index(tmp_path / "lost").project("demo")
    assert fresh is not None
    assert fresh.project.files[2].since == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_page_that_shrinks_and_grows_does_not_make_its_files_new(tmp_path: Path) -> None:
    upstream = Upstream(always(page(file("1.0"), file("1.1"))))
    first = upstream.index(tmp_path).project("demo")
    for answer in (always(page(file("1.0"))), always(b"", status=404), always(page(file("1.0"), file("1.1")))):
        upstream.later(3600)
        upstream.answer = answer
        last = upstream.index(tmp_path).project("demo")
    assert last is not None
    assert first is not None
    assert (last.project, last.validator) == (first.project, first.validator)


def test_other_bytes_under_a_known_filename_are_a_new_file(tmp_path: Path) -> None:
    upstream = Upstream(always(page(file("1.0"))))
    index = upstream.index(tmp_path)
    index.project("demo")
    upstream.later(3600)
    upstream.answer = always(page(file("1.0", data=b"y")))
    found = index.project("demo")
    assert found is not None
    assert found.project.files[0].since == upstream.now


def test_a_clock_that_was_set_back_makes_no_page_fresh(tmp_path: Path) -> None:
    upstream = Upstream(always(page(file("1.0"))))
    upstream.index(tmp_path).project("demo")
    upstream.now -= timedelta(days=30)
    upstream.index(tmp_path).project("demo")
    assert len(upstream.asked) == 2
    assert "if-none-match" not in upstream.asked[-1].headers


def test_a_page_that_lies_is_not_kept(tmp_path: Path) -> None:
    upstream = Upstream(always(page(file("1.0"), name="other")))
    index = upstream.index(tmp_path)
    with pytest.raises(StorageError, match="another project"):
        index.project("demo")
    assert not [*tmp_path.rglob("demo*")]
    assert "another project" in (index.problem or "")


def _kept(tmp_path: Path) -> Path:
    (found,) = (path for path in tmp_path.rglob("*") if path.is_file())
    return found


@pytest.mark.parametrize("harm", ["torn", "changed", "foreign", "empty", "link", "pipe"])
def test_what_cannot_be_proved_whole_is_asked_for_again(tmp_path: Path, harm: str) -> None:
    upstream = Upstream(always(page(file("1.0"))))
    upstream.index(tmp_path).project("demo")
    path = _kept(tmp_path)
    data = path.read_bytes()
    path.unlink()
    if harm == "link":
        (tmp_path / "elsewhere").write_bytes(data)
        path.symlink_to(tmp_path / "elsewhere")
    elif harm == "pipe":
        os.mkfifo(path)
    else:
        harmed = {"torn": data[:-5], "changed": data.replace(b"demo-1.0", b"demo-9.9"), "foreign": b"{}", "empty": b""}
        path.write_bytes(harmed[harm])
    assert shown(upstream.index(tmp_path).project("demo")) == ["1.0"]
    assert len(upstream.asked) == 2
    assert not path.is_symlink()
    assert path.read_bytes() == data


def test_the_page_of_another_project_is_not_taken(tmp_path: Path) -> None:
    upstream = Upstream(always(page(file("1.0"))))
    upstream.index(tmp_path).project("demo")
    path = _kept(tmp_path)
    path.rename(path.with_name("other"))
    upstream.answer = always(b"", status=404)
    assert upstream.index(tmp_path).project("other") is None


def test_a_folder_that_others_may_write_to_is_neither_read_nor_written(tmp_path: Path) -> None:
    upstream = Upstream(always(page(file("1.0"))))
    upstream.index(tmp_path).project("demo")
    folder = _kept(tmp_path).parent
    folder.chmod(0o777)
    index = upstream.index(tmp_path)
    assert shown(index.project("demo")) == ["1.0"]
    assert len(upstream.asked) == 2
    assert str(folder) in (index.problem or "")


def test_a_disk_that_cannot_be_written_stops_no_answer(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder has to be")
    upstream = Upstream(always(page(file("1.0"))))
    index = upstream.index(tmp_path / "cache")
    assert shown(index.project("demo")) == ["1.0"]
    assert index.ready("demo") is not None
    assert str(tmp_path / "cache") in (index.problem or "")


def test_what_is_kept_is_for_its_owner_alone(tmp_path: Path) -> None:
    upstream = Upstream(always(page(file("1.0"))))
    upstream.index(tmp_path / "up").project("demo")
    path = _kept(tmp_path)
    assert path.stat().st_mode & 0o077 == 0
    assert all(each.stat().st_mode & 0o077 == 0 for each in [path.parent, path.parent.parent, tmp_path / "up"])


def test_memory_is_bounded(tmp_path: Path) -> None:
    upstream = Upstream(lambda request: always(page(name=request.url.path.split("/")[-2]))(request))
    index = upstream.index(tmp_path, memory=1000)
    for number in range(20):
        index.project(f"demo{number}")
    assert index.ready("demo0") is None
    assert index.ready("demo19") is not None


def test_core_metadata_is_kept_and_checked(tmp_path: Path) -> None:
    data = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
    core: dict[str, Any] = {"core-metadata": {"sha256": hashlib.sha256(data).hexdigest()}}
    upstream = Upstream(always(page(file("1.0", **core))))
    index = upstream.index(tmp_path)
    found = index.project("demo")
    assert found is not None
    (one,) = found.project.files
    upstream.answer = always(b"other bytes")
    with pytest.raises(StorageError, match="other core metadata"):
        index.core_metadata(one)
    upstream.answer = always(data)
    assert index.core_metadata(one) == data
    assert str(upstream.asked[-1].url) == "https://up.example.com/files/demo-1.0-py3-none-any.whl.metadata"
    upstream.answer = away
    assert upstream.index(tmp_path).core_metadata(one) == data
    with pytest.raises(StorageError):
        index.core_metadata(replace(one, core_metadata=None))


def test_the_bytes_of_a_file_come_as_they_are(tmp_path: Path) -> None:
    upstream = Upstream(always(page(file("1.0"))))
    index = upstream.index(tmp_path)
    found = index.project("demo")
    assert found is not None
    upstream.answer = always(b"0123456789")
    with index.open(found.project.files[0]) as download:
        assert b"".join(download.chunks) == b"0123456789"
    upstream.answer = always(b"", status=404)
    with pytest.raises(StorageError, match="answers 404"), index.open(found.project.files[0]):
        pass


def _redirects(*targets: str) -> Callable[[httpx.Request], httpx.Response]:
    left = list(targets)
    return lambda request: (
        httpx.Response(302, headers={"location": left.pop(0)}) if left else always(page(file("1.0")))(request)
    )


def test_redirects_are_followed_a_few_times(tmp_path: Path) -> None:
    upstream = Upstream(_redirects("/simple/Demo/", "https://other.example.com/demo/"))
    found = upstream.index(tmp_path / "a").project("demo")
    assert found is not None
    assert found.project.files[0].url == "https://other.example.com/files/demo-1.0-py3-none-any.whl"
    with pytest.raises(StorageError, match="more than 5 times"):
        Upstream(_redirects(*["/simple/demo/"] * 6)).index(tmp_path / "b").project("demo")


@pytest.mark.parametrize(
    "target",
    ["http://other.example.com/", "file:///etc/passwd", "https://user:pass@up.example.com/", "javascript:x", "", "https://"],
)
def test_a_redirect_to_what_is_no_link_is_not_followed(tmp_path: Path, target: str) -> None:
    upstream = Upstream(_redirects(target))
    with pytest.raises(StorageError) as caught:
        upstream.index(tmp_path).project("demo")
    assert "pass" not in caught.value.message
    assert all(each.url.host == "up.example.com" for each in upstream.asked)
    assert len(upstream.asked) <= 6


def test_the_oldest_pages_on_disk_make_room_for_new_ones(tmp_path: Path) -> None:
    store = PageStore(tmp_path / "pages", most=1000)
    for number in range(20):
        store.write(f"demo{number}", b"x" * 100)
        os.utime(tmp_path / "pages" / f"demo{number}", (number, number))
    there = {path.name for path in (tmp_path / "pages").iterdir()}
    assert there == {f"demo{number}" for number in range(10, 20)}


_WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from wharf.sources.upstream_page_store import KeptPage, PageStore, encoded
from wharf.sources.upstream_project import LeftOut, UpstreamProject
store, number = PageStore(Path(sys.argv[1])), 0
while True:
    number += 1
    left = tuple(LeftOut(f"{sys.argv[2]}-{number}", "x" * 100) for _ in range(2000))
    page = KeptPage(project=UpstreamProject(name="demo", left_out=left), sights={}, got=datetime.now(UTC), lifetime=1)
    store.write("demo", encoded(page))
    print(store.problem, flush=True)
"""


@pytest.mark.slow
def test_processes_that_write_at_once_and_die_leave_whole_pages(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    store = PageStore(folder)
    for turn in range(8):
        words = [[sys.executable, "-c", _WRITER, str(folder), f"{turn}-{each}"] for each in range(2)]
        writers = [subprocess.Popen(each, stdout=subprocess.PIPE, text=True) for each in words]
        for each in writers:
            assert each.stdout is not None
            assert each.stdout.readline() == "None\n"
        for _ in range(20):
            found = store.read("demo")
            assert found is not None
            assert len({left.filename for left in found.project.left_out}) == 1
        for each in writers:
            each.kill()
            each.communicate()
        assert store.read("demo") is not None
    old = time.time() - 7200
    for path in folder.iterdir():
        os.utime(path, (old, old))
    PageStore(folder)
    assert [path.name for path in folder.iterdir()] == ["demo"]


def test_a_full_disk_stops_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = Upstream(always(page(file("1.0")), cache_control="max-age=60"))
    index = upstream.index(tmp_path)

    def full(*_words: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    assert shown(index.project("demo")) == ["1.0"]
    assert "No space left" in (index.problem or "")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    monkeypatch.undo()
    upstream.later(100)
    assert shown(index.project("demo")) == ["1.0"]
    assert index.problem is None


def test_an_upstream_of_another_address_has_a_folder_of_its_own(tmp_path: Path) -> None:
    upstream = Upstream(always(page(file("1.0"))))
    upstream.index(tmp_path).project("demo")
    other = Upstream(always(b"", status=404))
    assert other.index(tmp_path, address=UpstreamAddress(url="https://up.example.com/other/")).project("demo") is None


def test_no_other_host_gets_the_credentials(tmp_path: Path) -> None:
    upstream = Upstream(_redirects("/simple/Demo/", "https://other.example.com/demo/"))
    address = UpstreamAddress(url=URL, listed=True, username="me", password=Secret("hunter2"))
    found = upstream.index(tmp_path, address=address).project("demo")
    assert shown(found) == ["1.0"]
    assert [(each.url.host, "authorization" in each.headers) for each in upstream.asked] == [
        ("up.example.com", True),
        ("up.example.com", True),
        ("other.example.com", False),
    ]


def test_a_project_that_went_is_no_miss_while_the_upstream_is_away(tmp_path: Path) -> None:
    upstream = Upstream(always(page(file("1.0"))))
    index = upstream.index(tmp_path)
    index.project("demo")
    upstream.later(601)
    upstream.answer = always(b"", status=404)
    assert index.project("demo") is None
    upstream.later(61)
    upstream.answer = away
    for each in (index, upstream.index(tmp_path)):
        with pytest.raises(StorageError):
            each.project("demo")
