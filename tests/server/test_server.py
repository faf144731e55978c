"""The server over real HTTP: uvicorn on a free port, a real store behind it."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import itertools
import json
import socket
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx
import pypi_simple
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.index.test_branch import edit_by_hand
from tests.makers import make_sdist, make_wheel
from tests.server.running import running, soon
from wharf.distribution import read_distribution
from wharf.model import Status
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.remove import remove
from wharf.operations.set_status import set_status
from wharf.operations.yank import set_yanked
from wharf.pages.page_format import Format
from wharf.repository.opening import Repository, open_repository
from wharf.repository.settings import Settings
from wharf.server.answer_cache import AnswerCache
from wharf.server.answer_maker import LIST, AnswerMaker
from wharf.server.app import make_app
from wharf.server.file_answers import file_answers
from wharf.server.rules import Rules
from wharf.sources import public_index_address
from wharf.sources.layers import Layer, Layers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.types import ASGIApp

    from wharf.server.http.answer import Answer

JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}
LIMIT = 1 << 20


@contextmanager
def serving(repository: Repository, rules: Rules, *, make: Callable[[], ASGIApp] | None = None) -> Iterator[httpx.Client]:
    app = make_app(repository, rules) if make is None else make()
    with running(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.fixture
def client(repository: Repository) -> Iterator[httpx.Client]:
    with serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as client:
        yield client


@pytest.fixture
def put(repository: Repository) -> Callable[..., None]:
    def put(*paths: Path) -> None:
        publish(repository, [Input.of(path) for path in paths], actor="ada")

    return put


@pytest.fixture
def token(repository: Repository) -> tuple[str, str]:
    return ("__token__", repository.tokens.create("ci", "publish").reveal())


def form(path: Path, **more: str) -> dict[str, Any]:
    """What twine sends, in short."""
    data = {":action": "file_upload", "protocol_version": "1", "filetype": "bdist_wheel", "metadata_version": "2.1", **more}
    return {"data": data, "files": {"content": (path.name, path.read_bytes())}}


def test_every_format_of_a_page_with_links_that_lead_to_the_bytes(
    client: httpx.Client, put: Callable[..., None], tmp_path: Path
) -> None:
    wheel, sdist = make_wheel(tmp_path), make_sdist(tmp_path)
    put(wheel, sdist)
    soon(lambda: client.get("/simple/demo/").status_code == 200)
    page = client.get("/simple/demo/", headers=JSON)
    assert page.headers["content-type"] == "application/vnd.pypi.simple.v1+json"
    assert page.headers["vary"] == "Accept, Accept-Encoding"
    document = page.json()
    assert document["meta"]["api-version"] == "1.4"
    for file, path in zip(document["files"], (wheel, sdist), strict=True):
        got = client.get(urljoin(str(page.url), file["url"]))
        assert got.content == path.read_bytes()
        assert file["hashes"]["sha256"] == hashlib.sha256(got.content).hexdigest()
        metadata = client.get(urljoin(str(page.url), file["url"]) + ".metadata")
        assert file["core-metadata"] == {"sha256": hashlib.sha256(metadata.content).hexdigest()}
    assert client.get("/simple/", headers=JSON).json()["projects"] == [{"name": "demo"}]
    html = client.get("/simple/demo/")
    assert html.headers["content-type"] == "text/html; charset=utf-8"
    assert "script" not in html.text
    for plus in ("+", "%2B", "%20"):
        assert client.get(f"/simple/demo/?format=application/vnd.pypi.simple.v1{plus}json").json() == document
    assert client.get("/simple/demo/?format=", headers=JSON).json() == document
    for refused in (
        client.get("/simple/demo/", headers={"Accept": "image/png"}),
        client.get("/simple/demo/?format=text/xml", headers=JSON),
    ):
        assert refused.status_code == 406
        assert all(form.value in refused.text for form in Format)


def test_gzip_and_validators(client: httpx.Client, put: Callable[..., None], tmp_path: Path) -> None:
    put(make_wheel(tmp_path))
    soon(lambda: client.get("/simple/demo/").status_code == 200)
    seen = set()
    for accept in ("text/html", JSON["Accept"]):
        for encoding in ("gzip", "identity"):
            headers = {"Accept": accept, "Accept-Encoding": encoding}
            page = client.get("/simple/demo/", headers=headers)
            assert page.headers.get("content-encoding") == ("gzip" if encoding == "gzip" else None)
            etag = page.headers["etag"]
            seen.add(etag)
            for validator in (etag, f'"other", {etag}', f"W/{etag}", "*"):
                again = client.get("/simple/demo/", headers={**headers, "If-None-Match": validator})
                assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
            assert client.get("/simple/demo/", headers={**headers, "If-None-Match": '"other"'}).status_code == 200
    assert len(seen) == 4
    raw = client.build_request("GET", "/simple/demo/", headers={"Accept-Encoding": "gzip"})
    stream = client.send(raw, stream=True)
    body = b"".join(stream.iter_raw())
    assert gzip.decompress(body) == client.get("/simple/demo/", headers={"Accept-Encoding": "identity"}).content


def test_a_library_that_takes_all_formats_alike_sees_sizes_times_and_versions(
    client: httpx.Client, put: Callable[..., None], tmp_path: Path
) -> None:
    put(make_wheel(tmp_path))
    soon(lambda: client.get("/simple/demo/").status_code == 200)
    with pypi_simple.PyPISimple(f"{client.base_url}/simple/") as library:
        assert library.get_index_page().projects == ["demo"]
        page = library.get_project_page("demo")
    assert page.versions == ["1.0"]
    assert all(each.size and each.upload_time and each.has_metadata for each in page.packages)


def test_several_lines_of_a_list_are_one_list(client: httpx.Client, put: Callable[..., None], tmp_path: Path) -> None:
    put(make_wheel(tmp_path))
    soon(lambda: client.get("/simple/demo/").status_code == 200)
    lines = [("Accept", JSON["Accept"]), ("Accept", "text/html"), ("Accept-Encoding", "gzip"), ("Accept-Encoding", "br")]
    for order in (lines, lines[::-1]):
        for _ in ("asked first", "asked again"):
            page = client.get("/simple/demo/", headers=order)
            assert (page.headers["content-type"], page.headers.get("content-encoding")) == (JSON["Accept"], "gzip")
        validators = [("If-None-Match", page.headers["etag"]), ("If-None-Match", '"other"')]
        for held in (validators, validators[::-1]):
            assert client.get("/simple/demo/", headers=[*order, *held]).status_code == 304


def test_a_page_changes_its_validator_when_and_only_when_it_changes(
    client: httpx.Client, repository: Repository, put: Callable[..., None], tmp_path: Path
) -> None:
    put(make_wheel(tmp_path))
    soon(lambda: client.get("/simple/demo/").status_code == 200)
    first = client.get("/simple/demo/").headers["etag"]
    listed = client.get("/simple/").headers["etag"]
    put(make_wheel(tmp_path, "other"))
    soon(lambda: client.get("/simple/other/").status_code == 200)
    assert client.get("/simple/demo/").headers["etag"] == first
    assert client.get("/simple/").headers["etag"] != listed
    set_yanked(repository, "demo", "1.0", None, reason="old", actor="ada")
    soon(lambda: client.get("/simple/demo/").headers["etag"] != first)
    assert 'data-yanked="old"' in client.get("/simple/demo/").text


def test_names_are_normalised_by_a_redirect_that_works_behind_a_prefix(
    client: httpx.Client, put: Callable[..., None], tmp_path: Path
) -> None:
    put(make_wheel(tmp_path, "f-o-o"))
    soon(lambda: client.get("/simple/f-o-o/").status_code == 200)
    for path, location in (
        ("/simple", "simple/"),
        ("/simple/f-o-o", "f-o-o/"),
        ("/simple/F_o.O", "f-o-o/"),
        ("/simple/F__o.O/", "../f-o-o/"),
        ("/simple/F_O_O/?format=text/html", "../f-o-o/?format=text/html"),
        ("/simple//", "../../simple/"),
        ("/simple//f-o-o/", "../../../simple/f-o-o/"),
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (301, location)
        assert client.get(path, follow_redirects=True).status_code == 200
    for path in ("/simple/nothing/", "/simplefoo", "/simple/a/b", "/simple/%00/", "/simple/../x", "/nothing"):
        assert client.get(path).status_code == 404, path
    for path in ("/f-o-o/", "/simple/simple/f-o-o/", "/other/simple/f-o-o/", "/f-o-o/?x=1"):  # uv goes on after 404
        answer = client.get(path)
        assert (answer.status_code, "The index is at simple/" in answer.text) == (400, True), path


def test_files_answer_ranges_validators_and_head(client: httpx.Client, put: Callable[..., None], tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, content="#" + "x" * 3_000_000)
    put(wheel)
    data = wheel.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    address = f"/files/{sha256}/{wheel.name}"
    soon(lambda: client.head(address).status_code == 200)
    whole = client.get(address)
    assert whole.content == data
    assert whole.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert whole.headers["etag"] == f'"{sha256}"'
    assert whole.headers["accept-ranges"] == "bytes"
    head = client.head(address)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(data)))
    part = client.get(address, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, data[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(data)}"
    assert client.get(address, headers={"Range": "bytes=-5"}).content == data[-5:]
    assert client.get(address, headers={"Range": f"bytes={len(data)}-"}).status_code == 416
    assert client.get(address, headers={"Range": "bytes=0-1", "If-Range": '"other"'}).content == data
    assert client.get(address, headers={"If-None-Match": f'"{sha256}"'}).status_code == 304
    for path in ("/simple/demo/", "/simple/", address + ".metadata", "/healthz"):
        assert client.head(path).status_code == 200, path
        assert client.head(path).content == b""
    for wrong in (f"/files/{'0' * 64}/{wheel.name}", f"/files/{sha256}/demo-1.0.zip", f"/files/{sha256}/..", "/files/x/y"):
        assert client.get(wrong).status_code == 404, wrong
        assert client.get(wrong + ".metadata").status_code == 404, wrong
    assert client.post("/simple/demo/").status_code == 405
    assert client.delete(address).status_code == 405


def test_core_metadata_of_an_sdist_only_where_no_build_changes_it(
    client: httpx.Client, put: Callable[..., None], tmp_path: Path
) -> None:
    put(
        make_sdist(tmp_path, "settled", metadata_version="2.2"),
        make_sdist(tmp_path, "older", metadata_version="2.1"),
        make_sdist(tmp_path, "moving", metadata_version="2.2", dynamic=["Requires-Dist"]),
    )
    soon(lambda: client.get("/simple/moving/").status_code == 200)
    for name, announced in (("settled", True), ("older", False), ("moving", False)):
        (file,) = client.get(f"/simple/{name}/", headers=JSON).json()["files"]
        assert bool(file["core-metadata"]) is announced
        address = urljoin(f"/simple/{name}/", file["url"]) + ".metadata"
        assert client.get(address).status_code == (200 if announced else 404)


@pytest.mark.slow
def test_a_removed_file_and_a_quarantined_project_are_offered_no_more(
    client: httpx.Client, repository: Repository, put: Callable[..., None], tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path)
    put(wheel, make_wheel(tmp_path, "other"))
    address = f"/files/{hashlib.sha256(wheel.read_bytes()).hexdigest()}/{wheel.name}"
    soon(lambda: client.get(address).status_code == 200)
    remove(repository, "demo", "1.0", None, reason="", actor="ada")
    soon(lambda: client.get(address).status_code == 404)
    assert client.get("/simple/demo/", headers=JSON).json()["files"] == []
    (file,) = client.get("/simple/other/", headers=JSON).json()["files"]
    set_status(repository, "other", Status(marker="quarantined", reason="<malware>"))
    soon(lambda: client.get(urljoin("/simple/other/", file["url"])).status_code == 404)
    page = client.get("/simple/other/", headers=JSON).json()
    assert (page["files"], page["project-status"]) == ([], {"status": "quarantined", "reason": "<malware>"})
    assert '<meta name="pypi:project-status-reason" content="&lt;malware&gt;">' in client.get("/simple/other/").text
    set_status(repository, "other", Status())
    soon(lambda: len(client.get("/simple/other/", headers=JSON).json()["files"]) == 1)


def test_bytes_that_are_gone_are_a_clean_answer(
    client: httpx.Client, put: Callable[..., None], tmp_path: Path, store: Path
) -> None:
    wheel = make_wheel(tmp_path)
    put(wheel)
    address = f"/files/{hashlib.sha256(wheel.read_bytes()).hexdigest()}/{wheel.name}"
    soon(lambda: client.head(address).status_code == 200)
    next((store / "assets").rglob(wheel.name)).unlink()
    assert client.get(address).status_code == 503


@pytest.mark.slow
def test_a_branch_that_breaks_leaves_the_last_whole_index_and_is_told(
    client: httpx.Client, put: Callable[..., None], tmp_path: Path, store: Path
) -> None:
    put(make_wheel(tmp_path))
    soon(lambda: client.get("/simple/demo/").status_code == 200)
    assert client.get("/healthz").json() == {"status": "ok"}
    edit_by_hand(store, "wharf.toml", b"format = 99")
    soon(lambda: client.get("/healthz").json() == {"status": "stale"})
    assert client.get("/simple/demo/").status_code == 200
    edit_by_hand(store, "wharf.toml", b"format = 1")
    soon(lambda: client.get("/healthz").json() == {"status": "ok"})


def test_the_server_outlives_odd_commits_and_a_fault_of_its_own(
    client: httpx.Client, repository: Repository, put: Callable[..., None], tmp_path: Path, store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    put(make_wheel(tmp_path))
    edit_by_hand(store, "projects/README.md", b"# what this is")
    soon(lambda: client.get("/simple/demo/").status_code == 200)
    stamp = repository.branch.stamp_of_all
    monkeypatch.setattr(repository.branch, "stamp_of_all", lambda: 1 / 0)
    soon(lambda: client.get("/healthz").json() == {"status": "stale"})
    assert client.get("/simple/demo/").status_code == 200
    monkeypatch.setattr(repository.branch, "stamp_of_all", stamp)
    put(make_wheel(tmp_path, "other"))
    soon(lambda: client.get("/simple/other/").status_code == 200)
    soon(lambda: client.get("/healthz").json() == {"status": "ok"})


def test_odd_requests_have_clean_answers(client: httpx.Client, put: Callable[..., None], tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    put(wheel)
    soon(lambda: client.get("/simple/demo/").status_code == 200)
    fields = "&".join(f"a{number}=b" for number in range(50))
    assert client.get(f"/simple/demo/?{fields}").status_code == 200
    assert client.get("/simple/demo/", headers={"Accept": "x" * 50_000}).status_code == 406
    assert client.post("/legacy/", headers={"Origin": "http://["}).status_code == 403
    for path, status in (("/legacy", 405), ("/healthz/", 400)):
        answer = client.get(path)
        assert (answer.status_code, answer.headers.get("location")) == (status, None)
    address = f"/files/{hashlib.sha256(wheel.read_bytes()).hexdigest()}/{wheel.name}"
    for unit in ("items=0-1", "bytes=abc", "bytes=", "bytes"):
        assert client.get(address, headers={"Range": unit}).content == wheel.read_bytes()
    for validator in ("*", f'W/"{hashlib.sha256(wheel.read_bytes()).hexdigest()}"'):
        assert client.get(address, headers={"If-None-Match": validator}).status_code == 304


@pytest.mark.slow
def test_what_strangers_make_up_is_not_remembered(repository: Repository, put: Callable[..., None], tmp_path: Path) -> None:
    put(make_wheel(tmp_path))
    app = make_app(repository, Rules(open_reading=True, upload_limit=LIMIT))

    async def ask() -> None:
        for number in range(300):
            long = f"{number}".encode() * 5000
            tags = ".".join(f"p{number}x{each}" for each in range(30))
            for path in ("/simple/demo/", "/simple/nothing/", f"/files/{'a' * 64}/demo-1.0-{tags}-none-any.whl"):
                for headers in ([(b"host", long)], [(b"host", b"localhost"), (b"accept", long), (b"accept-encoding", long)]):
                    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers}
                    await app(scope, _no_body, _ignore)

    tracemalloc.start()
    asyncio.run(ask())
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 4 << 20


async def _no_body() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _ignore(_message: Any) -> None:
    pass


def test_failures_of_the_store_are_told_to_its_operator_only(
    client: httpx.Client, token: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("wharf.assets.folder_store.os.fsync", full)
    answer = client.post("/legacy/", auth=token, **form(make_wheel(tmp_path)))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert str(store) not in answer.text


# Uploads


def test_an_upload_is_a_publish_that_is_visible_at_once(
    client: httpx.Client, repository: Repository, token: tuple[str, str], tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path)
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    sent = form(wheel, name="Demo", version="1.0", sha256_digest=sha256)
    done = client.post("/legacy/", auth=token, **sent)
    assert (done.status_code, done.text) == (200, "OK\n")
    assert client.get("/simple/demo/", headers=JSON).json()["versions"] == ["1.0"]
    assert next(repository.branch.history()).actor == "ci"
    again = client.post("/legacy/", auth=token, **sent)
    assert again.status_code == 200
    other = form(make_wheel(tmp_path, content="other"))
    conflict = client.post("/legacy/", auth=token, **other)
    assert conflict.status_code == 409
    assert conflict.text.startswith("File already exists")


def test_an_upload_under_another_spelling_is_no_conflict(client: httpx.Client, token: tuple[str, str], tmp_path: Path) -> None:
    sdist = make_sdist(tmp_path, "my-proj")
    other = sdist.with_name("my-proj-1.0.tar.gz")
    other.write_bytes(sdist.read_bytes())
    assert client.post("/legacy/", auth=token, **form(sdist)).status_code == 200
    again = client.post("/legacy/", auth=token, **form(other))
    assert (again.status_code, again.text) == (200, "my_proj-1.0.tar.gz is in the index already.\n")


def test_a_warning_is_in_the_answer_or_with_strict_uploads_refuses(
    repository: Repository, token: tuple[str, str], tmp_path: Path
) -> None:
    sent = form(make_wheel(tmp_path, requires_python=">=3.6.*"))
    with serving(repository, Rules(open_reading=True, upload_limit=LIMIT, strict_uploads=True)) as client:
        refused = client.post("/legacy/", auth=token, **sent)
        assert refused.status_code == 400
        assert "'>=3.6.*'" in refused.text
        assert "--strict-uploads" in refused.text
        assert client.get("/simple/demo/").status_code == 404
    with serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as client:
        assert "the index says '>=3.6'" in client.post("/legacy/", auth=token, **sent).text
        assert client.get("/simple/demo/", headers=JSON).json()["files"][0]["requires-python"] == ">=3.6"
        assert 'data-requires-python="&gt;=3.6"' in client.get("/simple/demo/").text


def test_uploads_are_checked_side_by_side(
    client: httpx.Client, token: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of each waits here until that of the other has begun."""
    both = threading.Barrier(2, timeout=60)
    check = read_distribution.read

    def meet(*args: Any, **options: Any) -> read_distribution.Distribution:
        both.wait()
        return check(*args, **options)

    monkeypatch.setattr(read_distribution, "read", meet)
    with ThreadPoolExecutor(2) as pool:
        sent = [form(make_wheel(tmp_path, name)) for name in ("one", "two")]
        done = list(pool.map(lambda each: client.post("/legacy/", auth=token, **each), sent))
    assert [each.status_code for each in done] == [200, 200]


