# ruff: noqa: F811 - fixtures are arguments of their own name
"""How requests of GitHub's API are sent: what is tried again or waited for, and the bounds of every answer."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest
from urllib3 import exceptions as failures

from tests.github.test_api import HERE, TOKEN, Mock, Person, ada, answer, connect, hub, whole  # noqa: F401 - fixtures
from wharf.errors import QuotaError, StorageError, UncertainError, UsageError
from wharf.github import wire
from wharf.github.api import GitHub
from wharf.github.request_turns import Waiting
from wharf.github.wire import CHUNK, TRIES
from wharf.repository_address import Address
from wharf.secret import Secret
from wharf.transport import answer_deadline, http_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulator import Hub

    Handler = Callable[[httpx.Request], httpx.Response]


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


@pytest.mark.parametrize("error", [failures.ConnectTimeoutError, failures.EmptyPoolError])
def test_what_was_never_sent_is_tried_again_whatever_it_is(error: type[failures.HTTPError]) -> None:
    fails = [error(None, "no"), error(None, "no")]

    def handle(_request: httpx.Request) -> httpx.Response:
        if fails:
            raise fails.pop()
        return answer(201, {})

    mock = Mock(handle)
    with mock.open() as github:
        assert github.call("POST", "{repo}/releases", body={}).status == 201
    assert mock.slept == [0.5, 1.0]


@pytest.mark.parametrize("error", [failures.TimeoutError(), failures.ProtocolError("no"), failures.SSLError("no")])
def test_what_was_sent_in_part_is_uncertain(error: failures.HTTPError) -> None:
    def handle(_request: httpx.Request) -> httpx.Response:
        raise error

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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "drop"),
    [(HEAD + b"content-length: 99999\r\n\r\n", b" "), (HEAD + b"x: ", b"x"), (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n")],
    ids=["body", "header", "hints"],
)
def test_an_answer_that_comes_by_drops_is_not_waited_for_without_end(
    first: bytes, drop: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "PATIENCE", 0.3)

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


@pytest.mark.parametrize(("size", "seconds", "good"), [(1000, 1, True), (60_000, 60, True), (999, 1, False), (1, 59, False)])
def test_a_download_that_hardly_moves_is_given_up(
    size: int, seconds: float, good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Time()
    monkeypatch.setattr(http_client, "time", clock)
    monkeypatch.setattr(http_client, "QUIET", 10.0)
    mock = Mock(lambda _request: httpx.Response(200, stream=Slow(clock, size, seconds)))
    ends = contextlib.nullcontext() if good else pytest.raises(StorageError, match="too slow")
    with mock.open() as github, ends, github.open("https://storage.example/x") as download:
        for chunk in download.chunks:
            assert len(chunk) == size
            clock.now += 1000  # what whoever asked does with it


def test_a_download_may_take_longer_than_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, begun = Time(), threading.Event()
    for each in (http_client, answer_deadline):
        monkeypatch.setattr(each, "time", clock)
    monkeypatch.setattr(http_client, "_SLOWEST", 0)

    def say(connection: socket.socket, _stop: threading.Event) -> None:
        connection.sendall(HEAD + b"content-length: 30\r\n\r\n")
        begun.wait(60)
        for _ in range(30):
            clock.now += http_client.PATIENCE
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


@pytest.mark.slow
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
