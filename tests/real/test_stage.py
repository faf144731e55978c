"""pip and uv install a release from its stage before it is published, with its dependencies from the index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.makers import make_wheel
from tests.server.session_client import SessionClient

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .programs import Machine, Served

pytestmark = pytest.mark.real


def with_pip(machine: Machine, served: Served, stage: str) -> Path:
    python = machine.environment()
    machine.pip(python, "install", "--index-url", served.simple, "--extra-index-url", stage, "demo==2.0")
    return python


def with_uv(machine: Machine, served: Served, stage: str) -> Path:
    python = machine.uv_environment()
    machine.uv("pip", "install", "--python", python, "--default-index", served.simple, "--index", stage, "demo==2.0")
    return python


@pytest.mark.parametrize("install", [with_pip, with_uv], ids=["pip", "uv"])
def test_a_staged_release_is_installed(
    machine: Machine, empty: Served, token: str, tmp_path: Path, install: Callable[[Machine, Served, str], Path]
) -> None:
    with httpx.Client(base_url=empty.url, timeout=30) as http:
        client = SessionClient(http, ("__token__", token))
        published = client.staged(make_wheel(tmp_path, "needed"), name="needed")
        client.publish(published).raise_for_status()
        session = client.staged(make_wheel(tmp_path, version="2.0", requires=["needed"]), version="2.0")
        python = install(machine, empty, session["links"]["stage"])
        assert machine.installed(python) == {"demo": "2.0", "needed": "1.0"}
        assert http.get("/simple/demo/").status_code == 404
        client.delete(session["links"]["session"]).raise_for_status()
