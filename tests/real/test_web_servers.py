"""The site of `wharf build --with-files` behind nginx, Caddy and Apache, configured as docs/static-site.md shows."""

from __future__ import annotations

import gzip
import http.client
import json
import sys
import threading
from base64 import b64encode
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests import web_servers
from tests.accepts import ACCEPTS
from tests.makers import make_sdist, make_wheel
from tests.web_servers import KINDS, Login, program, serving
from wharf.pages.page_format import Format

from .programs import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(sys.platform != "linux", reason="the servers are started as Debian's packages install them"),
]

JSON = "application/vnd.pypi.simple.v1+json"
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
USER, PASSWORD = "ada", "correct-horse"
BASIC = {"Authorization": "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came: nothing is unpacked, and no redirect followed."""

    status: int
    headers: dict[str, str]
    body: bytes

    def vary(self) -> set[str]:
        return {each.strip() for each in self.headers.get("vary", "").lower().split(",")}


def ask(url: str, path: str, **headers: str | list[str]) -> Answer:
    """The answer; a header with several values comes in as many lines."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    try:
        connection.putrequest("GET", path, skip_accept_encoding="Accept_Encoding" in headers)
        for name, values in headers.items():
            for value in [values] if isinstance(values, str) else values:
                connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        found: dict[str, str] = {}
        for name, value in answer.getheaders():
            found[name.lower()] = f"{found[name.lower()]}, {value}" if name.lower() in found else value
        return Answer(answer.status, found, answer.read())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with its files, beside which lies what nobody is to see."""
    machine = Machine(tmp_path_factory.mktemp("site"))
    store, out, dist = machine.home / "store", machine.home / "out", machine.home / "dist"
    files = [make_wheel(dist, "demo", "1.0", requires=["helper>=1"]), make_wheel(dist, "helper", "1.0")]
    files += [make_sdist(dist, "helper", "0.5"), make_wheel(dist, "demo", "0.9+local.1")]
    machine.wharf(store, "publish", *files)
    machine.wharf(store, "build", "--with-files", out)
    for hidden in (
        out / ".staging-1" / "page",
        out / "simple" / "demo" / ".hidden",
        out / ".git" / "config",
        out / ".htaccess",
    ):
        hidden.parent.mkdir(exist_ok=True)
        hidden.write_text("hush")
    return out


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture(scope="module")
def url(kind: str, site: Path) -> Iterator[str]:
    """The address of a server of each kind."""
    with serving(kind, site) as address:
        yield address


@pytest.fixture(scope="module")
def private(kind: str, site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same, with a login."""
    machine = Machine(tmp_path_factory.mktemp("login"))
    line = machine.run(program("htpasswd"), "-nbB", USER, PASSWORD).out.strip()
    with serving(kind, site, Login(USER, line.partition(":")[2])) as address:
        yield address


@pytest.fixture(scope="session")
def accepts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What pip and uv of today say that they accept, overheard."""
    heard: dict[str, str] = {}

    class Ear(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard[self.headers["User-Agent"].partition("/")[0]] = self.headers["Accept"]
            self.send_error(404)

        def log_message(self, *_arguments: object) -> None: ...

    machine = Machine(tmp_path_factory.mktemp("ear"))
    with ThreadingHTTPServer(("127.0.0.1", 0), Ear) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        simple = f"http://127.0.0.1:{server.server_port}/simple/"
        python = machine.environment()
        machine.pip(python, "install", "--index-url", simple, "demo", fails=True)
        machine.uv("pip", "install", "--python", python, "--default-index", simple, "demo", fails=True)
        server.shutdown()
    assert set(heard) == {"pip", "uv"}
    return heard


@pytest.mark.parametrize("client", ["pip", "uv"])
def test_installers_get_json(url: str, site: Path, accepts: dict[str, str], client: str) -> None:
    for path in ("/simple/", "/simple/demo/", "/simple/helper/"):
        answer = ask(url, path, Accept=accepts[client])
        assert (answer.status, answer.headers["content-type"]) == (200, JSON)
        assert answer.body == (site / f"{path.strip('/')}/index.v1_json").read_bytes()
        assert "accept" in answer.vary()
        assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "accept",
    [
        *(JSON, JSON.replace("v1", "latest"), f"{JSON.replace('v1', 'latest')}, text/html;q=0.1", JSON.upper()),
        *(f"text/html;q=0.2,{JSON}", f"{JSON};q=1.0, text/html;q=0.5", f"{JSON} ; q=1, */*;q=0.1"),
    ],
)
def test_whoever_prefers_json_gets_it(url: str, accept: str) -> None:
    answer = ask(url, "/simple/demo/", Accept=accept)
    assert (answer.status, answer.headers["content-type"]) == (200, JSON)
    assert json.loads(answer.body)["name"] == "demo"


@pytest.mark.parametrize(
    "accept",
    [
        *(
            FIREFOX,
            "*/*",
            "text/html",
            "text/*",
            f"{JSON};q=0.5, text/html",
            f"text/html, {JSON};q=0",
            "application/json, */*;q=0.1",
        ),
        *(JSON.replace("json", "html"), JSON.replace("v1+json", "latest+html"), None),
    ],
)
def test_others_get_html(url: str, site: Path, accept: str | None) -> None:
    for path in ("/simple/", "/simple/demo/"):
        answer = ask(url, path, **({"Accept": accept} if accept else {}))
        assert (answer.status, answer.headers["content-type"].lower().replace(" ", "")) == (200, "text/html;charset=utf-8")
        assert answer.body == (site / f"{path.strip('/')}/index.html").read_bytes()
        assert "accept" in answer.vary()


# What a regular expression cannot see: which of two weights below 1 is larger, and what is no weight.
NOT_WEIGHED = {
    f"{JSON};q=0.1, text/html;q=0.9",
    f"text/html;q=0.2, text/html;q=0.8, {JSON};q=0.5",
    f"{JSON};q=2, text/html;q=0.9",
    f"{JSON};q=, text/html;q=0.9",
}
# Of the same type with several weights Apache takes the first.
TWICE = {
    f"text/html;q=0.2, text/html;q=0.8, {JSON};q=0.5",
    f"{JSON};q=0.2, {JSON.replace('v1', 'latest')}, text/html;q=0.5",
}


def test_the_format_is_the_one_that_wharf_would_choose(url: str, kind: str) -> None:
    """But that nginx and Caddy have HTML for those who take neither."""
    known = {"apache": TWICE}.get(kind, NOT_WEIGHED)
    none = 406 if kind == "apache" else "text/html"
    wrong = {}
    for accept, form in ACCEPTS:
        answer = ask(url, "/simple/demo/", Accept=accept)
        got = answer.headers["content-type"].partition(";")[0] if answer.status == 200 else answer.status
        wanted = none if form is None else JSON if form is Format.JSON else "text/html"
        if got != wanted:
            wrong[accept] = got
    assert wrong.keys() == known, wrong


def test_several_lines_of_accept_are_one_list(url: str, kind: str) -> None:
    answer = ask(url, "/simple/demo/", Accept=["text/html", JSON])
    assert answer.status == 200
    if kind != "nginx":  # which reads the first line alone before 1.23
        assert answer.headers["content-type"] == JSON


def test_a_page_that_is_asked_for_by_its_file_has_its_type_too(url: str) -> None:
    for accept in (JSON, "*/*"):
        assert ask(url, "/simple/demo/index.v1_json", Accept=accept).headers["content-type"] == JSON


def test_pages_are_compressed_and_files_are_not(url: str, site: Path) -> None:
    for accept, name in ((JSON, "index.v1_json"), ("text/html", "index.html")):
        answer = ask(url, "/simple/helper/", Accept=accept, Accept_Encoding="gzip", Via="1.1 a-proxy")
        assert answer.headers["content-encoding"] == "gzip"
        assert {"accept", "accept-encoding"} <= answer.vary()
        assert gzip.decompress(answer.body) == (site / "simple/helper" / name).read_bytes()
    for path in files(site):
        answer = ask(url, address(site, path), Accept_Encoding="gzip, deflate, zstd")
        assert "content-encoding" not in answer.headers
        assert answer.body == path.read_bytes()


def test_a_page_that_is_still_the_same_is_not_sent_again(url: str) -> None:
    for encoding in ("gzip", "identity"):
        first = ask(url, "/simple/helper/", Accept=JSON, Accept_Encoding=encoding)
        again = ask(url, "/simple/helper/", Accept=JSON, Accept_Encoding=encoding, If_None_Match=first.headers["etag"])
        assert (again.status, again.body) == (304, b"")
        other = ask(url, "/simple/helper/", Accept="text/html", Accept_Encoding=encoding, If_None_Match=first.headers["etag"])
        assert other.status == 200


def files(site: Path) -> list[Path]:
    found = sorted((site / "files").glob("*/*"))
    assert len(found) == 8
    return found


def address(site: Path, path: Path) -> str:
    return f"/{path.relative_to(site)}".replace("+", "%2B")


def test_files_come_as_they_are_and_may_be_kept(url: str, site: Path) -> None:
    for path in files(site):
        answer = ask(url, address(site, path))
        wanted = "text/plain;charset=utf-8" if path.suffix == ".metadata" else "application/octet-stream"
        assert (answer.status, answer.headers["content-type"].lower().replace(" ", "")) == (200, wanted)
        assert answer.headers["cache-control"] == "max-age=31536000, immutable"
        assert answer.body == path.read_bytes()
        assert ask(url, address(site, path).replace("%2B", "+")).body == answer.body
        part = ask(url, address(site, path), Range="bytes=5-9")
        assert (part.status, part.body) == (206, path.read_bytes()[5:10])


def test_a_folder_without_its_slash_leads_to_the_page(url: str, kind: str) -> None:
    for path in ("/simple", "/simple/demo"):
        answer = ask(url, path, Accept=JSON)
        assert answer.status in {301, 308}
        where = url if kind == "apache" else ""  # the others name no host, which a proxy in front would have to mend
        assert answer.headers["location"] == f"{where}{path}/"


def test_the_home_page_is_there(url: str, site: Path) -> None:
    answer = ask(url, "/")
    assert (answer.status, answer.body) == (200, (site / "index.html").read_bytes())


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/simple/unknown/",
            "/simple/unknown",
            "/simple/demo/index.xml",
            "/files/unknown",
            f"/files/{'0' * 64}/demo.whl",
            "/unknown",
        ),
        *(
            "/.staging-1/page",
            "/.git/config",
            "/simple/demo/.hidden",
            "/%2egit/config",
            "/simple/../.git/config",
            "/simple//.hidden",
        ),
        *(
            "/simple/demo/%2e%2e/%2e%2e/.git/config",
            "/.git/",
            "/wharf-site.json",
            "/simple/../wharf-site.json",
            "//wharf-site.json",
        ),
    ],
)
def test_what_is_not_there_or_nobody_s_business_is_not_found(url: str, path: str) -> None:
    for accept in (JSON, FIREFOX):
        answer = ask(url, path, Accept=accept)
        assert answer.status == 404
        assert b"hush" not in answer.body
        assert "immutable" not in answer.headers.get("cache-control", "")
        assert answer.headers.get("content-type") != JSON


