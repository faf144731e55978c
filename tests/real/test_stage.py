"""pip and uv try a release at its stage: they take its files, and its new name reaches no public index."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.makers import make_wheel
from tests.server.running import soon
from tests.server.session_client import SessionClient

from .conftest import new_token
from .programs import Machine, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real


class _Public(BaseHTTPRequestHandler):
    """A public index that knows every name, has no files, and notes who is asked for."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        body = b"<!DOCTYPE html><html><body></body></html>"
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def public() -> Iterator[tuple[str, list[str]]]:
    """The address of such an index, and the paths that it was asked for."""
    asked: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Public", (_Public,), {"asked": asked})) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/simple/", asked
        finally:
            server.shutdown()
            thread.join()


def test_a_new_name_is_tried_at_its_stage_and_goes_no_further(machine: Machine, public: tuple[str, list[str]]) -> None:
    """By uv as it is; pip asks both indexes for each name, so the name has to be reserved."""
    address, asked = public
    store = machine.home / "store"
    machine.wharf(store, "publish", make_wheel(machine.home, "needed"))
    token = new_token(machine, store)
    with serving(machine, store, "--fall-through", "--public-index", address) as served:
        with httpx.Client(base_url=served.url, timeout=60) as http:
            client = SessionClient(http, ("__token__", token))
            session = client.staged(make_wheel(machine.home, requires=["needed"]))
        stage, wanted = session["links"]["stage"], {"demo": "1.0", "needed": "1.0"}
        python = machine.uv_environment("by-uv")
        machine.uv("pip", "install", "--python", python, "--default-index", served.simple, "--index", stage, "demo==1.0")
        assert (machine.installed(python), asked) == (wanted, [])
        machine.wharf(store, "index", "settings", "main", "--set", 'reserved=["demo"]')
        soon(lambda: httpx.get(f"{served.simple}demo/").status_code != 302)
        python = machine.environment("by-pip")
        machine.pip(python, "install", "--index-url", served.simple, "--extra-index-url", stage, "demo==1.0")
        assert (machine.installed(python), asked) == (wanted, [])
