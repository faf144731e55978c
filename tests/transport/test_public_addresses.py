"""Connections to public addresses alone, by the address that is connected to and not by the name."""

from __future__ import annotations

import base64
import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.raw_server import Server, answer, proxy
from wharf.errors import UsageError
from wharf.secret import Secret
from wharf.transport.environment import EnvironmentPools, read_certificates
from wharf.transport.http_client import NoAnswerError, Request, Transport
from wharf.transport.public_addresses import PublicAddresses

if TYPE_CHECKING:
    from pathlib import Path

OK = answer(b"hello")
PUBLIC = "93.184.215.14"


def talk(line: Any) -> None:
    while True:
        line.hear()
        line.say(OK)


class Names:
    """A resolver: the next answer for a name is the next of its addresses, and the last one stays."""

    def __init__(self, **addresses: list[list[str]]) -> None:
        self.left = {name.replace("_", "."): found for name, found in addresses.items()}
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        found = self.left[host]
        given = found.pop(0) if len(found) > 1 else found[0]
        return [each for address in given for each in socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)]


def get(url: str, public: PublicAddresses | None, *, ca_file: Path | None = None, proxy: str | None = None) -> bytes:
    transport = Transport(EnvironmentPools(public=public, certificates=read_certificates(ca_file), proxy=proxy))
    try:
        answered = transport.send(Request(method="GET", url=url, patience=5))
        try:
            return answered.read(1000)
        finally:
            answered.close()
    finally:
        transport.close()


NOT_PUBLIC = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::1", "::", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fe80::1",
    "fc00::1", "ff02::1",
]  # fmt: skip


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_name_that_leads_to_no_public_address_is_not_connected_to(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = PublicAddresses(lambda _host, port: [(family, socket.SOCK_STREAM, 6, "", (address, port))])
    with pytest.raises(NoAnswerError, match="not public") as caught:
        get("http://name.example.com/", found)
    assert not caught.value.sent


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "127.1", "0"])
def test_nor_is_this_machine_in_any_spelling(host: str) -> None:
    with Server(talk) as server:
        with pytest.raises(NoAnswerError):
            get(f"http://{host}:{server.port}/", PublicAddresses())
        assert not server.lines


def test_the_address_that_was_looked_at_is_the_one_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[Any] = []

    def connect(self: socket.socket, address: Any) -> None:
        connected.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket.socket, "connect", connect)
    names = Names(name_example_com=[[PUBLIC, "127.0.0.1"], ["127.0.0.1"]])
    with pytest.raises(NoAnswerError, match="refused"):
        get("http://name.example.com:81/", PublicAddresses(names))
    assert connected == [(PUBLIC, 81)]
    assert names.asked == ["name.example.com"]
    with pytest.raises(NoAnswerError, match="not public"):
        get("http://name.example.com:81/", PublicAddresses(names))
    assert len(connected) == 1


def test_an_upstream_on_this_machine_may_lead_to_this_machine() -> None:
    names = Names(up_example_com=[["127.0.0.1"]], files_example_com=[["127.0.0.1"]], public_example_com=[[PUBLIC]])
    with Server(talk) as server:
        url = f"http://files.example.com:{server.port}/"
        assert get(url, PublicAddresses(names, home=("up.example.com", 80))) == b"hello"
        with pytest.raises(NoAnswerError, match="not public"):
            get(url, PublicAddresses(names, home=("public.example.com", 80)))
        with pytest.raises(NoAnswerError, match="not public"):
            get(url, PublicAddresses(names))


def test_tls_checks_the_name_and_not_the_address(certificate: Path) -> None:
    names = Names(localhost=[["127.0.0.1"]], other_example_com=[["127.0.0.1"]])
    home = PublicAddresses(names, home=("localhost", 1))
    with Server(talk, certificate=certificate) as server:
        assert get(f"https://localhost:{server.port}/", home, ca_file=certificate) == b"hello"
        with pytest.raises(NoAnswerError, match="certificate"):
            get(f"https://other.example.com:{server.port}/", home, ca_file=certificate)
        with pytest.raises(NoAnswerError, match="certificate"):
            get(f"https://localhost:{server.port}/", home)


def test_a_proxy_of_the_operator_is_asked_for_public_names_and_for_those_that_it_alone_knows(certificate: Path) -> None:
    def resolve(host: str, port: int) -> list[tuple[Any, ...]]:
        if host == "localhost":
            raise socket.gaierror(-2, "Name or service not known")
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)

    with Server(talk, certificate=certificate) as server, proxy() as (between, _):
        through = f"http://127.0.0.1:{between.port}"
        assert (
            get(f"https://localhost:{server.port}/", PublicAddresses(resolve), ca_file=certificate, proxy=through) == b"hello"
        )
        assert len(between.heads) == 1
        with pytest.raises(NoAnswerError, match="not public"):
            get(f"https://127.0.0.1:{server.port}/", PublicAddresses(resolve), ca_file=certificate, proxy=through)
        assert len(between.heads) == 1


def test_a_proxy_of_the_operator_is_asked_for_http_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")  # which says something of the environment's proxy
    with Server(talk) as between:
        assert get("http://127.0.0.1:1/simple/", None, proxy=f"http://127.0.0.1:{between.port}") == b"hello"
        assert between.heads[0].startswith("GET http://127.0.0.1:1/simple/ ")


def test_authorities_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing"):
        read_certificates(tmp_path / "nothing")
    (tmp_path / "empty").write_text("x")
    with pytest.raises(UsageError, match="empty"):
        read_certificates(tmp_path / "empty")


def test_a_user_and_a_password_are_sent_and_not_shown() -> None:
    with Server(talk) as server:
        transport = Transport(EnvironmentPools())
        request = Request(method="GET", url=f"http://127.0.0.1:{server.port}/", basic=("me", Secret("hunter2 ü")))
        transport.send(request).close()
        transport.close()
        assert "hunter2" not in repr(request)
        (head,) = server.heads
    given = head.split("authorization: Basic ")[1].split("\r\n")[0]
    assert base64.b64decode(given).decode() == "me:hunter2 ü"