@pytest.mark.parametrize("path", ["/files/", "/files"])
def test_folders_show_nothing(url: str, site: Path, path: str) -> None:
    answer = ask(url, path)
    assert answer.status in {301, 308, 403, 404}
    assert not any(each.name.encode() in answer.body for each in (site / "files").iterdir())


def test_a_private_site_shows_nothing_without_the_password(private: str, site: Path) -> None:
    paths = ["/", "/simple/", "/simple/demo/", "/simple/demo/index.v1_json", *(address(site, path) for path in files(site))]
    for path in paths:
        for headers in ({}, {"Authorization": "Basic " + b64encode(b"ada:wrong").decode()}):
            answer = ask(private, path, Accept=JSON, **headers)
            assert answer.status == 401
            assert answer.headers["www-authenticate"].startswith("Basic")
        assert ask(private, path, Accept=JSON, **BASIC).status == 200
    for path in ("/.git/config", "/wharf-site.json"):
        assert ask(private, path).status in {401, 404}
        assert ask(private, path, **BASIC).status == 404


def install(machine: Machine, client: str, simple: str, **environ: str) -> dict[str, str]:
    """Install what has a dependency; only JSON says when a file was uploaded, which is asked for here."""
    python = machine.environment(client)
    if client == "pip":
        words: tuple[Any, ...] = ("install", "--index-url", simple, "--uploaded-prior-to", "2100-01-01T00:00:00Z", "demo==1.0")
        machine.pip(python, *words, fails=False, **environ)
    else:
        words = ("pip", "install", "--python", python, "--default-index", f"site={simple}", "--exclude-newer", "2100-01-01")
        machine.uv(*words, "demo==1.0", fails=False, **environ)
    return machine.installed(python)


