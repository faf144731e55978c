"""A server over a store with two indexes, and what its management API is asked."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.makers import make_wheel
from tests.server.test_server import LIMIT, serving
from wharf.operations.manage_indexes import create
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.server.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from wharf.repository.opening import Repository

BASE = "/-/api/v1"
MAIN = f"{BASE}/indexes/main"
DEMO = f"{MAIN}/projects/demo"
RELEASE = f"{DEMO}/releases/1.0"
WHEEL = "demo-1.0-py3-none-any.whl"


def fill(repository: Repository, folder: Path) -> None:
    """Two projects in `main`, and in `staging`, which stands on it, a newer demo."""
    publish(repository, [Input.of(make_wheel(folder / "demo")), Input.of(make_wheel(folder / "other", "other"))], actor="ada")
    staging = repository.of_index("staging")
    create(staging, ("main",), "ada")
    publish(staging, [Input.of(make_wheel(folder / "newer", "demo", "2.0"))], actor="ada")


@contextmanager
def asking(repository: Repository, *, open_reading: bool = False, **rules: Any) -> Iterator[httpx.Client]:
    """A client of a server, without a token."""
    with serving(repository, Rules(open_reading=open_reading, upload_limit=LIMIT, **rules)) as client:
        yield client


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem that an answer is."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    found: dict[str, Any] = answer.json()
    assert (found["status"], found["code"], found["type"]) == (status, code, "about:blank")
    assert answer.headers["cache-control"] == "no-store"
    return found


def good(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    """The document that an answer is."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json"), answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found
