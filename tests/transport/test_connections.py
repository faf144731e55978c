"""How connections are kept, used again, shared and given up, on real sockets."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.raw_server import Line, Server, always
from tests.transport.asking import OK, client, signed
from wharf.errors import UncertainError
from wharf.transport import connections, environment


def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    closed = threading.Event()

    def talk(line: Line) -> None:
        line.hear()
        line.say(OK)
        line.socket.shutdown(socket.SHUT_RDWR)
        line.socket.close()
        closed.set()

    with Server(talk) as server, client(server) as github:
        for _ in range(3):
            closed.clear()
            assert github.call("POST", "{repo}").data == {"a": 1}
            assert closed.wait(60)
    assert len(server.lines) == 3


def test_a_connection_is_used_again_unless_it_was_quiet_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(always(OK)) as server, client(server) as github:
        for method in ("GET", "POST", "GET"):
            github.call(method, "{repo}")
        assert len(server.lines) == 1
        monkeypatch.setattr(connections, "_KEPT", 0.0)
        github.call("GET", "{repo}")
        assert len(server.lines) == 2


def test_a_connection_that_is_closed_at_the_next_request_is_tried_again_where_that_is_safe() -> None:
    def talk(line: Line) -> None:
        line.hear()
        line.say(OK)
        line.hear()

    for method, ends in (("GET", contextlib.nullcontext()), ("POST", pytest.raises(UncertainError))):
        with Server(talk) as server, client(server) as github:
            github.call("GET", "{repo}")
            with ends:
                assert github.call(method, "{repo}").data == {"a": 1}
            assert len(server.heads) == 2 + (method == "GET")


@pytest.mark.slow
def test_more_threads_than_connections_wait_for_each_other() -> None:
    together, most, lock = 0, 0, threading.Lock()

    def talk(line: Line) -> None:
        nonlocal together, most
        while True:
            line.hear()
            with lock:
                together += 1
                most = max(most, together)
            line.say(OK[:-1])
            with lock:
                together -= 1
            line.say(OK[-1:])

    with Server(talk) as server, client(server) as github, ThreadPoolExecutor(60) as pool:
        assert {reply.status for reply in pool.map(lambda _: github.call("GET", "{repo}"), range(300))} == {200}
    assert most <= environment.CONNECTIONS


def test_what_is_not_read_to_its_end_takes_no_connection_away() -> None:
    def talk(line: Line) -> None:
        line.hear()
        line.say(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n" + bytes(1000))
        line.wait_for_end()

    with Server(talk) as server, client(server) as github:
        for _ in range(environment.CONNECTIONS + 5):
            with github.open(signed(server)) as download:
                next(download.chunks)
    assert len(server.lines) == environment.CONNECTIONS + 5


def test_an_interruption_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Line] = []

    def talk(line: Line) -> None:
        while True:
            line.hear()
            asked.append(line)
            if len(asked) == 1:
                os.kill(os.getpid(), signal.SIGINT)
                line.wait_for_end()
            line.say(OK)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Server(talk) as server, client(server) as github:
            with pytest.raises(KeyboardInterrupt):
                github.call("POST", "{repo}")
            assert github.call("POST", "{repo}").data == {"a": 1}
        assert len(server.lines) == 2
    finally:
        signal.signal(signal.SIGINT, before)
