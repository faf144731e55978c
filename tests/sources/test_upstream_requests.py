"""An upstream on real sockets: credentials, and links that lead to where the upstream itself is not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.raw_server import Server, answer
from tests.sources.test_upstream_index import file, page
from wharf.errors import StorageError
from wharf.secret import Secret
from wharf.sources.upstream_address import UpstreamAddress
from wharf.sources.upstream_index import UpstreamIndex

if TYPE_CHECKING:
    from pathlib import Path


def always(body: bytes, *headers: str, status: str = "200 OK") -> Any:
    def talk(line: Any) -> None:
        while True:
            line.hear()
            line.say(answer(body, *headers, status=status))

    return talk


def test_an_address_that_the_operator_did_not_list_is_not_asked_on_this_machine(tmp_path: Path) -> None:
    with Server(always(page(file("1.0")))) as server:
        index = UpstreamIndex(UpstreamAddress(url=f"http://127.0.0.1:{server.port}/simple/"), tmp_path)
        with pytest.raises(StorageError, match="not public"):
            index.project("demo")
        index.close()
        assert not server.lines


def test_credentials_go_to_the_upstream_alone(tmp_path: Path) -> None:
    with Server(always(b"x")) as other, Server(always(page(file("1.0")))) as server:
        target = f"https://127.0.0.1:{other.port}/x"
        address = UpstreamAddress(
            url=f"http://127.0.0.1:{server.port}/simple/", listed=True, username="me", password=Secret("hunter2hunter2")
        )
        index = UpstreamIndex(address, tmp_path)
        found = index.project("demo")
        assert found is not None
        with index.open(found.project.files[0]) as download:
            assert b"".join(download.chunks)
        assert all("authorization: Basic" in head for head in server.heads)
        server._talk = always(b"", f"location: {target}", status="302 Found")
        for line in server.lines:
            line.socket.close()
        with pytest.raises(StorageError) as caught, index.open(found.project.files[0]):
            pass
        index.close()
        assert "hunter2" not in caught.value.sentences
        assert not any("authorization" in head.lower() for head in other.heads)


def test_a_page_that_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wharf.sources.upstream_page.LARGEST", {"json": 1 << 20, "html": 1 << 20})

    def endless(line: Any) -> None:
        line.hear()
        line.say(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            line.say(b"10000\r\n" + b" " * 0x10000 + b"\r\n")

    with Server(endless) as server:
        address = UpstreamAddress(url=f"http://127.0.0.1:{server.port}/simple/", listed=True)
        index = UpstreamIndex(address, tmp_path)
        with pytest.raises(StorageError, match="larger than"):
            index.project("demo")
        index.close()


@pytest.mark.slow
def test_a_page_that_drips_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wharf.sources.upstream_requests.PATIENCE", 0.3)

    def drip(line: Any) -> None:
        line.hear()
        line.say(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n")
        line.wait_for_end()

    with Server(drip) as server:
        address = UpstreamAddress(url=f"http://127.0.0.1:{server.port}/simple/", listed=True)
        index = UpstreamIndex(address, tmp_path)
        with pytest.raises(StorageError, match="too long"):
            index.project("demo")
        index.close()


@pytest.mark.slow
def test_a_page_that_unpacks_to_much_more_is_given_up(tmp_path: Path) -> None:
    import gzip

    packed = gzip.compress(json.dumps({"x": " " * (65 << 20)}).encode(), 1)
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {len(packed)}\r\n\r\n"
    )

    def bomb(line: Any) -> None:
        line.hear()
        line.say(head.encode() + packed)

    with Server(bomb) as server:
        address = UpstreamAddress(url=f"http://127.0.0.1:{server.port}/simple/", listed=True)
        index = UpstreamIndex(address, tmp_path)
        with pytest.raises(StorageError, match="larger than 64 MiB"):
            index.project("demo")
        index.close()
