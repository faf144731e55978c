"""The client of GitHub's API: what it sends and to whom, what is tried again or waited for, and what it says of refusals."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import logging
import socket
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from simulator import Hub
from simulator.state import Release

import wharf.github
from wharf import wire
from wharf.address import Address, parse
from wharf.errors import (
    AnswerTooLargeError,
    GraphQLError,
    NotAllowedError,
    NotFoundError,
    QuotaError,
    RejectedError,
    StorageError,
    UncertainError,
    UsageError,
    WharfError,
)
from wharf.github import CHUNK, GitHub
from wharf.quota import Waiting
from wharf.secret import Secret
from wharf.wire import TRIES, Download

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulator import Repo

    Handler = Callable[[httpx.Request], httpx.Response]

TOKEN = "ghp_hunter2hunter2"
HERE = Address(owner="acme", name="pkgs")
GHE = Address(host="ghe.example.org", owner="acme", name="pkgs")
UPLOADS = "https://uploads.github.com/repos/acme/pkgs/releases/1/assets{?name,label}"
CONTENT = b"wheel" * 1000


def answer(status: int = 200, data: object = None, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=data, headers={name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class Mock:
    """GitHub as a function, in a time that only sleeping moves on."""

    handler: Handler
    address: Address = HERE
    token: str | None = field(default=TOKEN, repr=False)
    at_most: float = 3600.0
    seen: list[httpx.Request] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    time: float = 0.0

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        return self.handler(request)

    def open(self) -> GitHub:
        waiting = Waiting(self.at_most, lambda reason, _seconds: self.told.append(reason), lambda: self.time, self._sleep)
        client = httpx.Client(transport=httpx.MockTransport(self._handle))
        token = None if self.token is None else Secret(self.token)
        return GitHub(self.address, token, waiting=waiting, warn=self.warned.append, client=client)


@dataclass
class Person:
    """Somebody with a token at the simulator."""

    hub: Hub
    repo: Repo
    token: str
    github: GitHub
    warned: list[str]
    told: list[tuple[str, float]]

    def draft(self, tag: str = "demo-1.0") -> dict[str, Any]:
        reply = self.github.call("POST", "{repo}/releases", body={"tag_name": tag, "draft": True})
        assert isinstance(reply.data, dict)
        return reply.data

    def upload(self, url: object, name: str, data: bytes = CONTENT) -> dict[str, Any]:
        reply = self.github.upload(str(url), name, io.BytesIO(data), len(data), sink=lambda: lambda _sent: None)
        assert isinstance(reply.data, dict)
        return reply.data


def connect(
    hub: Hub, repo: Repo, token: str | None, at_most: float = 3600.0
) -> tuple[GitHub, list[str], list[tuple[str, float]]]:
    address = parse(f"{hub.url}/{repo.slug}")
    assert address is not None
    warned, told = list[str](), list[tuple[str, float]]()
    waiting = Waiting(at_most, lambda reason, seconds: told.append((reason, seconds)), hub.clock.now, hub.clock.forward)
    secret = None if token is None else Secret(token)
    return GitHub(address, secret, waiting=waiting, warn=warned.append), warned, told


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path / "hub") as started:
        yield started


@pytest.fixture
def ada(hub: Hub) -> Iterator[Person]:
    repo = hub.create("acme/pkgs")
    token = hub.token("ada", {"acme/pkgs": "write"})
    github, warned, told = connect(hub, repo, token)
    with github:
        yield Person(hub, repo, token, github, warned, told)


def whole(error: BaseException) -> str:
    """All that a traceback, a log or a message could show of an error, its causes included."""
    texts, seen, now = [repr(vars(error))], set[int](), [error]
    while now:
        each = now.pop()
        if id(each) not in seen:
            seen.add(id(each))
            texts += [*traceback.format_exception(each), str(each), repr(each), repr(each.args)]
            now += [more for more in (each.__cause__, each.__context__) if more is not None]
    return "\n".join(texts)


# What is sent.


def test_what_every_request_says(ada: Person) -> None:
    reply = ada.github.call("GET", "{repo}")
    assert isinstance(reply.data, dict)
    assert (reply.status, reply.data["full_name"], ada.github.calls) == (200, "acme/pkgs", 1)
    (call,) = ada.hub.calls
    assert call.path == "/api/v3/repos/acme/pkgs"
    assert call.headers["authorization"] == f"Bearer {ada.token}"
    assert call.headers["accept"] == "application/vnd.github+json"
    assert call.headers["x-github-api-version"] == "2022-11-28"
    assert call.headers["user-agent"].startswith("wharf/")


def test_the_api_of_github_com_is_on_its_own_host() -> None:
    mock = Mock(lambda _request: answer(200, {"data": {}}))
    with mock.open() as github:
        github.call("POST", "{repo}/releases", body={"a": "ä"}, query={"x": "a b&c+d/é"})
        github.graphql("query { viewer { login } }", {"v": 1})
    first, second = mock.seen
    assert str(first.url) == "https://api.github.com/repos/acme/pkgs/releases?x=a%20b%26c%2Bd%2F%C3%A9"
    assert json.loads(first.content) == {"a": "ä"}
    assert first.headers["content-type"] == "application/json"
    assert str(second.url) == "https://api.github.com/graphql"
    assert json.loads(second.content) == {"query": "query { viewer { login } }", "variables": {"v": 1}}


def test_without_a_token_none_is_sent() -> None:
    mock = Mock(lambda _request: answer(), token=None)
    with mock.open() as github:
        github.call("GET", "{repo}")
    assert "authorization" not in mock.seen[0].headers


def test_an_unchanged_answer_is_no_error_and_costs_nothing(ada: Person) -> None:
    first = ada.github.call("GET", "{repo}")
    left = ada.github.rates["core"].remaining
    again = ada.github.call("GET", "{repo}", etag=first.headers["etag"])
    assert (again.status, again.data) == (304, None)
    assert ada.github.rates["core"].remaining == left


def test_a_status_that_is_expected_is_no_error(ada: Person) -> None:
    assert ada.github.call("GET", "{repo}/releases/tags/none", allow={404}).status == 404


@pytest.mark.parametrize("bad", ["", "a b", "hunter2\n", "hunter2\r\nx: y", "hünter2", "x" * 1001])
def test_what_can_be_no_token_is_refused_before_it_is_sent(bad: str) -> None:
    with pytest.raises(NotAllowedError) as caught:
        GitHub(HERE, Secret(bad))
    assert "hunter2" not in whole(caught.value)


def test_another_token_has_its_own_quota_and_shares_the_connections(ada: Person) -> None:
    ada.github.call("GET", "{repo}")
    other = ada.github.with_token(Secret(ada.hub.token("bob", {"acme/pkgs": "read"})))
    assert not other.rates
    other.call("GET", "{repo}")
    assert [call.login for call in ada.hub.calls] == ["ada", "bob"]
    assert (ada.github.calls, other.calls) == (1, 1)
    with pytest.raises(NotFoundError):
        ada.github.with_token(None).call("GET", "{repo}")


def test_a_limit_of_one_token_is_not_that_of_the_next() -> None:
    """Also where the answer comes when another one is used already."""

    def handle(request: httpx.Request) -> httpx.Response:
        if "one" in request.headers["authorization"]:
            github.use(Secret("the-other"))
            return answer(403, {"message": "secondary rate limit"}, retry_after="3000")
        return answer(200, {})

    mock = Mock(handle, token="one", at_most=0.0)
    with mock.open() as github:
        with pytest.raises(QuotaError):
            github.call("GET", "{repo}")
        assert github.call("GET", "{repo}").status == 200
    assert [request.headers["authorization"] for request in mock.seen] == ["Bearer one", "Bearer the-other"]


def test_cookies_and_netrc_say_nothing_about_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    (Path.home() / ".netrc").write_text("machine api.github.com login ada password hunter2\n")
    seen: list[httpx.Request] = []

    def handle(_self: object, request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer(200, {}, set_cookie="session=1; Path=/")

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)
    with GitHub(HERE, None) as github:
        github.call("GET", "{repo}")
        github.call("GET", "{repo}")
    assert len(seen) == 2
    assert not {"cookie", "authorization"} & set(seen[1].headers)


# Lists.


def test_a_list_is_read_page_by_page_and_no_further_than_allowed(ada: Person) -> None:
    ada.repo.releases += [
        Release(
            id=ada.hub.next_id(), tag_name=f"t{number}", target_commitish="main", author="ada", created_at=ada.hub.clock.text()
        )
        for number in range(250)
    ]
    tags = [release["tag_name"] for release in ada.github.pages("{repo}/releases") if isinstance(release, dict)]
    assert tags == [f"t{number}" for number in reversed(range(250))]
    assert len(list(ada.github.pages("{repo}/releases", at_most=100))) == 100
    assert [call.query["page"] for call in ada.hub.calls] == ["1", "2", "3", "1"]


def test_a_list_of_large_items_is_read_in_smaller_pages(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [10] * 100 + [3000] * 60 + [10] * 20
    ada.repo.releases += [
        Release(
            id=ada.hub.next_id(),
            tag_name=f"t{number}",
            target_commitish="main",
            author="ada",
            created_at=ada.hub.clock.text(),
            body="x" * size,
        )
        for number, size in enumerate(sizes)
    ]
    monkeypatch.setattr(wire, "MAX_BODY", 200_000)
    tags = [release["tag_name"] for release in ada.github.pages("{repo}/releases") if isinstance(release, dict)]
    assert tags == [f"t{number}" for number in reversed(range(len(sizes)))]
    assert len(list(ada.github.pages("{repo}/releases", at_most=100))) == 100
    ada.repo.releases[0].body = "x" * 200_000
    with pytest.raises(AnswerTooLargeError):
        list(ada.github.pages("{repo}/releases"))


def test_a_list_comes_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wharf.github, "_ITEMS", 300)
    mock = Mock(lambda _request: answer(200, [1], link='<https://api.github.com/x?page=2>; rel="next"'))
    with mock.open() as github:
        with pytest.raises(StorageError, match="without an end"):
            list(github.pages("{repo}/releases"))
        assert len(mock.seen) == 3
        assert list(github.pages("{repo}/releases", at_most=200)) == [1, 1]


def test_no_next_page_leads_to_another_host_or_goes_on_without_end() -> None:
    pages = iter([[1, 2], [3], []])
    mock = Mock(lambda _request: answer(200, next(pages), link='<https://evil.example/x?page=2>; rel="next"'))
    with mock.open() as github:
        assert list(github.pages("{repo}/releases")) == [1, 2, 3]
    assert {request.url.host for request in mock.seen} == {"api.github.com"}


# Renamed repositories, and redirects to elsewhere.


def test_a_renamed_repository_is_followed_and_told_once(ada: Person) -> None:
    ada.repo.rename("acme/other")
    assert ada.github.call("GET", "{repo}/releases", query={"per_page": "5"}).data == []
    assert ada.github.address.slug == "acme/other"
    ada.hub.calls.clear()
    ada.github.call("GET", "{repo}")
    assert [call.path for call in ada.hub.calls] == ["/api/v3/repos/acme/other"]
    (warning,) = ada.warned
    assert f"{ada.hub.url}/acme/pkgs is called {ada.hub.url}/acme/other now" in warning


def test_a_change_of_a_renamed_repository_is_carried_out_once(ada: Person) -> None:
    ada.repo.rename("acme/other")
    assert ada.draft()["tag_name"] == "demo-1.0"
    assert [release.tag_name for release in ada.repo.releases] == ["demo-1.0"]


def test_many_threads_learn_of_a_rename_and_one_tells(ada: Person) -> None:
    ada.repo.rename("acme/other")
    with ThreadPoolExecutor(8) as pool:
        assert all(reply.status == 200 for reply in pool.map(lambda _number: ada.github.call("GET", "{repo}"), range(16)))
    assert len(ada.warned) == 1


@pytest.mark.parametrize(
    "location",
    ["https://evil.example/repositories/1", "//evil.example/repositories/1", "http://api.github.com/repositories/1",
     "https://api.github.com:8443/repositories/1", "https://api.github.com@evil.example/repositories/1",
     "https://ada@api.github.com/repositories/1", "https://uploads.github.com/repositories/1"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_to_another_host_gets_no_token(location: str, method: str) -> None:
    mock = Mock(lambda _request: answer(301, {}, location=location))
    with mock.open() as github, pytest.raises(StorageError, match="redirects to another host"):
        github.call(method, "{repo}")
    assert len(mock.seen) == 1


@pytest.mark.parametrize(
    "location", ["", "/x", "https://api.github.com/x", "/repositories/7", "https://[", "https://[/repositories/7"]
)
def test_redirects_come_to_an_end(location: str) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/repositories/7":
            return answer(200, {"full_name": "acme/pkgs"})
        return answer(301, {}, location=location)

    mock = Mock(handle)
    with mock.open() as github:
        with pytest.raises(StorageError):
            github.call("GET", "{repo}")
        with pytest.raises(StorageError), github.asset(5):
            pass
    assert len(mock.seen) <= 20


@pytest.mark.parametrize("name", ["../evil", "a/b/c", "", "a@b/c", None, 5])
def test_a_new_name_that_can_be_none_is_refused(name: object) -> None:
    mock = Mock(
        lambda request: (
            answer(200, {"full_name": name})
            if "repositories" in request.url.path
            else answer(301, {}, location="/repositories/7")
        )
    )
    with mock.open() as github, pytest.raises((StorageError, UsageError)):
        github.call("GET", "{repo}")
    assert mock.warned == []


@pytest.mark.parametrize(
    "location", [".evil.example/x", "@evil.example/x", ":8443/x", "x", "?x", "\\evil.example/x", "///evil.example/x", ".."]
)
def test_a_relative_redirect_stays_on_the_host(location: str) -> None:
    """Put behind the API's name as it is, it would be the end of another host's."""
    mock = Mock(lambda _request: answer(301, {}, location=location))
    with mock.open() as github, pytest.raises(StorageError):
        github.call("GET", "{repo}")
    assert {(request.url.scheme, request.url.netloc) for request in mock.seen} == {("https", b"api.github.com")}


@pytest.mark.parametrize("location", ["https://ghe.example.org/x", "/login?return_to=x", "/api/v3.x/y", "/api/v3"])
def test_a_redirect_out_of_the_api_is_not_followed(location: str) -> None:
    mock = Mock(lambda _request: answer(302, {}, location=location), address=GHE)
    with mock.open() as github, pytest.raises(StorageError, match="outside of its API"):
        github.call("GET", "{repo}")
    assert len(mock.seen) == 1


@pytest.mark.parametrize("location", [b"/\xc3\xa9\xff", b"/" + b"x" * 70_000, b"/repositories/\xd9\xa3"])
def test_a_redirect_to_what_cannot_be_asked_for_is_told(location: bytes) -> None:
    mock = Mock(lambda _request: httpx.Response(301, headers=[(b"location", location)]))
    with mock.open() as github, pytest.raises(StorageError) as caught:
        github.call("GET", "{repo}")
    assert len(caught.value.message) < 300


def test_a_validator_that_cannot_be_sent_is_not() -> None:
    mock = Mock(lambda _request: httpx.Response(200, headers=[(b"etag", "é".encode())], json={}))
    with mock.open() as github:
        etag = github.call("GET", "{repo}").headers["etag"]
        github.call("GET", "{repo}", etag=etag)
    assert "if-none-match" not in mock.seen[1].headers


# Bad weather.


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_reading_is_tried_again_a_bounded_number_of_times(ada: Person, status: int) -> None:
    ada.hub.fault("GET ", str(status), times=TRIES - 1)
    assert ada.github.call("GET", "{repo}").status == 200
    assert len(ada.hub.calls) == TRIES
    ada.hub.fault("GET ", str(status), times=99)
    with pytest.raises(StorageError, match=f"GitHub answered {status}") as caught:
        ada.github.call("GET", "{repo}")
    assert (len(ada.hub.calls), caught.value.http_status) == (2 * TRIES, 503)


@pytest.mark.parametrize("how", ["drop", "short"])
def test_a_connection_that_breaks_is_tried_again_for_reading(ada: Person, how: str) -> None:
    ada.hub.fault("GET ", how, times=2)
    assert ada.github.call("GET", "{repo}").status == 200
    ada.hub.fault("GET ", how, times=99)
    ada.hub.calls.clear()
    with pytest.raises(StorageError) as caught:
        ada.github.call("GET", "{repo}")
    assert not isinstance(caught.value, UncertainError)
    assert TRIES <= len(ada.hub.calls) <= TRIES**2


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_can_be_done_twice_is_tried_again(method: str) -> None:
    answers = iter([answer(502), answer(204)])
    mock = Mock(lambda _request: next(answers))
    with mock.open() as github:
        assert github.call(method, "{repo}/x").status == 204


@pytest.mark.parametrize(("how", "done"), [("lose", 1), ("drop", 0), ("502", 0), ("500", 0), ("short", 1)])
def test_a_change_without_an_answer_is_uncertain_and_not_sent_again(ada: Person, how: str, done: int) -> None:
    ada.hub.fault("POST ", how)
    with pytest.raises(UncertainError) as caught:
        ada.draft()
    assert (ada.hub.count("api"), len(ada.repo.releases)) == (1, done)
    assert caught.value.hint


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
def test_what_was_never_sent_is_tried_again_whatever_it_is(error: type[httpx.TransportError]) -> None:
    fails = [error("no"), error("no")]

    def handle(_request: httpx.Request) -> httpx.Response:
        if fails:
            raise fails.pop()
        return answer(201, {})

    mock = Mock(handle)
    with mock.open() as github:
        assert github.call("POST", "{repo}/releases", body={}).status == 201
    assert mock.slept == [0.5, 1.0]


@pytest.mark.parametrize("error", [httpx.ReadTimeout, httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError])
def test_what_was_sent_in_part_is_uncertain(error: type[httpx.TransportError]) -> None:
    def handle(_request: httpx.Request) -> httpx.Response:
        raise error("no")

    mock = Mock(handle)
    with mock.open() as github, pytest.raises(UncertainError, match=r"api.github.com does not answer: .* to a change"):
        github.call("PATCH", "{repo}/releases/1", body={})
    assert len(mock.seen) == 1


def test_where_nobody_listens_it_ends_with_a_clear_word() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        slept: list[float] = []
        with GitHub(
            Address(host=host, owner="a", name="b", scheme="http"), Secret(TOKEN), waiting=Waiting(sleep=slept.append)
        ) as github:
            for method in ("GET", "POST"):
                with pytest.raises(StorageError, match=f"{host} does not answer") as caught:
                    github.call(method, "{repo}")
                assert not isinstance(caught.value, UncertainError)
                assert TOKEN not in whole(caught.value)
    assert len(slept) == 2 * (TRIES - 1)
    assert sum(slept) < 10


class Endless(httpx.SyncByteStream):
    def __init__(self) -> None:
        self.given = 0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.given += CHUNK
            yield b" " * CHUNK


@pytest.mark.parametrize("status", [200, 403, 404])
def test_no_body_is_read_without_end(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_BODY", 1 << 20)
    stream = Endless()
    mock = Mock(lambda _request: httpx.Response(status, stream=stream, headers={"content-type": "application/json"}))
    with mock.open() as github, pytest.raises(StorageError, match="larger than 1 MiB"):
        github.call("GET", "{repo}")
    assert stream.given <= (1 << 20) + 2 * CHUNK
    assert len(mock.seen) == 1


@contextlib.contextmanager
def talker(say: Callable[[socket.socket, threading.Event], None]) -> Iterator[Address]:
    """A server that reads a request and then says what a test wants, until that ends."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor() as pool:

        def one(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                say(connection, stop)

        def accept() -> None:
            while True:
                connection = listening.accept()[0]
                if stop.is_set():
                    connection.close()
                    return
                pool.submit(one, connection)

        pool.submit(accept)
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        try:
            yield Address(host=host, owner="acme", name="pkgs", scheme="http")
        finally:
            stop.set()
            socket.create_connection(("127.0.0.1", listening.getsockname()[1])).close()


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize(
    ("first", "drop"),
    [(HEAD + b"content-length: 99999\r\n\r\n", b" "), (HEAD + b"x: ", b"x"), (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n")],
    ids=["body", "header", "hints"],
)
def test_an_answer_that_comes_by_drops_is_not_waited_for_without_end(
    first: bytes, drop: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "PATIENCE", 0.3)

    def say(connection: socket.socket, stop: threading.Event) -> None:
        connection.sendall(first)
        while not stop.wait(0.02):
            connection.sendall(drop)

    with talker(say) as address, GitHub(address, Secret(TOKEN), waiting=Waiting(sleep=lambda _seconds: None)) as github:
        with pytest.raises(UncertainError):
            github.call("POST", "{repo}")
        with pytest.raises(StorageError):
            github.call("GET", "{repo}")
        assert github.calls <= 1 + TRIES


@dataclass
class Time:
    """The time for `wire`: what a test says that it is."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now

    time = monotonic


@dataclass
class Slow(httpx.SyncByteStream):
    """Pieces of that many bytes, one in so many seconds."""

    clock: Time
    size: int
    seconds: float

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(20):
            self.clock.now += self.seconds
            yield b"x" * self.size


@pytest.mark.parametrize(("size", "seconds", "good"), [(1000, 1, True), (70_000, 70, True), (999, 1, False), (1, 59, False)])
def test_a_download_that_hardly_moves_is_given_up(
    size: int, seconds: float, good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Time()
    monkeypatch.setattr(wire, "time", clock)
    monkeypatch.setattr(wire, "_QUIET", 10.0)
    mock = Mock(lambda _request: httpx.Response(200, stream=Slow(clock, size, seconds)))
    ends = contextlib.nullcontext() if good else pytest.raises(StorageError, match="too slow")
    with mock.open() as github, ends, github.open("https://storage.example/x") as download:
        for chunk in download.chunks:
            assert len(chunk) == size
            clock.now += 1000  # what whoever asked does with it


def test_a_download_may_take_longer_than_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, begun = Time(), threading.Event()
    monkeypatch.setattr(wire, "time", clock)
    monkeypatch.setattr(wire, "_SLOWEST", 0)

    def say(connection: socket.socket, _stop: threading.Event) -> None:
        connection.sendall(HEAD + b"content-length: 30\r\n\r\n")
        begun.wait(10)
        for _ in range(30):
            clock.now += wire.PATIENCE
            connection.sendall(b"x")

    with talker(say) as address, GitHub(address, None) as github, github.open(f"{address.web}/x") as download:
        begun.set()
        assert b"".join(download.chunks) == b"x" * 30


@pytest.mark.parametrize("coding", ["gzip, gzip", "br", "zstd", "deflate", "x"])
def test_a_body_that_is_packed_more_than_once_is_not_unpacked(coding: str) -> None:
    packed = gzip.compress(gzip.compress(b"{}"))
    headers = {"content-type": "application/json", "content-encoding": coding}
    mock = Mock(lambda _request: httpx.Response(200, stream=httpx.ByteStream(packed), headers=headers))
    with mock.open() as github, pytest.raises(StorageError, match="packed"):
        github.call("GET", "{repo}")
    assert mock.seen[0].headers["accept-encoding"] == "gzip"


def test_a_body_that_is_packed_once_is_unpacked() -> None:
    packed = gzip.compress(b'{"a": 1}')
    headers = {"content-type": "application/json", "content-encoding": "GZIP"}
    mock = Mock(lambda _request: httpx.Response(200, stream=httpx.ByteStream(packed), headers=headers))
    with mock.open() as github:
        assert github.call("GET", "{repo}").data == {"a": 1}


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff", b"null", b'{"a": "\\ud800"}', b'{"\\uDC00": 1}'])
def test_a_body_that_is_no_json_is_none(body: bytes) -> None:
    mock = Mock(lambda _request: httpx.Response(200, content=body, headers={"content-type": "application/json"}))
    with mock.open() as github:
        assert github.call("GET", "{repo}").data is None


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ALL_PROXY", "socks5://ada:hunter2@127.0.0.1:1", "proxy"),
        ("HTTPS_PROXY", "http://ada:hunt:hunter2@127.0.0.1:x", "proxy"),
        ("NO_PROXY", "localhost,[::1]", "proxy"),
        ("SSL_CERT_FILE", "/nonexistent/ca.pem", "SSL_CERT_FILE"),
        ("SSL_CERT_FILE", "/etc/passwd", "SSL_CERT_FILE"),
    ],
)
def test_an_environment_that_leads_nowhere_is_told(
    variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with GitHub(HERE, Secret(TOKEN)) as github, pytest.raises(UsageError, match=said) as caught:
        github.call("GET", "{repo}")
    assert variable in caught.value.message + caught.value.hint
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_half_characters_that_make_a_whole_one_are_one() -> None:
    mock = Mock(
        lambda _request: httpx.Response(200, content=rb'["\ud83d\ude80 \u00e9"]', headers={"content-type": "application/json"})
    )
    with mock.open() as github:
        assert github.call("GET", "{repo}").data == ["\U0001f680 é"]


# Limits.


def test_a_secondary_limit_is_waited_for_and_told(ada: Person) -> None:
    ada.hub.fault("POST ", "secondary:7")
    before = ada.hub.clock.now()
    ada.draft()
    ((reason, seconds),) = ada.told
    assert seconds == 7
    assert "GitHub asks for a pause" in reason
    assert 7 <= ada.hub.clock.now() - before < 10
    assert len(ada.repo.releases) == 1


def test_a_used_up_hour_is_waited_for(ada: Person) -> None:
    ada.hub.limits.primary = 3
    for number in range(4):
        ada.hub.clock.forward(10 if number == 1 else 0)
        ada.github.call("GET", "{repo}")
    ((reason, seconds),) = ada.told
    assert reason == "the 3 requests of this hour are used up"
    assert 3500 < seconds <= 3602
    assert [call.status for call in ada.hub.calls] == [200, 200, 200, 403, 200]
    rate = ada.github.rates["core"]
    assert (rate.limit, rate.remaining) == (3, 2)


def test_a_wait_that_is_too_long_is_an_error_that_says_what_to_do(hub: Hub) -> None:
    repo = hub.create("acme/pkgs")
    github, _, told = connect(hub, repo, hub.token("ada", {"acme/pkgs": "write"}), at_most=60)
    hub.limits.primary = 1
    with github:
        github.call("GET", "{repo}")
        with pytest.raises(QuotaError, match="The 1 requests of this hour are used up") as caught:
            github.call("GET", "{repo}")
        assert caught.value.retry_after > 3500
        assert "--max-wait" in caught.value.hint
        assert told == []
        hub.calls.clear()
        with pytest.raises(QuotaError):
            github.call("GET", "{repo}")
        assert hub.calls == [], "it is not asked again in vain"


def test_a_limit_that_never_ends_is_not_waited_for_without_end() -> None:
    mock = Mock(lambda _request: answer(403, {"message": "You have exceeded a secondary rate limit."}))
    with mock.open() as github, pytest.raises(QuotaError):
        github.call("GET", "{repo}")
    assert mock.slept == [60, 120, 240, 480, 960]
    again = Mock(lambda _request: answer(429, {}, retry_after="0"), at_most=100)
    with again.open() as github, pytest.raises(QuotaError):
        github.call("GET", "{repo}")
    assert len(again.seen) < 10


def test_many_changes_are_paced_so_that_github_never_has_to_refuse(ada: Person) -> None:
    for number in range(85):
        ada.github.call("POST", "{repo}/git/blobs", body={"content": str(number), "encoding": "utf-8"})
    assert {call.status for call in ada.hub.calls} == {201}
    ((reason, seconds),) = ada.told
    assert reason == "GitHub takes 80 new contents a minute"
    assert seconds <= 61


def test_the_time_at_github_is_known() -> None:
    mock = Mock(lambda _request: answer(200, {}, date="Fri, 01 Jan 2038 00:00:00 GMT"))
    with mock.open() as github:
        github.call("GET", "{repo}")
        assert github.now().strftime("%Y-%m-%d") == "2038-01-01"


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
    with mock.open() as github, pytest.raises(StorageError, match="is none"), github.asset(5):
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
        together.wait(20)
        return answer(201, {})

    mock = Mock(handle)
    with mock.open() as github, ThreadPoolExecutor(8) as pool:
        done = pool.map(
            lambda name: github.upload(UPLOADS, str(name), io.BytesIO(b"x"), 1, sink=lambda: lambda _sent: None).status,
            range(8),
        )
        assert list(done) == [201] * 8


def test_uploads_go_in_parallel_through_one_client(ada: Person) -> None:
    url = ada.draft()["upload_url"]
    files = {f"f{number}.whl": bytes([number]) * (CHUNK + number) for number in range(8)}
    sent: dict[str, list[int]] = {name: [] for name in files}

    def put(name: str) -> object:
        data = files[name]
        return ada.github.upload(
            url, name, io.BytesIO(data), len(data), sink=lambda: lambda piece: sent[name].append(len(piece))
        ).status

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(put, files)) == {201}
    assert {asset.name: asset.data.read_bytes() for asset in ada.repo.releases[0].assets} == files
    assert {name: sum(pieces) for name, pieces in sent.items()} == {name: len(data) for name, data in files.items()}


@pytest.mark.parametrize("name", ["demo-1!2.0+cpu.tar.gz", "a~b.whl", "a b%2B&c=d#e?.whl", "ä/../b.whl"])
def test_a_file_s_name_arrives_as_it_is(name: str) -> None:
    mock = Mock(lambda _request: answer(201, {}))
    with mock.open() as github:
        github.upload(UPLOADS, name, io.BytesIO(b"x"), 1, sink=lambda: lambda _sent: None)
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
        github.upload(url, "a.whl", io.BytesIO(b"x"), 1, sink=lambda: lambda _sent: None)
    assert mock.seen == []


@pytest.mark.parametrize(
    "url", ["https://uploads.git\nhub.com/x", "https://uploads.github.com/x\x00y", "https://uploads.github.com/\ud800"]
)
def test_an_upload_address_that_is_none_is_an_error_of_ours(url: str) -> None:
    mock = Mock(lambda _request: answer(201, {}))
    with mock.open() as github, pytest.raises(StorageError):
        github.upload(url, "a.whl", io.BytesIO(b"x"), 1, sink=lambda: lambda _sent: None)
    assert mock.seen == []


def test_each_try_of_an_upload_begins_at_the_beginning(ada: Person) -> None:
    url = ada.draft()["upload_url"]
    ada.hub.fault("POST .*/assets$", "secondary:2")
    sinks: list[list[bytes]] = []

    def sink() -> Callable[[bytes], None]:
        sinks.append([])
        return sinks[-1].append

    ada.github.upload(url, "a.whl", io.BytesIO(CONTENT), len(CONTENT), sink=sink)
    assert [b"".join(pieces) for pieces in sinks] == [CONTENT, CONTENT]
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
        ada.github.upload(url, "a.whl", io.BytesIO(CONTENT), size, sink=lambda: lambda _sent: None)
    assert ada.repo.releases[0].assets == []
    assert ada.github.call("GET", "{repo}").status == 200


# GraphQL.


def test_graphql_gives_its_data(ada: Person) -> None:
    found = ada.github.graphql("query { viewer { login } }", {})
    assert found == {"viewer": {"login": "ada"}}
    assert (ada.github.calls, ada.hub.count("graphql")) == (1, 1)


def test_graphql_s_errors_are_told_with_their_types(ada: Person) -> None:
    with pytest.raises(GraphQLError, match="Could not resolve to a Repository") as caught:
        ada.github.graphql('query { repository(owner: "no", name: "body") { id } }', {})
    assert caught.value.types == ("NOT_FOUND",)


LIMITED = {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}


@pytest.mark.parametrize("query", ["query { x }", "mutation { x }"])
def test_a_graphql_limit_comes_with_status_200_and_is_waited_for(query: str) -> None:
    told = {"x_ratelimit_resource": "graphql", "x_ratelimit_limit": "5000", "x_ratelimit_remaining": "0",
            "x_ratelimit_reset": "1000", "date": "Thu, 01 Jan 1970 00:10:00 GMT"}  # fmt: skip
    answers = iter([answer(200, LIMITED, **told), answer(200, {"data": {"x": 1}})])
    mock = Mock(lambda _request: next(answers))
    with mock.open() as github:
        assert github.graphql(query, {}) == {"x": 1}
    assert (mock.slept, mock.told) == ([401], ["the GraphQL points of this hour are used up"])


def test_a_used_up_hour_of_graphql_is_waited_for(ada: Person) -> None:
    ada.hub.limits.primary = 2
    for number in range(3):
        ada.hub.clock.forward(10 if number == 1 else 0)
        assert ada.github.graphql("query { viewer { login } }", {}) == {"viewer": {"login": "ada"}}
    ((reason, seconds),) = ada.told
    assert reason == "the GraphQL points of this hour are used up"
    assert 3500 < seconds <= 3602


@pytest.mark.parametrize(("after", "slept"), [({"retry_after": "7"}, 7), ({}, 60)])
def test_a_secondary_limit_of_graphql_comes_with_status_200_too(after: dict[str, str], slept: int) -> None:
    told = {"x_ratelimit_resource": "graphql", "x_ratelimit_limit": "5000", "x_ratelimit_remaining": "4000",
            "x_ratelimit_reset": "1000", "date": "Thu, 01 Jan 1970 00:10:00 GMT"}  # fmt: skip
    refused = {"errors": [{"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}]}
    answers = iter([answer(200, refused, **told, **after), answer(200, {"data": {"x": 1}}, **told)])
    mock = Mock(lambda _request: next(answers))
    with mock.open() as github:
        assert github.graphql("mutation { x }", {}) == {"x": 1}
    assert mock.slept == [slept]
    assert "a secondary limit" in mock.told[0]


def test_a_graphql_limit_without_end_is_an_error() -> None:
    mock = Mock(lambda _request: answer(200, LIMITED))
    with mock.open() as github, pytest.raises((GraphQLError, QuotaError)):
        github.graphql("query { x }", {})
    assert len(mock.seen) == TRIES
    assert len(mock.slept) == TRIES - 1, "nobody waits for a try that does not come"
    impatient = Mock(lambda _request: answer(200, LIMITED), at_most=5)
    with impatient.open() as github, pytest.raises(QuotaError):
        github.graphql("query { x }", {})
    assert len(impatient.seen) == 1


def test_a_graphql_query_is_tried_again_and_a_mutation_is_not(ada: Person) -> None:
    ada.hub.fault("POST /api/graphql", "502", times=2)
    assert ada.github.graphql("query { viewer { login } }", {})
    for how in ("502", "lose", "drop"):
        ada.hub.fault("POST /api/graphql", how)
        ada.hub.calls.clear()
        with pytest.raises(UncertainError):
            ada.github.graphql("mutation { createCommitOnBranch(input: {}) { commit { oid } } }", {})
        assert len(ada.hub.calls) == 1


@pytest.mark.parametrize("data", [None, [], "x", {"data": None}, {"data": []}, {"errors": "x"}])
def test_a_graphql_answer_of_a_strange_form_is_no_traceback(data: object) -> None:
    mock = Mock(lambda _request: answer(200, data))
    with mock.open() as github:
        try:
            assert github.graphql("query { x }", {}) == {}
        except StorageError as error:
            assert "GraphQL" in error.message  # noqa: PT017


# Refusals.


@pytest.mark.parametrize(
    ("method", "status", "data", "headers", "kind", "said", "hint"),
    [
        ("GET", 401, {"message": "Bad credentials"}, {}, NotAllowedError,
         "GitHub does not know the token for the repository acme/pkgs: Bad credentials", "wrong, expired or revoked"),
        ("GET", 403, {"message": "Resource not accessible by integration"}, {}, NotAllowedError,
         "Resource not accessible by integration", "`contents: write`"),
        ("GET", 403, {"message": "Resource protected by organization SAML enforcement."},
         {"x_github_sso": "required; url=https://github.com/orgs/acme/sso"}, NotAllowedError, "SAML enforcement", "sign-on"),
        ("PATCH", 403, {"message": "Repository was archived so is read-only."}, {}, NotAllowedError, "archived", "unarchive"),
        ("GET", 404, {"message": "Not Found"}, {}, NotFoundError,
         "does not show the repository acme/pkgs to this token", "does the token reach"),
        ("POST", 404, {"message": "Not Found"}, {}, NotAllowedError, "does not allow this", "`contents: write`"),
        ("POST", 409, {"message": "Git Repository is empty."}, {}, RejectedError,
         "GitHub refused the repository acme/pkgs: Git Repository is empty[.]$", ""),
        ("POST", 422, {"message": "Validation Failed", "errors": [{"code": "custom", "message": "too many"}]}, {},
         RejectedError,
         "Validation Failed .too many.", ""),
        ("GET", 451, {"message": "Blocked"}, {}, StorageError, "answered 451 .*: Blocked", "status page"),
        ("GET", 418, None, {}, StorageError, "answered 418", "status page"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_thing_the_cause_and_what_to_do(
    method: str, status: int, data: object, headers: dict[str, str], kind: type[WharfError], said: str, hint: str
) -> None:
    mock = Mock(lambda _request: answer(status, data, **headers))
    with mock.open() as github, pytest.raises(kind, match=said) as caught:
        github.call(method, "{repo}")
    assert type(caught.value) is kind
    assert hint in caught.value.hint
    assert TOKEN not in whole(caught.value) + caught.value.hint
    assert len(mock.seen) == 1


def test_without_a_token_a_404_says_that_one_may_be_needed() -> None:
    mock = Mock(lambda _request: answer(404, {}), token=None)
    with mock.open() as github, pytest.raises(NotFoundError) as caught:
        github.call("GET", "{repo}")
    assert "set WHARF_TOKEN" in caught.value.hint


@pytest.mark.parametrize("status", [409, 422])
@pytest.mark.parametrize(
    "data", [None, [], {"message": 5}, {"errors": 5}, {"errors": [None, 5, [], {"code": 1}]}, {"message": "x" * 9999}]
)
def test_a_refusal_of_a_strange_form_is_told_in_few_words(status: int, data: object) -> None:
    mock = Mock(lambda _request: answer(status, data))
    with mock.open() as github, pytest.raises(RejectedError) as caught:
        github.call("POST", "{repo}")
    assert len(caught.value.message) < 600


def test_what_github_says_has_no_control_characters() -> None:
    mock = Mock(lambda _request: answer(422, {"message": "a\x1b]0;title\x07\nb\u202ec"}))
    with mock.open() as github, pytest.raises(RejectedError) as caught:
        github.call("POST", "{repo}")
    assert caught.value.message.isprintable()


def test_a_token_that_is_revoked_or_may_not_write_is_told(ada: Person) -> None:
    for kind, said in (("classic", "Not Found"), ("fine-grained", "Resource not accessible by personal access token")):
        reader = ada.github.with_token(Secret(ada.hub.token("bob", {"acme/pkgs": "read"}, kind=kind)))
        with pytest.raises(NotAllowedError, match=said):
            reader.call("POST", "{repo}/releases", body={"tag_name": "x"})
    ada.hub.revoke(ada.token)
    for act in (lambda: ada.github.call("GET", "{repo}"), lambda: ada.github.graphql("query { viewer { login } }", {})):
        with pytest.raises(NotAllowedError, match="Bad credentials"):
            act()


# The token.


def test_the_token_is_in_no_text_whatever_goes_wrong(ada: Person, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = ada.draft()["upload_url"]
    ada.upload(url, "a.whl")
    errors: list[WharfError] = []
    for how in ("drop", "lose", "short", "401", "403", "404", "409", "422", "500", "502"):
        for act in (
            lambda: ada.github.call("GET", "{repo}"),
            lambda: ada.draft("x-1"),
            lambda: ada.upload(url, "b.whl"),
            lambda: ada.github.graphql("mutation { x }", {}),
        ):
            ada.hub.fault(".", how, times=99)
            with contextlib.suppress(UncertainError), pytest.raises(WharfError) as caught:
                act()
            errors.append(caught.value)
            ada.hub.faults._faults.clear()
    assert len(errors) == 40
    shown = [whole(error) + error.hint for error in errors] + [repr(ada.github), str(ada.github), repr(ada.github.token)]
    assert not [text for text in shown if ada.token in text]
    assert ada.token not in caplog.text


def test_no_frame_of_a_traceback_shows_the_token() -> None:
    def handle(_request: httpx.Request) -> httpx.Response:
        raise ZeroDivisionError

    with Mock(handle).open() as github, pytest.raises(ZeroDivisionError) as caught:
        github.call("POST", "{repo}/releases", body={"tag_name": "x"})
    text = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "_try" in text
    assert "tag_name" in text
    assert TOKEN not in text


@pytest.mark.parametrize("status", [200, 400, 403, 422, 503])
def test_a_server_that_repeats_the_token_does_not_get_it_shown(status: int) -> None:
    said = {"message": f"you sent {TOKEN}", "errors": [{"message": f"Bearer {TOKEN}"}]}
    mock = Mock(lambda _request: answer(status, said))
    with mock.open() as github:
        for act in (lambda: github.call("GET", "{repo}"), lambda: github.graphql("query { x }", {})):
            if status == 200 and len(mock.seen) == 0:
                assert TOKEN not in str(act())
            else:
                with pytest.raises(WharfError) as caught:
                    act()
                assert TOKEN not in whole(caught.value) + caught.value.hint


def test_no_proxy_comes_between_us_and_a_loopback_address(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    github, _, _ = connect(ada.hub, ada.repo, ada.token)
    with github:
        assert github.call("GET", "{repo}").status == 200
