"""What clients tell of the status of a project (PEP 792)."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.makers import make_wheel
from tests.server.running import soon

from .programs import Machine, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real


class _NoVulnerabilities(BaseHTTPRequestHandler):
    """A service of vulnerabilities that knows none, in the format of OSV (POST /v1/querybatch)."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        body = json.dumps({"results": [{} for _ in asked["queries"]]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        pass


@contextmanager
def no_vulnerabilities() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _NoVulnerabilities) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("status", "found"), [("archived", True), ("deprecated", True), ("active", False)])
def test_uv_audit_tells_of_a_project_that_is_not_active(machine: Machine, status: str, found: bool) -> None:
    store, project = machine.home / "store", machine.home / "work"
    machine.wharf(store, "publish", make_wheel(machine.home))
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[project]\nname = "work"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = ["demo"]\n', encoding="utf-8"
    )
    with serving(machine, store) as served, no_vulnerabilities() as service:
        words = ("--project", project, "--default-index", served.simple)
        machine.uv("lock", *words)
        machine.wharf(store, "status", "demo", status, *(("--reason", "use demo2") if found else ()))
        soon(lambda: served.page("demo")["project-status"]["status"] == status)
        said = machine.uv("audit", "--frozen", *words, "--service-url", service, fails=None).text
    assert (status in said, "use demo2" in said) == (found, found), said
