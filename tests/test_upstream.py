"""The scripted upstream does what tests rely on: an answer that goes wrong goes wrong as it says, and all is noted."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.makers import make_sdist, make_wheel
from tests.upstream import Fault, Upstream
from tests.upstream_pages import JSON, File

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60) as client:
        yield client


@pytest.fixture
def wheel(upstream: Upstream, tmp_path: Path) -> File:
    return upstream.add(make_wheel(tmp_path, "Demo.Lib", files={"data.txt": "x" * 1000}))


def test_a_page_says_the_same_in_both_formats_and_is_not_sent_twice(
    upstream: Upstream, client: httpx.Client, wheel: File
) -> None:
    wheel.yanked, wheel.requires_python = "broken", ">=3.9"
    page = client.get(f"{upstream.simple}demo-lib/", headers={"Accept": f"text/html;q=0.1, {JSON}"})
    (entry,) = page.json()["files"]
    assert (entry["hashes"]["sha256"], entry["size"], entry["yanked"]) == (wheel.sha256, wheel.size, "broken")
    text = client.get(f"{upstream.simple}demo-lib/", headers={"Accept": "*/*"}).text
    assert f'{wheel.filename}#sha256={wheel.sha256}" data-requires-python="&gt;=3.9"' in text
    again = client.get(f"{upstream.simple}demo-lib/", headers={"Accept": JSON, "If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(f"{upstream.simple}Demo.Lib/").headers["location"] == "/root/simple/demo-lib/"
    assert upstream.names == {"demo-lib"}


def test_files_their_parts_and_their_metadata(upstream: Upstream, client: httpx.Client, wheel: File, tmp_path: Path) -> None:
    sdist = upstream.add(make_sdist(tmp_path, "other"))
    where = f"{upstream.url}/root/packages/{wheel.filename}"
    data = wheel.path.read_bytes()
    assert client.get(where).content == data
    part = client.get(where, headers={"Range": "bytes=-5"})
    assert (part.status_code, part.content) == (206, data[-5:])
    assert client.get(f"{where}.metadata").content == wheel.core_metadata
    assert client.get(f"{upstream.url}/root/packages/{sdist.filename}.metadata").status_code == 404


def test_an_answer_is_cut_replaced_or_held(upstream: Upstream, client: httpx.Client, wheel: File) -> None:
    where = f"{upstream.url}/root/packages/{wheel.filename}"
    upstream.faults["*/packages/*"] = Fault(cut=10)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(where)
    upstream.faults["*/packages/*"] = Fault(body=b"other", status=418)
    assert (client.get(where).status_code, client.get(where).content) == (418, b"other")
    upstream.faults["*/packages/*"] = Fault(hold=10)
    with client.stream("GET", where) as answer:
        parts = answer.iter_raw()
        assert next(parts) == wheel.path.read_bytes()[:10]
        assert upstream.asked[-1].sent == 10
        upstream.release()
        assert b"".join(parts) == wheel.path.read_bytes()[10:]


def test_it_is_down_and_comes_back_at_the_same_address(upstream: Upstream, client: httpx.Client, wheel: File) -> None:
    assert client.get(f"{upstream.simple}demo-lib/").status_code == 200
    upstream.down()
    for _ in range(2):
        with pytest.raises(httpx.TransportError):
            client.get(f"{upstream.simple}demo-lib/")
    upstream.up()
    assert client.get(f"{upstream.simple}demo-lib/").status_code == 200


@pytest.mark.slow
def test_what_hangs_ends_with_the_upstream() -> None:
    with Upstream() as upstream:
        upstream.faults["*"] = Fault(hang=True)
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(upstream.simple, timeout=httpx.Timeout(60, read=0.1))
    assert not [each for each in threading.enumerate() if each in upstream._threads]