@pytest.mark.parametrize("client", ["pip", "uv"])
def test_installing(url: str, machine: Machine, client: str) -> None:
    assert install(machine, client, f"{url}/simple/") == {"demo": "1.0", "helper": "1.0"}


@pytest.mark.parametrize("client", ["pip", "uv"])
def test_installing_from_a_private_site(private: str, machine: Machine, client: str) -> None:
    environ = {"UV_INDEX_SITE_USERNAME": USER, "UV_INDEX_SITE_PASSWORD": PASSWORD}
    if client == "pip":
        netrc = machine.home / ".netrc"
        netrc.write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
        netrc.chmod(0o600)
    assert install(machine, client, f"{private}/simple/", **environ) == {"demo": "1.0", "helper": "1.0"}


def test_pages_of_one_other_site_may_read_if_that_is_said(kind: str, url: str, site: Path) -> None:
    with serving(kind, site, shared=True) as shared:
        for path in ("/simple/", "/simple/demo/", address(site, files(site)[0])):
            answer = ask(shared, path, Accept=JSON, Origin="https://lab.example.org")
            assert answer.status == 200
            assert answer.headers["access-control-allow-origin"] == "https://lab.example.org"
            assert "ETag" in answer.headers["access-control-expose-headers"]
            assert answer.headers["cache-control"] == ask(url, path, Accept=JSON).headers["cache-control"]
            assert "access-control-allow-origin" not in ask(url, path, Origin="https://lab.example.org").headers


def test_every_server_in_the_documentation_is_tested() -> None:
    assert {len(web_servers.blocks(each)) for each in ("nginx", "caddyfile", "apache")} == {3}
