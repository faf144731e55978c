"""`wharf --server https://HOST/PATH/` with a real nginx in between, and a proxy on the way to it."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import web_servers
from tests.cli.server_world import LIMIT, Said, World, run_wharf, serving_world
from tests.makers import make_sdist, make_wheel
from tests.raw_server import Server, always, answer, proxy

from .documents import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

pytestmark = pytest.mark.real

ROOT = "/packages"
_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority (`ca.pem`), and with a certificate of localhost that it signed and the key (`both.pem`)."""
    folder = tmp_path_factory.mktemp("tls")
    openssl = shutil.which("openssl")
    assert openssl
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    (folder / "names").write_text("subjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\n", encoding="utf-8")
    serial = ("-CAcreateserial", "-extfile", "names")
    for words in (
        ("req", "-x509", *key, "-days", "2", "-subj", "/CN=An authority", "-out", "ca.pem", "-keyout", "ca.key"),
        ("req", *key, "-subj", "/CN=localhost", "-out", "request", "-keyout", "key"),
        ("x509", "-req", "-in", "request", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2", "-out", "cert", *serial),
    ):
        subprocess.run([openssl, *words], cwd=folder, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    (folder / "both.pem").write_text((folder / "cert").read_text() + (folder / "key").read_text(), encoding="utf-8")
    return folder


@pytest.fixture
def world(store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[World]:
    with serving_world(store, monkeypatch, capsys, open_reading=False, root_path=ROOT) as world:
        yield world


def location(world: World, **changed: str) -> str:
    """What docs/server.md shows for nginx, before this server, with some of its values changed."""
    (block,) = (block for block in blocks(Path("docs/server.md")) if block.language == "nginx")
    text = block.text.replace("http://127.0.0.1:8000", world.url)
    for old, new in {"2g": "4m", **changed}.items():
        assert old in text
        text = text.replace(old, new)
    return text


def before(world: World, tls: Path, **changed: str) -> AbstractContextManager[str]:
    """An nginx with TLS before the server."""
    return web_servers.nginx(location(world, **changed), tls / "both.pem")


def error_of(said: Said) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said.out)["error"]
    return found


def test_all_of_it_goes_through_nginx_with_a_certificate_of_an_own_authority(
    world: World, tls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls / "ca.pem"))
    large = make_wheel(tmp_path, content=f"x = {'1' * 3_000_000}")
    with before(world, tls) as address:
        for url in (f"{address}{ROOT}", f"{address}{ROOT}/main/simple/"):
            assert world.wharf("list", "--json", url=url).document == {"projects": []}
        staged = world.wharf("publish", large, make_sdist(tmp_path), "--stage", "--json", url=f"{address}{ROOT}").document
        assert staged["staged"][0]["stage"].startswith(f"{address}{ROOT}/-/stage/"), "an address that works from here"
        done = world.wharf("publish", large, make_sdist(tmp_path), "--json", url=f"{address}{ROOT}").document
        assert (len(done["published"]), done["repository"]) == (2, f"{address}{ROOT}/")
        assert world.wharf("yank", "demo==1.0", "--json", url=f"{address}{ROOT}").document["changed"]
        (file, _) = world.wharf("show", "demo", "--json", url=f"{address}{ROOT}").document["files"]
        assert file["url"].startswith(f"{address}{ROOT}/main/files/")


@pytest.mark.parametrize(
    "changed", [{"proxy_request_buffering off;": ""}, {"client_max_body_size 4m;": "proxy_buffering off;"}]
)
def test_nginx_may_hold_back_or_pass_on_what_comes(
    changed: dict[str, str], world: World, tls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls / "ca.pem"))
    files = [make_wheel(tmp_path, files={"demo/data": ssl.RAND_bytes(700_000)}), make_wheel(tmp_path, "other")]
    with before(world, tls, **changed) as address:
        done = world.wharf("publish", *files, "--json", url=f"{address}{ROOT}").document
        assert len(done["published"]) == 2
        shown = world.wharf("show", "demo", "--json", url=f"{address}{ROOT}").document
        assert shown["files"][0]["size"] == files[0].stat().st_size


def test_a_certificate_that_nobody_vouches_for_is_refused_with_what_to_do(
    world: World, tls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with before(world, tls) as address:
        for url, environ in ((address, None), (address.replace("localhost", "127.0.0.1"), tls / "ca.pem")):
            if environ is not None:
                monkeypatch.setenv("SSL_CERT_FILE", str(environ))
            error = error_of(world.wharf("list", "--json", url=f"{url}{ROOT}", code=8))
            assert "certificate" in error["message"].lower()
            assert "SSL_CERT_FILE" in error["hint"]


def test_a_proxy_on_the_way_sees_neither_token_nor_path(world: World, tls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls / "ca.pem"))
    with before(world, tls) as address, proxy() as (between, seen):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{between.port}")
        world.wharf("list", url=f"{address}{ROOT}")
        assert {head.split()[0] for head in between.heads} == {"CONNECT"}
        passed = bytes(seen) + str(between.heads).encode()
        assert not [each for each in (b"wharf_", b"uthorization", b"/-/api") if each in passed]
        count = len(between.heads)
        monkeypatch.setenv("NO_PROXY", "localhost")
        world.wharf("list", url=f"{address}{ROOT}")
        assert len(between.heads) == count
        monkeypatch.delenv("NO_PROXY")
    with before(world, tls) as address, proxy(answer(b"no", status="407 Proxy Authentication Required")) as (between, _):
        monkeypatch.setenv("HTTPS_PROXY", f"http://ada:hunter2hunter2@127.0.0.1:{between.port}")
        said = world.wharf("list", "--json", url=f"{address}{ROOT}", code=8)
    assert "HTTPS_PROXY" in error_of(said)["hint"]
    assert "hunter2" not in said.out + said.err


def test_a_limit_of_nginx_is_told_by_the_name_of_its_setting(
    world: World, tls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls / "ca.pem"))
    large = make_wheel(tmp_path, files={"demo/data": ssl.RAND_bytes(LIMIT // 2)})
    with before(world, tls, **{"2g": "1m"}) as address:
        error = error_of(world.wharf("publish", large, "--json", url=f"{address}{ROOT}", code=8))
        assert "answers 413" in error["message"]
        assert "client_max_body_size" in error["hint"]
    with before(world, tls, **{world.url: "http://127.0.0.1:1"}) as address:
        error = error_of(world.wharf("list", "--json", url=f"{address}{ROOT}", code=8))
        assert "answers 502" in error["message"]
        assert "proxy_pass" in error["hint"]
    with before(world, tls, **{"Host $http_host": "Host elsewhere.example"}) as address:
        error = error_of(world.wharf("publish", large, "--json", url=f"{address}{ROOT}", code=8))
        assert "Host" in error["hint"]


@pytest.mark.parametrize("status", ["301", "307", "308"])
def test_no_redirect_of_nginx_gets_the_token(
    status: str, tls: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither another host nor the way from https to http."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls / "ca.pem"))
    monkeypatch.setenv("WHARF_TOKEN", "wharf_" + "x" * 43)
    with Server(always(answer())) as other:
        for target in (f"http://localhost:{other.port}", f"http://127.0.0.1:{other.port}"):
            with web_servers.nginx(f"location / {{ return {status} {target}$request_uri; }}", tls / "both.pem") as address:
                error = error_of(run_wharf(capsys, "--server", address, "list", "--json", code=8))
            assert "no token follows a redirect" in error["message"]
            assert target.rpartition(":")[0] in error["message"]
        assert other.heads == []
