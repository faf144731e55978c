"""Installers of several years from each way to serve an index: one pip for each way in which pips have read its pages.

All that a page can say is needed at once: dependencies (under a name in another spelling), core metadata, a release for other
Pythons, a yanked one, an sdist.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from tests import web_servers
from tests.makers import make_sdist, make_wheel

from .clients import downloaded, older_python
from .packages import DownloadError
from .programs import Machine, command, script, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real

PIPS = {
    "20.3": "HTML alone",
    "22.2": "JSON",
    "22.3.1": "core metadata by its first name, which breaks on it in JSON",
    "23.0.1": "the same; comes with Debian 12",
    "23.1.2": "the last of them",
    "24.0": "core metadata by both names",
    "": "the one of today",
}
UVS = {"0.1.45": "the first year", "0.7.3": "some 18 months old", "": "the one of today"}
CLIENTS = [*(("pip", version) for version in PIPS), *(("uv", version) for version in UVS)]
READS_METADATA = {"24.0", ""}  # of JSON pages
INSTALLED = {"app-1.0", "the_helper-1.0", "built-1.0"}


@dataclass(frozen=True, slots=True)
class Offer:
    """One index, as a store and as a site."""

    store: Path
    site: Path


@pytest.fixture(scope="module")
def offer(tmp_path_factory: pytest.TempPathFactory) -> Offer:
    machine = Machine(tmp_path_factory.mktemp("offer"))
    dist, offer = machine.home / "dist", Offer(machine.home / "store", machine.home / "site")
    files = [
        make_wheel(dist, "app", "1.0", requires=["The-Helper>=1"]),
        make_wheel(dist, "app", "2.0"),
        make_wheel(dist, "the.helper", "1.0", requires_python=">=3"),
        make_wheel(dist, "the.helper", "2.0", requires_python=">=99"),
        make_sdist(dist, "built", "1.0"),
    ]
    machine.wharf(offer.store, "publish", *files)
    machine.wharf(offer.store, "yank", "app==2.0")
    machine.wharf(offer.store, "build", "--with-files", offer.site)
    return offer


@pytest.fixture(scope="module")
def served(offer: Offer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the list at `wharf serve`."""
    with serving(Machine(tmp_path_factory.mktemp("served")), offer.store) as found:
        yield found.simple


@pytest.fixture(scope="module")
def hosted(offer: Offer) -> Iterator[str]:
    """The address of the list of the static site."""
    if sys.platform != "linux":
        pytest.skip("nginx is started as Debian's package installs it")
    with web_servers.serving("nginx", offer.site) as url:
        yield f"{url}/simple/"


@pytest.fixture(scope="module")
def plain(offer: Offer) -> Iterator[str]:
    """The address of the list of a host that chooses no format, as GitHub Pages: HTML for all."""
    handler = partial(_Quiet, directory=str(offer.site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/simple/"
        server.shutdown()
        thread.join(60)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *words: object) -> None:  # noqa: A002
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class Client:
    """An installer, how it is called, and the Python that it installs for."""

    name: str
    version: str
    program: tuple[str, ...]
    python: str

    def install(self, machine: Machine) -> list[str]:
        """The command that installs into a fresh environment."""
        machine.run(self.python, "-m", "venv", "--without-pip", machine.home / "fresh")
        python = str(machine.home / "fresh" / "bin" / "python")
        if self.name == "uv":
            return [*self.program, "pip", "install", "--no-cache", "--python", python, "app", "built"]
        start = [python, *self.program] if self.version else [*self.program, python]
        return [*start, "install", "--no-cache-dir", "--no-input", "--disable-pip-version-check", "app", "built"]

    def check(self, machine: Machine, said: str) -> None:
        """What is installed, and whether the metadata of wheels was read by itself."""
        found = {path.name.removesuffix(".dist-info") for path in machine.home.glob("fresh/lib/*/site-packages/*.dist-info")}
        assert found == INSTALLED, said
        if self.name == "pip":
            assert (".whl.metadata" in said) is (self.version in READS_METADATA), said


@pytest.fixture(scope="module", params=CLIENTS, ids="-".join)
def client(request: pytest.FixtureRequest) -> Client:
    name, version = request.param
    if not version:
        program = (sys.executable, "-m", "pip", "--python") if name == "pip" else (script("uv"),)
        return Client(name, version, program, sys.executable)
    python = older_python()
    if python is None:
        missing = "Python 3.11, 3.10 or 3.9 is missing, and older pips start on no newer one"
        if os.environ.get("CI"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    try:
        folder = downloaded(f"{name}=={version}")
    except DownloadError as error:
        problem = str(error)
    else:
        return Client(name, version, (str(folder / ("pip" if name == "pip" else "bin/uv")),), python)
    pytest.fail(problem, pytrace=False)


@pytest.mark.parametrize("front", ["served", "hosted", "plain"])
def test_installing_by_an_address(client: Client, front: str, request: pytest.FixtureRequest, machine: Machine) -> None:
    ran = machine.run(*client.install(machine), "--index-url", request.getfixturevalue(front))
    client.check(machine, ran.text)


def test_installing_beside_a_run(client: Client, offer: Offer, machine: Machine) -> None:
    words = client.install(machine)
    if (client.name, client.version) == ("uv", "0.1.45"):  # which knows no indexes with a name
        words = ["sh", "-c", 'exec "$@" --index-url "$PIP_INDEX_URL"', "sh", *words]
    ran = machine.run(*command(offer.store), "run", "--", *words)
    client.check(machine, ran.text)
