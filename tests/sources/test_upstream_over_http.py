"""The client of upstreams against a scripted one on real sockets: forms, validators, and what goes wrong on the way."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.makers import make_sdist, make_wheel
from tests.upstream import Fault, Upstream
from tests.upstream_pages import HTML, JSON
from wharf.errors import StorageError
from wharf.sources.upstream_address import UpstreamAddress
from wharf.sources.upstream_index import UpstreamIndex

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    with Upstream() as found:
        found.add(make_wheel(tmp_path, "demo", "1.0"), yanked="broken")
        found.add(make_sdist(tmp_path, "demo", "2.0"))
        yield found


def opened(upstream: Upstream, folder: Path, clock: Clock | None = None) -> UpstreamIndex:
    return UpstreamIndex(UpstreamAddress(url=upstream.simple, listed=True), folder / "cache", clock=clock or Clock())


def test_json_and_html_say_the_same(upstream: Upstream, tmp_path: Path) -> None:
    found = []
    for form in (JSON, HTML):
        upstream.formats = (form,)
        index = opened(upstream, tmp_path / form.rpartition("+")[2])
        seen = index.project("demo")
        assert seen is not None
        found.append([(each.filename, each.sha256, each.url, each.yanked, each.core_metadata) for each in seen.project.files])
        for file in seen.project.files:
            with index.open(file) as download:
                assert hashlib.sha256(b"".join(download.chunks)).hexdigest() == file.sha256
        assert index.core_metadata(seen.project.files[0]).startswith(b"Metadata-Version")
        index.close()
    assert found[0] == found[1]
    assert len(found[0]) == 2


def test_validators_of_the_upstream_are_sent_back(upstream: Upstream, tmp_path: Path) -> None:
    clock = Clock()
    index = opened(upstream, tmp_path, clock)
    first = index.project("demo")
    clock.seconds += 601
    again = index.project("demo")
    assert [each.status for each in upstream.asked] == [200, 304]
    assert first is not None
    assert again is not None
    assert first.validator == again.validator
    index.close()


FAULTS: list[dict[str, Any]] = [
    {"cut": 10, "body": b"{}" * 100, "kind": JSON}, {"endless": True, "body": b"{", "kind": JSON}, {"status": 500},
    {"body": b"{", "kind": JSON}, {"body": b"x", "kind": "text/plain"},
    {"location": "http://127.0.0.1:1/"}, {"location": "file:///etc/passwd"}, {"location": "/root/simple/demo/"},
    {"headers": (("content-encoding", "br"),), "body": b"x", "kind": JSON}, {"status": 401}, {"status": 304}, {"status": 206},
]  # fmt: skip
PACKED_AND_ENDLESS = {"endless": True, "kind": JSON}
"""Behind what is packed come bytes that unpack to nothing: only the time bounds them."""


@pytest.mark.parametrize(
    "fault",
    [*FAULTS, pytest.param(PACKED_AND_ENDLESS, marks=pytest.mark.slow)],
    ids=[*map(str, range(len(FAULTS))), "packed and endless"],
)
def test_what_goes_wrong_leaves_what_was_kept_and_is_no_miss(
    upstream: Upstream, tmp_path: Path, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wharf.sources.upstream_page.LARGEST", {"json": 1 << 20, "html": 1 << 20})
    clock = Clock()
    index = opened(upstream, tmp_path, clock)
    first = index.project("demo")
    upstream.etags = False
    upstream.faults["*/simple/*"] = Fault(**fault)
    clock.seconds += 601
    stale = index.project("demo")
    assert first is not None
    assert stale is not None
    if fault != {"status": 304}:
        assert stale.stale_since is not None
        assert index.problem
    assert (stale.project, stale.validator) == (first.project, first.validator)
    with pytest.raises(StorageError) as caught:
        index.project("other")
    assert caught.value.http_status == 503
    assert index.ready("other") is None
    upstream.faults.clear()
    clock.seconds += 61
    fresh = index.project("demo")
    assert fresh is not None
    assert fresh.stale_since is None
    assert index.project("other") is None
    index.close()


def test_core_metadata_that_are_not_those_of_the_page_are_not_given(upstream: Upstream, tmp_path: Path) -> None:
    index = opened(upstream, tmp_path)
    seen = index.project("demo")
    assert seen is not None
    file = next(each for each in seen.project.files if each.core_metadata)
    upstream.faults["*.metadata"] = Fault(body=b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Dist: evil\n")
    with pytest.raises(StorageError, match="other core metadata"):
        index.core_metadata(file)
    upstream.faults.clear()
    assert hashlib.sha256(index.core_metadata(file)).hexdigest() == file.core_metadata
    index.close()
