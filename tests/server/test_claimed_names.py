"""Names that an index does not own: nothing is said of them elsewhere, unless it is meant, and those it owns never are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import pytest

from tests.index.test_branch import edit_by_hand
from tests.makers import make_wheel
from tests.server.over_github import JSON, World
from tests.server.running import soon
from tests.server.test_server import LIMIT, serving
from tests.upstream import Upstream
from wharf.errors import UsageError
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.remove import remove
from wharf.server.rules import Rules
from wharf.sources import public_index_address
from wharf.sources.public_index_address import PublicIndex, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from wharf.repository.opening import Repository


BIN = Path(sys.executable).parent
ELSEWHERE = PublicIndex("https://mirror.example/simple/")


@pytest.fixture
def client(tmp_path: Path, repository: Repository) -> Iterator[httpx.Client]:
    """Of an index with the project demo, and gone, whose one release was removed; both could be elsewhere too."""
    publish(repository, [Input.of(make_wheel(tmp_path, name)) for name in ("demo", "gone")], actor="ada")
    remove(repository, "gone", "1.0", None, reason="", actor="ada")
    with serving(repository, Rules(open_reading=True, upload_limit=LIMIT, public_index=ELSEWHERE)) as client:
        yield client


def test_a_name_that_is_not_the_indexs_is_passed_on(client: httpx.Client) -> None:
    for method in ("GET", "HEAD"):
        for _ in range(2):
            answer = client.request(method, "/simple/requests/")
            assert (answer.status_code, answer.headers["location"]) == (302, "https://mirror.example/simple/requests/")
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["referrer-policy"] == "no-referrer"


def test_it_is_asked_for_there_as_it_is_spelled_normally(client: httpx.Client) -> None:
    for given in ("Zope.Interface/", "zope-interface", "zope__interface"):
        answer = client.get(f"/simple/{given}")
        assert answer.status_code == 301
        answer = client.get(urljoin(str(answer.url), answer.headers["location"]))
        assert answer.headers["location"] == "https://mirror.example/simple/zope-interface/"


def test_what_was_asked_for_beside_the_name_is_asked_there(client: httpx.Client) -> None:
    query = "format=application/vnd.pypi.simple.v1%2Bjson"
    answer = client.get(f"/simple/requests/?{query}")
    assert answer.headers["location"] == f"https://mirror.example/simple/requests/?{query}"
    answer = client.get("/simple/requests/?a=%0d%0ax: y")
    assert answer.headers["location"] == "https://mirror.example/simple/requests/?a=%0d%0ax%3A%20y"
    assert "x" not in answer.headers


@pytest.mark.parametrize("path", ["", "demo/", "gone/", "Demo/", "demo"])
def test_what_the_index_owns_never_is(client: httpx.Client, path: str) -> None:
    answer = client.get(f"/simple/{path}", follow_redirects=True)
    assert answer.status_code == 200
    assert all(each.headers["location"].startswith(("/", ".", "demo")) for each in answer.history)


@pytest.mark.parametrize("path", ["/simple/..%2f..%2fevil/", "/simple/-/", "/simple/a/b/", "/files/x/y"])
def test_what_is_no_name_is_not_either(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, "location" in answer.headers) == (400 if path.endswith(("a/b/", "evil/")) else 404, False)


def test_a_doubled_slash_leads_to_no_other_host(client: httpx.Client) -> None:
    answer = client.get("/simple//evil.example/")
    while urlsplit(where := urljoin(str(answer.url), answer.headers["location"])).netloc == client.base_url.netloc.decode():
        answer = client.get(where)
    assert where == "https://mirror.example/simple/evil-example/"


def test_a_doubled_slash_behind_any_character_is_led_to_one(client: httpx.Client) -> None:
    for given in ("demo%00", "demo%0d%0aset-cookie:x", "d%C3%A9mo", "100%25", "a%3Fb"):
        answer = client.get(f"/simple/{given}//")
        assert answer.status_code == 301
        assert (
            urljoin(str(answer.url), answer.headers["location"])
            .lower()
            .endswith(f"/simple/{given.replace(':', '%3a')}/".lower())
        )
        assert "set-cookie" not in answer.headers


def test_what_the_index_reserves_is_not_and_becomes_so_with_a_commit(client: httpx.Client, store: Path) -> None:
    assert client.get("/simple/acme-next/").status_code == 302
    edit_by_hand(store, "wharf.toml", b'format = 1\nreserved = ["Acme_*", "secret"]\n')
    soon(lambda: client.get("/simple/acme-next/").status_code == 200)
    for path in ("/simple/acme-next/", "/simple/ACME.Later/", "/simple/secret/"):
        answer = client.get(path, headers=JSON, follow_redirects=True)
        assert answer.json()["files"] == [], "an empty page: after 404 uv asks the next index"
        assert "reserves the name" in answer.json()["project-status"]["reason"]
        assert (answer.headers["content-type"], answer.headers["cache-control"]) == (JSON["Accept"], "no-store")
    assert "<!DOCTYPE html>" in client.get("/simple/secret/", headers={"Accept": "text/html"}).text
    assert client.get("/simple/secrets/").status_code == 302
    assert client.get("/simple/demo/").status_code == 200


def test_without_it_nothing_is_and_every_404_and_the_terminal_say_so(
    repository: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    told = "This index has no project requests, and it passes no name on (--fall-through is off)."
    with serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as client:
        for method in ("GET", "HEAD", "GET"):
            answer = client.request(method, "/simple/Requests/", follow_redirects=True)
            assert (answer.status_code, answer.text.startswith(told)) == (404, method == "GET")
        assert "`wharf serve --fall-through`" in answer.text
        assert "--set upstream.mode=proxy`" in answer.text
        assert caplog.messages == [told], "once a name"
        assert "--fall-through is off" in client.get("/simple/-/").text
        for number in range(30):
            client.get(f"/simple/name-{number}/")
        assert len(caplog.messages) == 21
        assert caplog.messages[-1] == "Further names that this index does not have are not shown."


def test_a_404_speaks_of_no_option_that_is_on(client: httpx.Client) -> None:
    assert "--fall-through" not in client.get("/simple/-/").text


@pytest.mark.slow
def test_before_the_index_was_seen_nothing_is(world: World) -> None:
    world.forget()
    world.hub.down = True
    with world.serving(by_github=False, open_reading=True, wait=False, public_index=ELSEWHERE) as client:
        assert client.get("/simple/requests/").status_code == 503
    world.hub.down = False
    with world.serving(public_index=ELSEWHERE) as client:
        assert client.get("/simple/requests/", auth=None).status_code == 401
        assert client.get("/simple/requests/").status_code == 302


# The address


@pytest.mark.parametrize(
    ("address", "normal"),
    [
        ("https://mirror.example/simple", "https://mirror.example/simple/"),
        ("http://127.0.0.1:3141/root/pypi/+simple/", "http://127.0.0.1:3141/root/pypi/+simple/"),
        ("http://[::1]:80/", "http://[::1]/"),
        ("HTTPS://Mirror.Example:443/simple", "https://mirror.example/simple/"),
    ],
)
def test_addresses(address: str, normal: str) -> None:
    assert parse(address).address == normal


@pytest.mark.parametrize(
    "address",
    [
        *("", "mirror.example", "ftp://mirror.example/", "file:///simple/", "http://", "http:///simple/", "http://a:b/"),
        *("http://a:0/", "http://a:99999/", "http://[::1/", "http://a/?x", "http://a/#x", "http://a/ b", "http://a/\r\nx: y"),
        *("http://ä.example/", "https://user:pass-word@mirror.example/", "https://user@mirror.example/"),
    ],
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(address)
    assert "pass-word" not in caught.value.message + caught.value.hint


def test_the_public_index_is_the_one_that_a_library_knows() -> None:
    assert public_index_address.default({}).address.startswith("https://")
    code = (
        "import sys; from wharf.sources.public_index_address import parse; parse('http://a/'); "
        "print('pypi_simple' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout == "False\n"


# Installers


@contextmanager
def served(store: Path, *words: str) -> Iterator[str]:
    """`wharf serve` as a process, and the address of its index."""
    command = [sys.executable, "-m", "wharf", "--repo", str(store), "serve", "--port", "0", "--json", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"] + "/simple/"
        finally:
            process.terminate()
            assert process.communicate(timeout=60)[1] == "Stopping.\n"


@pytest.fixture
def public(tmp_path: Path) -> Iterator[Upstream]:
    """A public index with a package that somebody called as one of ours, in a higher version."""
    folder = tmp_path / "public"
    folder.mkdir()
    with Upstream() as public:
        public.add(make_wheel(folder, "demo", "99.0"))
        public.add(make_wheel(folder, "open", "1.0", requires=["deeper"]))
        public.add(make_wheel(folder, "deeper", "2.0"))
        yield public


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_installers_follow_with_no_credentials(
    tmp_path: Path, store: Path, repository: Repository, public: Upstream, tool: str
) -> None:
    publish(repository, [Input.of(make_wheel(tmp_path, "demo", requires=["open"]))], actor="ada")
    token = repository.tokens.create("dev", "read").reveal()
    target = tmp_path / "target"
    with served(store, "--auth", "tokens", "--fall-through", "--public-index", public.simple) as address:
        index = address.replace("://", f"://dev:{token}@")
        command = {
            "pip": [
                BIN / "pip",
                "--isolated",
                "--disable-pip-version-check",
                "install",
                "-q",
                "--target",
                target,
                "--index-url",
                index,
                "demo",
            ],
            "uv": [
                *(BIN / "uv", "pip", "install", "-q", "--no-config", "--target", target, "--default-index", index),
                *("--python", sys.executable, "demo"),
            ],
        }[tool]
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NO_PROXY": "*"}
        done = subprocess.run([str(word) for word in command], env=environ, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in target.glob("*.dist-info")} == {
        "demo-1.0.dist-info",
        "open-1.0.dist-info",
        "deeper-2.0.dist-info",
    }
    assert {path for path in public.paths if path.endswith("/")} == {"/root/simple/open/", "/root/simple/deeper/"}
    for asked in public.asked:
        assert "authorization" not in asked.headers
        assert "referer" not in asked.headers
        assert token not in str(asked.headers)


@pytest.mark.slow
def test_serve_refuses_an_address_without_the_option(store: Path) -> None:
    command = [sys.executable, "-m", "wharf", "--repo", str(store), "serve", "--public-index", "https://mirror.example/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "--fall-through" in done.stderr) == (2, True)
    done = subprocess.run([*command[:-1], "https://u:p@a/", "--fall-through"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, "must not hold" in done.stderr) == (2, True)
