# ruff: noqa: F811 - fixtures are arguments of their own name
"""The bytes of assets: where they are, and how they get there."""

from __future__ import annotations

import io
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.github.test_api import CONTENT, UPLOADS, Mock, Person, ada, answer, hub, whole  # noqa: F401 - fixtures
from wharf.errors import NotFoundError, RejectedError, StorageError, UncertainError
from wharf.github.wire import CHUNK
from wharf.transport.http_client import Download

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.github.api import GitHub

    Handler = Callable[[httpx.Request], httpx.Response]


# Assets.


def read(found: str | Download, github: GitHub) -> bytes:
    assert isinstance(found, str)
    with github.open(found) as download:
        assert download.size == len(CONTENT)
        return b"".join(download.chunks)


def test_a_signed_address_is_given_and_gets_no_token(ada: Person, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    asset = ada.upload(ada.draft()["upload_url"], "a.whl")
    host = ada.hub.storage_url.removeprefix("http://").partition(":")[0]
    (Path.home() / ".netrc").write_text(f"machine {host} login ada password hunter2\n")
    ada.hub.calls.clear()
    with ada.github.asset(asset["id"]) as found:
        assert str(found).startswith(ada.hub.storage_url)
        assert read(found, ada.github) == CONTENT
    api, storage = ada.hub.calls
    assert (api.kind, api.status, api.headers["accept"]) == ("api", 302, "application/octet-stream")
    assert (storage.kind, storage.status) == ("storage", 200)
    assert "authorization" not in storage.headers
    assert "cookie" not in storage.headers
    assert not [word for word in (ada.token, "sig=") if word in caplog.text]


def test_an_asset_that_github_gives_itself_is_passed_through(ada: Person) -> None:
    asset = ada.upload(ada.draft()["upload_url"], "a.whl")
    ada.hub.fault("GET .*/assets/", "redirect200")
    with ada.github.asset(asset["id"]) as found:
        assert isinstance(found, Download)
        assert (found.size, b"".join(found.chunks)) == (len(CONTENT), CONTENT)
    assert ada.github.call("GET", "{repo}").status == 200, "the connection is free again"


def test_an_asset_of_a_renamed_repository_and_of_another_one(ada: Person) -> None:
    asset = ada.upload(ada.draft()["upload_url"], "a.whl")
    ada.repo.rename("acme/other")
    with ada.github.asset(asset["id"], slug="acme/pkgs") as found:
        assert read(found, ada.github) == CONTENT
    with ada.github.asset(asset["id"]) as found:
        assert read(found, ada.github) == CONTENT
    assert ada.github.address.slug == "acme/other"
    assert len(ada.warned) == 1


def test_an_asset_that_is_not_there_is_told(ada: Person) -> None:
    with pytest.raises(NotFoundError, match="asset 5 of"), ada.github.asset(5):
        pass
    asset = ada.upload(ada.draft()["upload_url"], "a.whl")
    ada.hub.fault("GET .*/assets/", "502", times=2)
    with ada.github.asset(asset["id"]) as found:
        assert isinstance(found, str)


def test_a_connection_that_the_storage_closed_is_no_failure(ada: Person) -> None:
    asset = ada.upload(ada.draft()["upload_url"], "a.whl")
    with ada.github.asset(asset["id"]) as found:
        signed = str(found)
    ada.hub.fault("GET /release-assets", "drop")
    with ada.github.open(signed) as download:
        assert b"".join(download.chunks) == CONTENT


def test_trouble_at_the_storage_is_told_without_the_signed_address(ada: Person) -> None:
    asset = ada.upload(ada.draft()["upload_url"], "a.whl")
    with ada.github.asset(asset["id"]) as found:
        signed = str(found)
    for how in ("500", "404", "drop"):
        ada.hub.fault("GET /release-assets", how, times=2 if how == "drop" else 1)
        with pytest.raises(StorageError, match="GitHub's storage") as caught, ada.github.open(signed):
            pass
        assert "sig=" not in whole(caught.value)
    ada.hub.fault("GET /release-assets", "short")
    with pytest.raises(StorageError, match="broke off") as caught, ada.github.open(signed) as download:
        b"".join(download.chunks)
    assert "sig=" not in whole(caught.value)
    ada.hub.clock.forward(301)
    with pytest.raises(StorageError, match="GitHub's storage answered 403") as caught, ada.github.open(signed):
        pass
    assert "sig=" not in whole(caught.value)


@pytest.mark.parametrize(
    "location",
    ["", "/x", "//storage.example/x", "http://storage.example/x", "javascript:x", "https://", "https://[", "https://é"],
)
def test_what_is_no_address_is_given_to_nobody(location: str) -> None:
    mock = Mock(lambda _request: httpx.Response(302, headers=[(b"location", location.encode())]))
    with mock.open() as github, pytest.raises(StorageError, match="is not valid"), github.asset(5):
        pass


@pytest.mark.parametrize("location", ["http://storage.example/x", "ftp://storage.example/x", "//[", "", "https://"])
def test_the_storage_leads_to_https_only(location: str) -> None:
    mock = Mock(lambda _request: answer(302, location=location))
    with mock.open() as github, pytest.raises(StorageError), github.open("https://storage.example/a"):
        pass
    assert {request.url.scheme for request in mock.seen} == {"https"}
    with pytest.raises(StorageError, match="not https"), github.open("http://storage.example/a"):
        pass


def test_the_storage_s_own_redirects_are_followed_without_a_token_and_come_to_an_end() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        number = int(request.url.path.strip("/"))
        return (
            httpx.Response(200, stream=httpx.ByteStream(b"x"))
            if number == 3
            else answer(302, location=f"https://s{number}.example/{number + 1}")
        )

    mock = Mock(handle)
    with mock.open() as github:
        with github.open("https://storage.example/1") as download:
            assert b"".join(download.chunks) == b"x"
        with pytest.raises(StorageError, match="without an end"), github.open("https://storage.example/4"):
            pass
    assert len(mock.seen) == 3 + 5
    assert all("authorization" not in request.headers for request in mock.seen)


# Uploads.


def test_nothing_holds_an_upload_while_another_goes_on() -> None:
    together = threading.Barrier(8)

    def handle(_request: httpx.Request) -> httpx.Response:
        together.wait(60)
        return answer(201, {})

    mock = Mock(handle)
    with mock.open() as github, ThreadPoolExecutor(8) as pool:
        done = pool.map(
            lambda name: github.upload(UPLOADS, str(name), io.BytesIO(b"x"), 1).status,
            range(8),
        )
        assert list(done) == [201] * 8


def test_uploads_go_in_parallel_through_one_client(ada: Person) -> None:
    url = ada.draft()["upload_url"]
    files = {f"f{number}.whl": bytes([number]) * (CHUNK + number) for number in range(8)}

    def put(name: str) -> object:
        data = files[name]
        return ada.github.upload(url, name, io.BytesIO(data), len(data)).status

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(put, files)) == {201}
    assert {asset.name: asset.data.read_bytes() for asset in ada.repo.releases[0].assets} == files


