"""The ways to a server that are not plain HTTP at the root: below a path of a proxy, and by HTTPS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .programs import Machine, Served, serving
from .proxy import proxied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Full

pytestmark = pytest.mark.real

SELF_SIGNED = (
    *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=wharf test"),
    *("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"),
)


@pytest.fixture(scope="module")
def secure(full: Full, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Path]]:
    """A server that speaks HTTPS, and the certificate that it has signed itself."""
    machine = Machine(tmp_path_factory.mktemp("secure"))
    certificate, key = machine.home / "cert.pem", machine.home / "key.pem"
    machine.run(*SELF_SIGNED, "-out", certificate, "-keyout", key)
    with serving(machine, full.store, "--tls-cert", certificate, "--tls-key", key) as served:
        assert served.url.startswith("https://")
        yield served, certificate


@pytest.mark.parametrize("strip", [True, False], ids=["stripped", "left"])
@pytest.mark.parametrize("simple", ["/simple/", "/simple"])
def test_pip_and_uv_install_from_below_a_path(full: Full, machine: Machine, strip: bool, simple: str) -> None:
    with (
        serving(machine, full.store, "--root-path", "/packages", warns="--auth tokens") as served,
        proxied(served, "/packages", strip=strip) as proxy,
    ):
        python = machine.environment("by-pip")
        machine.pip(python, "install", "--index-url", f"{proxy.served.url}{simple}", "Flask", "localized")
        machine.value(python, "flask.Flask")
        python = machine.uv_environment("by-uv")
        machine.uv("pip", "install", "--python", python, "--default-index", f"{proxy.served.url}{simple}", "Flask", "localized")
        machine.value(python, "flask.Flask")
    assert all(path.startswith("/packages/") for path in proxy.asked)


def test_pip_installs_by_https(secure: tuple[Served, Path], machine: Machine) -> None:
    served, certificate = secure
    python = machine.environment()
    words = ("install", "--index-url", served.simple, "Flask")
    assert "certificate" in machine.pip(python, *words, "--retries", "0", fails=True).text
    machine.pip(python, *words, "--cert", certificate)
    machine.value(python, "flask.Flask")


def test_uv_installs_by_https(secure: tuple[Served, Path], machine: Machine) -> None:
    served, certificate = secure
    python = machine.uv_environment()
    words = ("pip", "install", "--python", python, "--default-index", served.simple, "Flask")
    assert "certificate" in machine.uv(*words, fails=True, UV_HTTP_RETRIES="0").text
    machine.uv(*words, SSL_CERT_FILE=str(certificate))
    machine.value(python, "flask.Flask")