@pytest.mark.parametrize("how", ["password", "user", "bearer"])
def test_a_token_comes_in_many_clothes(client: httpx.Client, token: tuple[str, str], tmp_path: Path, how: str) -> None:
    secret = token[1]
    basic = base64.b64encode(f"{secret}:".encode() if how == "user" else f"any:{secret}".encode()).decode()
    header = f"Bearer {secret}" if how == "bearer" else f"Basic {basic}"
    done = client.post("/legacy/", headers={"Authorization": header}, **form(make_wheel(tmp_path)))
    assert done.status_code == 200


def test_who_may_not_upload(client: httpx.Client, repository: Repository, token: tuple[str, str], tmp_path: Path) -> None:
    sent = form(make_wheel(tmp_path))
    reader = repository.tokens.create("dev", "read").reveal()
    soon(lambda: client.post("/legacy/", auth=("x", reader), **sent).status_code == 403)
    nobody = client.post("/legacy/", **sent)
    assert nobody.status_code == 401
    assert nobody.headers["www-authenticate"].startswith("Basic ")
    for header in ("Basic !!!", "Basic", "Digest x", f"Basic {base64.b64encode(b'a:b').decode()}", "Bearer x"):
        answer = client.post("/legacy/", headers={"Authorization": header}, **sent)
        assert answer.status_code == 401, header
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        answer = client.post("/legacy/", auth=token, headers=headers, **sent)
        assert answer.status_code == 403, headers
    own = {"Origin": str(client.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert client.post("/legacy/", auth=token, headers=own, **sent).status_code == 200
    repository.tokens.revoke("ci")
    assert client.post("/legacy/", auth=token, **sent).status_code == 401


def test_what_an_upload_may_not_be(client: httpx.Client, token: tuple[str, str], tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    as_form = {"Content-Type": "multipart/form-data; boundary=x"}
    hostile = form(wheel)
    hostile["files"] = {"content": ("../../demo-1.0-py3-none-any.whl", wheel.read_bytes())}
    for sent, says in (
        (form(wheel, sha256_digest="0" * 64), "sha256_digest"),
        (form(wheel, md5_digest="0" * 32), "md5_digest"),
        (form(wheel, blake2_256_digest="0" * 64), "blake2_256_digest"),
        (form(wheel, name="other"), "name"),
        (form(wheel, version="2.0"), "version"),
        (form(wheel, version="x"), "version"),
        ({"data": form(wheel)["data"]}, "multipart"),
        ({**form(wheel), "files": {"other": (wheel.name, b"x")}}, "content"),
        ({**form(wheel), "data": {":action": "remove_pkg"}}, "remove_pkg"),
        ({**form(wheel), "data": {"protocol_version": "2"}}, "protocol_version='2'"),
        ({**form(wheel), "data": {}, "params": {":action": "doc_upload"}}, ":action='doc_upload'"),
        ({**form(wheel), "data": {"name": "x" * 20_000}}, "`name`"),
        ({**form(wheel), "data": {"name": ["other", "demo"]}}, "two things of `name`"),
        ({**form(wheel), "data": {"sha256_digest": ["0" * 64, "1" * 64]}}, "two things of `sha256_digest`"),
        ({"content": b"x", "headers": {"Content-Encoding": "gzip", **as_form}}, "encoded as 'gzip'"),
        ({**form(wheel), "files": [("content", (wheel.name, b"x")), ("content", (wheel.name, b"x"))]}, "two files"),
        ({"content": b"--x\r\ngarbage", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, "multipart"),
        (
            {"content": b"--x\r\nA: b\r\n\r\nc\r\n--x--", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
            "no name",
        ),
        ({"content": b'--x\nContent-Disposition: form-data; name="a"\n\nb\n--x--\n', "headers": as_form}, "do not end in CRLF"),
        ({"content": b"x"}, "no Content-Type"),
        ({"content": b"--x--\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, "no file"),
        ({"content": b"garbage", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, "multipart"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, "multipart"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=x; charset=undefined"}}, "multipart"),
        ({"content": b"{}", "headers": {"Content-Type": "application/json"}}, "multipart"),
        (hostile, "file name"),
    ):
        answer = client.post("/legacy/", auth=token, **sent)
        assert (answer.status_code, says in answer.text) == (400, True), (says, answer.text)
    assert client.get("/simple/", headers=JSON).json()["projects"] == []


def test_a_project_needs_no_registration(client: httpx.Client, token: tuple[str, str], tmp_path: Path) -> None:
    """devpi continues with the files after 410, as it does with the public index, and after no other refusal."""
    about = {"name": "demo", "version": "1.0", "description": "d" * 100_000}
    no_file = {key: (None, value) for key, value in {**about, ":action": "submit", "protocol_version": "1"}.items()}
    for sent in (
        {"files": no_file},
        {"data": {**about, ":action": "submit"}},
        {"data": {":action": "submit_pkg_info", **about}},
        {"data": {**about, ":action": "verify"}},
        {**form(make_wheel(tmp_path)), "data": {}, "params": {":action": "submit"}},
    ):
        answer = client.post("/legacy/", auth=token, **sent)
        assert (answer.status_code, "its first upload makes it" in answer.text) == (410, True), answer.text
        assert client.post("/legacy/", **sent).status_code == 401
    assert client.get("/simple/", headers=JSON).json()["projects"] == []


@pytest.mark.parametrize("path", ["/legacy", "/legacy/", "/main/legacy/"])
def test_another_method_at_the_address_of_uploads_is_told_which_one(client: httpx.Client, path: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        assert answer.text == "Uploads come here by POST, as a form. The index is at simple/.\n"


def test_an_upload_over_the_limit_is_refused_before_its_body_is_taken(
    client: httpx.Client, token: tuple[str, str], tmp_path: Path
) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(10 << 30)}
    host, port = client.base_url.host, client.base_url.port or 0
    basic = base64.b64encode(":".join(token).encode()).decode()
    assert b" 413 " in _early_answer(host, port, {**headers, "Authorization": f"Basic {basic}"})
    assert b" 401 " in _early_answer(host, port, headers)
    large = client.post("/legacy/", auth=token, **form(make_wheel(tmp_path, files={"big": bytes(LIMIT) + b"x"})))
    assert large.status_code == 200, "zeros compress"
    noise = hashlib.shake_256(b"noise").digest(LIMIT + 1)
    large = client.post("/legacy/", auth=token, **form(make_wheel(tmp_path, "large", files={"large/big": noise})))
    assert large.status_code == 413


def _early_answer(host: str, port: int, headers: dict[str, str]) -> bytes:
    """The status line of the answer to an upload of which only the head was sent."""
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection((host, port), timeout=60) as connection:
        connection.sendall(f"POST /legacy/ HTTP/1.1\r\nHost: {host}:{port}\r\n{head}\r\n".encode())
        return connection.recv(100).partition(b"\r\n")[0]


def test_an_unannounced_body_is_counted_while_it_comes(
    repository: Repository, token: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wharf.server.web.upload_api.FORM_LIMIT", 1000)
    part = b'--x\r\nContent-Disposition: form-data; name="content"; filename="a"\r\n\r\n'

    def body() -> Iterator[bytes]:
        yield part
        yield from itertools.repeat(b"x" * 100_000, 20)

    with serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as client:
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        assert client.post("/legacy/", auth=token, content=body(), headers=headers).status_code == 413


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=400), boundary=st.text("abc", min_size=1, max_size=5))
def test_multipart_garbage_never_breaks_the_server(
    client: httpx.Client, token: tuple[str, str], body: bytes, boundary: str
) -> None:
    framed = b"--" + boundary.encode() + b"\r\n" + body
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    answer = client.post("/legacy/", auth=token, content=framed, headers=headers)
    assert answer.status_code == 400


# Who may read


def test_open_reading_answers_only_to_its_own_names(repository: Repository) -> None:
    with serving(repository, Rules(open_reading=True, hosts=("Packages.Example",), upload_limit=LIMIT)) as client:
        for host, status in (
            ("127.0.0.1", 200),
            ("localhost:8000", 200),
            ("LOCALHOST", 200),
            ("[::1]:8000", 200),
            ("packages.example:443", 200),
            ("evil.example", 421),
            ("127.0.0.1.evil.example", 421),
            ("[::2]", 421),
            ("", 421),
        ):
            assert client.get("/simple/", headers={"Host": host}).status_code == status, host


def test_reading_with_tokens_is_private(repository: Repository, put: Callable[..., None], tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    put(wheel)
    secret = repository.tokens.create("dev", "read").reveal()
    with serving(repository, Rules(open_reading=False, upload_limit=LIMIT)) as client:
        for path in ("/simple/", "/simple/demo/", "/simple/nothing/", "/files/x/y"):
            answer = client.get(path)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Basic ")
        page = client.get("/simple/demo/", auth=("any", secret), headers={**JSON, "Host": "whatever.example"})
        assert page.headers["cache-control"] == "private, no-cache"
        file = client.get(urljoin("/simple/demo/", page.json()["files"][0]["url"]), auth=(secret, ""))
        assert file.headers["cache-control"].startswith("private, ")
        assert client.get("/simple/", auth=("any", "wharf_wrong")).status_code == 401
        assert client.get("/healthz").json() == {"status": "ok"}
        repository.tokens.revoke("dev")
        soon(lambda: client.get("/simple/demo/", auth=("any", secret)).status_code == 401)
        assert client.get("/simple/").status_code == 401


@pytest.mark.parametrize("how", ["broken", "unmounted", "moved"])
def test_a_token_is_not_called_unknown_while_nobody_can_know(
    repository: Repository, put: Callable[..., None], store: Path, tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever reads 401 makes a new token, or has the old one ended; nobody is let in either way."""
    secret = repository.tokens.create("ci", "publish").reveal()
    path, away = {"moved": (store, tmp_path / "away")}.get(how, (repository.tokens.path, tmp_path / "tokens"))
    put(make_wheel(tmp_path))
    wheel = form(tmp_path / "demo-1.0-py3-none-any.whl")
    with serving(repository, Rules(open_reading=False, upload_limit=LIMIT)) as client:
        assert client.get("/simple/", auth=("x", secret)).status_code == 200
        if how == "broken":  # in one step, as whoever writes it does: a server may look at any moment
            away.hardlink_to(path)
            (tmp_path / "odd").write_text("oops")
            (tmp_path / "odd").replace(path)
        else:
            path.rename(away)
        for _ in range(2):
            refused = [client.get("/simple/", auth=("x", secret)), client.post("/legacy/", auth=("x", secret), **wheel)]
            assert [answer.status_code for answer in refused] == [503, 503]
            assert "The list of tokens cannot be read just now." in refused[1].text
        assert client.get("/simple/").status_code == 401
        assert client.get("/healthz").json() == {"status": "stale"}
        soon(lambda: how != "moved" or "There is no index" in caplog.text)
        away.replace(path)
        assert client.get("/simple/", auth=("x", secret)).status_code == 200
        soon(lambda: client.get("/healthz").json() == {"status": "ok"})
        soon(lambda: how != "moved" or "The index is here again" in caplog.text)
    told = [record.getMessage() for record in caplog.records]
    assert sum(line.startswith("No token is accepted: ") for line in told) == 1
    assert told.count("The list of tokens can be read again.") == 1
    assert told.count("The index is here again, and is shown as it is.") == (how == "moved")


def test_below_a_root_path_with_or_without_the_prefix(repository: Repository) -> None:
    rules = Rules(open_reading=True, upload_limit=LIMIT, root_path="/packages/")
    with serving(repository, rules) as client:
        for path in ("/packages/simple/", "/simple/", "/packages/healthz", "/healthz"):
            assert client.get(path).status_code == 200, path
        assert client.post("/packages/legacy/").status_code == 401
        assert client.get("/packagessimple/").status_code == 400


def test_the_first_page_tells_people_how_to_use_it(repository: Repository) -> None:
    rules = Rules(open_reading=True, hosts=("x.example",), upload_limit=LIMIT, root_path="/pkg")
    with serving(repository, rules) as client:
        page = client.get("/", headers={"Host": "x.example"})
        assert "uv pip install --index http://x.example/pkg/simple/ PROJECT" in page.text
        assert "pip install --index-url" not in page.text
        assert client.get("/pkg/").status_code == 200
        assert client.head("/").status_code == 200
        assert client.get("/", headers={"Host": "evil.example"}).status_code == 421
    with serving(repository, replace(rules, public_index=public_index_address.default({}))) as client:
        page = client.get("/", headers={"Host": "x.example"})
        assert "pip install --index-url http://x.example/pkg/simple/ PROJECT" in page.text
    with serving(repository, Rules(open_reading=False, upload_limit=LIMIT)) as client:
        assert client.get("/").status_code == 401


# What lies ready


@pytest.mark.slow
def test_many_first_askers_are_one_reading(
    repository: Repository, put: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(make_wheel(tmp_path))
    rendered = []
    render = AnswerMaker.page

    def counted(self: AnswerMaker, *words: Any) -> Answer:
        rendered.append(words)
        return render(self, *words)

    monkeypatch.setattr(AnswerMaker, "page", counted)

    async def ask(base: httpx.URL) -> list[int]:
        async with httpx.AsyncClient(base_url=base) as many:
            answers = await asyncio.gather(*(many.get("/simple/demo/", headers=JSON) for _ in range(30)))
        return [answer.status_code for answer in answers]

    with serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as client:
        assert set(asyncio.run(ask(client.base_url))) == {200}
    assert len(rendered) == 1


def test_the_shelf_stays_within_its_budget(repository: Repository, put: Callable[..., None], tmp_path: Path) -> None:
    put(*(make_wheel(tmp_path, f"p{number}") for number in range(20)))
    snapshot = repository.branch.snapshot()

    async def fill() -> AnswerCache:
        cache = AnswerCache(
            file_answers(repository, Rules(open_reading=True, upload_limit=LIMIT)), private=False, budget=20_000
        )
        cache.swap({"main": Layers([Layer("main", snapshot, snapshot.tree_ids())])}, {"main": None})
        for _ in range(2):
            for name in snapshot.names():
                page = await cache.make_page("main", name, (Format.JSON, False))
                assert page is not None
                assert json.loads(page.body)["name"] == name
        return cache

    cache = asyncio.run(fill())
    assert 0 < cache._used <= 20_000
    assert 0 < len(cache._cached) < 20
    assert cache._used == sum(each.weight() for each in cache._cached.values())


def test_a_list_that_is_asked_for_right_before_a_commit_is_shown_is_not_kept(
    repository: Repository, put: Callable[..., None], tmp_path: Path
) -> None:
    shown = []
    for name in ("first", "second"):
        put(make_wheel(tmp_path, name))
        snapshot = repository.branch.snapshot()
        shown.append({"main": Layers([Layer("main", snapshot, snapshot.tree_ids())])})

    async def ask() -> tuple[Answer | None, Answer | None]:
        cache = AnswerCache(file_answers(repository, Rules(open_reading=True, upload_limit=LIMIT)), private=False)
        cache.swap(shown[0], {"main": None})
        before = asyncio.create_task(cache.make_page("main", LIST, (Format.JSON, False)))
        await asyncio.sleep(0)  # it asked, and nothing is made yet
        cache.swap(shown[1], {"main": {"second"}})
        return await before, cache.page("main", LIST, (Format.JSON, False))

    made, kept = asyncio.run(ask())
    assert made is not None
    assert [each["name"] for each in json.loads(made.body)["projects"]] == ["first"]
    assert kept is None


def test_two_indexes_of_one_store_are_two_lists(repository: Repository, tmp_path: Path, store: Path) -> None:
    wheel = make_wheel(tmp_path)
    with open_repository(Settings(place=store, index="staging")) as staging:
        publish(staging, [Input.of(wheel)], actor="ada")
        with serving(staging, Rules(open_reading=True, upload_limit=LIMIT)) as client:
            assert client.get("/simple/demo/").status_code == 200
    with serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as client:
        assert client.get("/simple/", headers=JSON).json()["projects"] == []
        assert client.get("/simple/demo/", headers=JSON).json()["files"] == [], "the name belongs to the repository"