@pytest.mark.parametrize("name", ["demo-1!2.0+cpu.tar.gz", "a~b.whl", "a b%2B&c=d#e?.whl", "ä/../b.whl"])
def test_a_file_s_name_arrives_as_it_is(name: str) -> None:
    mock = Mock(lambda _request: answer(201, {}))
    with mock.open() as github:
        github.upload(UPLOADS, name, io.BytesIO(b"x"), 1)
    (request,) = mock.seen
    assert request.url.params.multi_items() == [("name", name)]
    assert not set("+!#/ &") & set(request.url.query.decode().removeprefix("name="))
    assert request.url.raw_path.startswith(b"/repos/acme/pkgs/releases/1/assets?name=")
    assert request.headers["content-type"] == "application/octet-stream"
    assert (request.headers["content-length"], request.content) == ("1", b"x")


def test_a_plus_survives_at_github(ada: Person) -> None:
    assert ada.upload(ada.draft()["upload_url"], "demo-1!1.0+a~b.whl")["name"] == "demo-1.1.0+a.b.whl"


@pytest.mark.parametrize(
    "url",
    ["https://evil.example/x{?name,label}", "http://uploads.github.com/x", "https://uploads.github.com@evil.example/x",
     "https://uploads.github.com:8443/x", "//uploads.github.com/x", "", "https://uploads.github.com.evil.example/x"],
)  # fmt: skip
def test_an_upload_address_elsewhere_gets_neither_token_nor_file(url: str) -> None:
    mock = Mock(lambda _request: answer(201, {}))
    with mock.open() as github, pytest.raises(StorageError, match="not its own host"):
        github.upload(url, "a.whl", io.BytesIO(b"x"), 1)
    assert mock.seen == []


@pytest.mark.parametrize(
    "url", ["https://uploads.git\nhub.com/x", "https://uploads.github.com/x\x00y", "https://uploads.github.com/\ud800"]
)
def test_an_upload_address_that_is_none_is_an_error_of_ours(url: str) -> None:
    mock = Mock(lambda _request: answer(201, {}))
    with mock.open() as github, pytest.raises(StorageError):
        github.upload(url, "a.whl", io.BytesIO(b"x"), 1)
    assert mock.seen == []


class _Read(io.BytesIO):
    """A file that knows what was read of it since each time that it was read from the beginning."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.tries: list[bytes] = []

    def seek(self, place: int, whence: int = 0) -> int:
        self.tries.append(b"")
        return super().seek(place, whence)

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(size)
        self.tries[-1] += piece
        return piece


def test_each_try_of_an_upload_begins_at_the_beginning(ada: Person) -> None:
    url = ada.draft()["upload_url"]
    ada.hub.fault("POST .*/assets$", "secondary:2")
    file = _Read(CONTENT)
    ada.github.upload(url, "a.whl", file, len(CONTENT))
    assert file.tries == [CONTENT, CONTENT]
    assert ada.repo.releases[0].assets[0].data.read_bytes() == CONTENT


@pytest.mark.parametrize("how", ["starter", "lose", "drop", "502"])
def test_an_upload_without_an_answer_is_uncertain(ada: Person, how: str) -> None:
    url = ada.draft()["upload_url"]
    ada.hub.fault("POST .*/assets$", how)
    with pytest.raises(UncertainError):
        ada.upload(url, "a.whl")
    assert ada.hub.count("upload") == 1


def test_a_name_that_is_taken_is_told_with_github_s_word_for_it(ada: Person) -> None:
    url = ada.draft()["upload_url"]
    ada.upload(url, "a.whl")
    with pytest.raises(RejectedError, match=r"the upload of a\.whl to .*already_exists") as caught:
        ada.upload(url, "a.whl")
    assert caught.value.status == 422
    assert caught.value.says("already_exists")
    assert not caught.value.says("custom")


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_a_file_that_changes_while_it_is_sent_is_told(ada: Person, size: int) -> None:
    url = ada.draft()["upload_url"]
    with pytest.raises(StorageError, match="changed while it was sent"):
        ada.github.upload(url, "a.whl", io.BytesIO(CONTENT), size)
    assert ada.repo.releases[0].assets == []
    assert ada.github.call("GET", "{repo}").status == 200
