"""What gets into a request, and what is taken for an answer, on real sockets."""

from __future__ import annotations

import gzip
import io
import socket
import tracemalloc
from pathlib import Path

import pytest

from tests.github.test_api import TOKEN
from tests.raw_server import JSON, Line, Server, always, answer
from tests.transport.asking import CHUNKED, MIB, OK, client, signed, upload
from wharf.errors import AnswerTooLargeError, StorageError, UncertainError
from wharf.github import wire

# What gets into a request.


def test_neither_cookies_nor_netrc_say_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = Path.home() / ".netrc"
    netrc.write_text("machine 127.0.0.1 login ada password hunter2\ndefault login ada password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with Server(always(answer(b"{}", "set-cookie: session=1; Path=/"))) as server:
        for token in (None, TOKEN):
            with client(server, token) as github:
                github.call("GET", "{repo}")
                github.call("GET", "{repo}")
                with github.open(signed(server)) as download:
                    b"".join(download.chunks)
    assert len(server.heads) == 6
    for number, head in enumerate(server.heads):
        words = [line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("authorization:")]
        assert words == ([f"Bearer {TOKEN}"] if number in {3, 4} else [])
        assert "\r\ncookie:" not in head.lower()


def test_an_upload_says_its_length_and_is_not_held_in_memory() -> None:
    class Zeros(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            self.left -= (given := min(size, self.left))
            return bytes(given)

        def seek(self, _at: int, _whence: int = 0) -> int:
            self.left = 64 * MIB
            return 0

    with Server(always(answer(b"{}", status="201 Created"))) as server, client(server) as github:
        github.call("GET", "{repo}", allow={201})
        tracemalloc.start()
        try:
            assert upload(github, Zeros(), 64 * MIB) == 201
            assert tracemalloc.get_traced_memory()[1] < 8 * MIB
        finally:
            tracemalloc.stop()
    head = server.heads[1].lower()
    assert f"content-length: {64 * MIB}\r\n" in head
    assert "transfer-encoding" not in head


def test_the_answer_to_an_upload_may_come_before_its_end() -> None:
    def talk(line: Line) -> None:
        line.hear(body=False)
        line.say(answer(b'{"message": "not this"}', "connection: close", status="422 No"))
        line.socket.shutdown(socket.SHUT_WR)
        line.wait_for_end()

    with Server(talk) as server, client(server) as github, pytest.raises(StorageError, match="not this"):
        upload(github, io.BytesIO(bytes(8 * MIB)), 8 * MIB)


# How answers come.


def test_interim_answers_are_passed_over() -> None:
    def talk(line: Line) -> None:
        while True:
            line.hear()
            line.say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 102 x\r\n\r\n" + OK)

    with Server(talk) as server, client(server) as github:
        for method in ("GET", "POST"):
            assert github.call(method, "{repo}").data == {"a": 1}
    assert len(server.lines) == 1


@pytest.mark.parametrize("data", [b"x: y\r\n", b"x"], ids=["lines", "line"])
def test_the_head_of_an_answer_is_not_read_without_end(data: bytes) -> None:
    sent = [0]

    def talk(line: Line) -> None:
        line.hear()
        line.say(b"HTTP/1.1 200 OK\r\n")
        while True:
            line.say(data * 10_000)
            sent.append(len(data) * 10_000)

    with Server(talk) as server, client(server) as github:
        with pytest.raises(UncertainError):
            github.call("POST", "{repo}")
        with pytest.raises(StorageError):
            github.call("GET", "{repo}")
        with pytest.raises(StorageError), github.open(signed(server)):
            pass
    assert sum(sent) < 100 * MIB


HEAD = f"HTTP/1.1 200 OK\r\n{JSON}\r\n".encode()


@pytest.mark.parametrize(
    "said",
    [b"", b"\x00\x01\x02\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"SSH-2.0-x\r\n", b"HTTP/1.1 200", b"HTTP/1.1 204 x\r\n",
     HEAD, HEAD + b"link: </x>; rel", HEAD + b"no colon\r\ncontent-length: 2\r\n\r\n{}", HEAD + b"content-length: x\r\n\r\n{}",
     HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}", HEAD + b"transfer-encoding: x, chunked\r\n\r\n0\r\n\r\n"],
)  # fmt: skip
def test_what_is_no_whole_answer_is_none(said: bytes) -> None:
    def talk(line: Line) -> None:
        line.hear()
        line.say(said)

    with Server(talk) as server, client(server) as github:
        with pytest.raises(UncertainError):
            github.call("POST", "{repo}")
        with pytest.raises(StorageError) as caught:
            github.call("GET", "{repo}")
        assert not isinstance(caught.value, UncertainError)
        with pytest.raises(StorageError, match="GitHub's storage"), github.open(signed(server)):
            pass


def test_a_body_may_come_in_chunks() -> None:
    with Server(always(CHUNKED + b'3\r\n{"a\r\n5;x=y\r\n": 1}\r\n0\r\nx: y\r\n\r\n')) as server, client(server) as github:
        assert github.call("GET", "{repo}").data == {"a": 1}
        with github.open(signed(server)) as download:
            assert (download.size, b"".join(download.chunks)) == (None, b'{"a": 1}')
        assert github.call("GET", "{repo}").data == {"a": 1}
    assert len(server.lines) == 1


@pytest.mark.parametrize("rest", [b'8\r\n{"a": 1}\r\n', b"8\r\n{", b"x\r\n", b"-1\r\n", b"1" * 100_000], ids=str)
def test_chunks_that_do_not_end_are_no_answer(rest: bytes) -> None:
    def talk(line: Line) -> None:
        line.hear()
        line.say(CHUNKED + rest)

    with Server(talk) as server, client(server) as github:
        with pytest.raises(UncertainError):
            github.call("POST", "{repo}")
        with pytest.raises(StorageError):
            github.call("GET", "{repo}")
        with pytest.raises(StorageError), github.open(signed(server)) as download:
            list(download.chunks)


@pytest.mark.parametrize("line", [b"x: y\r\n", b"x" * 100])
def test_what_follows_a_body_in_chunks_is_not_read_without_end(line: bytes) -> None:
    sent = [0]

    def talk(connection: Line) -> None:
        connection.hear()
        connection.say(CHUNKED + b"1\r\nx\r\n0\r\n")
        for _ in range(2000):
            connection.say(line * 10_000)
            sent[0] += 1

    with (
        Server(talk) as server,
        client(server) as github,
        pytest.raises(StorageError, match="did not come to its end"),
        github.open(signed(server)) as download,
    ):
        list(download.chunks)
    assert sent[0] < 2000


@pytest.mark.slow
def test_a_body_that_unpacks_to_much_more_is_not_unpacked_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(bytes(256 * MIB), 1)
    monkeypatch.setattr(wire, "MAX_BODY", MIB)
    with Server(always(answer(packed, "content-encoding: gzip"))) as server, client(server) as github:
        tracemalloc.start()
        try:
            with pytest.raises(AnswerTooLargeError):
                github.call("GET", "{repo}")
            assert tracemalloc.get_traced_memory()[1] < 4 * MIB
        finally:
            tracemalloc.stop()


def test_a_download_comes_no_faster_than_it_is_read() -> None:
    sent: list[int] = []

    def talk(line: Line) -> None:
        line.hear()
        line.say(f"HTTP/1.1 200 OK\r\ncontent-length: {256 * MIB}\r\n\r\n".encode())
        for _ in range(256):
            line.say(bytes(MIB))
            sent.append(MIB)

    with Server(talk) as server, client(server) as github:
        with github.open(signed(server)) as download:
            assert download.size == 256 * MIB
            assert len(next(download.chunks)) <= MIB
        assert sum(sent) < 64 * MIB
