"""Certificates are checked by what the environment names, and its proxy sees the name of a host and nothing else."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from tests.github.test_api import TOKEN, whole
from tests.raw_server import Line, Server, always, answer, proxy
from tests.transport.asking import OK, client
from wharf.errors import StorageError, UncertainError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_a_certificate_is_believed_if_the_environment_names_it(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(always(OK), certificate=certificate) as server:
        for variable, path in (("SSL_CERT_FILE", certificate), ("SSL_CERT_DIR", certificate.parent / "folder")):
            monkeypatch.setenv(variable, str(path))
            with client(server, host="localhost", scheme="https") as github:
                assert github.call("GET", "{repo}").data == {"a": 1}
            monkeypatch.delenv(variable)


def test_another_certificate_is_not_believed_and_nothing_is_sent(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(always(OK), certificate=certificate) as server:
        for host in ("localhost", "127.0.0.1"):  # unknown, and of another name
            for method in ("GET", "POST"):
                with client(server, host=host, scheme="https") as github, pytest.raises(StorageError) as caught:
                    github.call(method, "{repo}")
                assert not isinstance(caught.value, UncertainError)
                assert "certificate" in caught.value.message.lower()
                assert "SSL_CERT_FILE" in caught.value.hint
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert server.heads == []


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_proxy_gets_its_password_and_nothing_else(
    variable: str, scheme: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with proxy() as (between, seen), Server(always(OK), certificate=certificate) as server:
        monkeypatch.setenv(variable, f"{scheme}ada:p%40ss@127.0.0.1:{between.port}")
        with client(server, host="localhost", scheme="https") as github:
            assert github.call("GET", "{repo}").data == {"a": 1}
    (asked,) = between.heads
    assert asked.startswith(f"CONNECT localhost:{server.port} ")
    assert b64encode(b"ada:p@ss").decode() in asked
    assert TOKEN not in asked
    assert TOKEN.encode() not in seen
    (head,) = server.heads
    assert f"Bearer {TOKEN}" in head
    assert "proxy" not in head.lower()


@pytest.mark.parametrize("value", ["localhost", "*", "example.org, localhost", "LOCALHOST", "[::1],localhost"])
def test_no_proxy_is_used_where_the_environment_says_so(value: str, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("NO_PROXY", value)
    with proxy() as (between, _), Server(always(OK), certificate=certificate) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{between.port}")
        with client(server, host="localhost", scheme="https") as github:
            assert github.call("GET", "{repo}").data == {"a": 1}
    assert between.heads == []


@pytest.mark.parametrize(
    "said", [answer(status="407 Proxy Authentication Required"), answer(status="502 Bad Gateway"), b"x\r\n\r\n", b""]
)
def test_a_proxy_that_does_not_let_through_is_told_without_its_password(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy(said) as (between, _):
        monkeypatch.setenv("HTTPS_PROXY", f"http://ada:hunter2hunter2@127.0.0.1:{between.port}")
        for method in ("GET", "POST"):
            with client(between, host="localhost", scheme="https") as github, pytest.raises(StorageError) as caught:
                github.call(method, "{repo}")
            assert not isinstance(caught.value, UncertainError)
            assert "hunter2" not in whole(caught.value) + caught.value.hint
            assert "HTTPS_PROXY" in caught.value.hint
    assert not [head for head in between.heads if not head.startswith("CONNECT ")]


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"])
def test_a_change_through_a_proxy_whose_answer_is_lost_is_not_sent_again(
    said: bytes, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def talk(line: Line) -> None:
        line.hear()
        line.say(said)

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with proxy() as (between, _), Server(talk, certificate=certificate) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{between.port}")
        with client(server, host="localhost", scheme="https") as github, pytest.raises(UncertainError):
            github.call("POST", "{repo}/releases", body={})
    assert len(server.heads) == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [("SSL_CERT_DIR", "/nonexistent"), ("HTTPS_PROXY", "ftp://x"), ("HTTPS_PROXY", "http://[x"), ("ALL_PROXY", "http://")],
)
def test_an_environment_that_leads_nowhere_is_told(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with Server(always(OK)) as server, client(server, scheme="https") as github, pytest.raises(UsageError) as caught:
        github.call("GET", "{repo}")
    assert variable in caught.value.message + caught.value.hint
