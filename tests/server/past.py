"""What the tests of addresses of the past share: commits with a date, and what a page of a moment names."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx

from tests.index.test_branch import git
from tests.makers import make_wheel
from tests.server.over_github import JSON
from tests.server.running import running
from tests.server.test_server import LIMIT
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.server.app import make_app
from wharf.server.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wharf.repository.opening import Repository

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
OPEN = Rules(open_reading=True, upload_limit=LIMIT)


def tip(store: Path, index: str = "main") -> str:
    """The commit that an index is at."""
    return git(store, "rev-parse", f"refs/heads/wharf/{index}").strip()


def date(store: Path, when: str, index: str = "main") -> str:
    """Give the newest commit of an index another time, as if it had been made then; the commit that it is now."""
    ref = f"refs/heads/wharf/{index}"
    words = ["git", f"--git-dir={store / 'index.git'}"]
    message = subprocess.run([*words, "log", "-1", "--format=%B", ref], capture_output=True, check=True).stdout
    parents = git(store, "log", "-1", "--format=%P", ref).split()
    who = {f"GIT_{role}_{what}": "ada" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    made = subprocess.run(
        [*words, "commit-tree", f"{ref}^{{tree}}", *(word for each in parents for word in ("-p", each))],
        input=message.rstrip() + b"\n",
        capture_output=True,
        check=True,
        env={**os.environ, **who, "GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when},
    )
    commit = made.stdout.decode().strip()
    git(store, "update-ref", ref, commit)
    return commit


def put(repository: Repository, when: str, *wheels: Path, index: str = "main") -> str:
    """Publish at that time; the commit."""
    publish(repository.of_index(index), [Input.of(wheel) for wheel in wheels], actor="ada")
    assert repository.folder is not None
    return date(repository.folder, when, index)


@contextmanager
def serving(repository: Repository, at: list[datetime] | None = None, rules: Rules = OPEN) -> Iterator[httpx.Client]:
    """A server whose clock stands at `at`, or at `NOW`."""
    clock = [NOW] if at is None else at
    app = make_app(repository, rules, now=lambda: clock[0])
    with running(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def page(client: httpx.Client, path: str) -> dict[str, Any]:
    """The page at a path."""
    answer = client.get(path, headers=JSON)
    assert answer.status_code == 200, (path, answer.text)
    found: dict[str, Any] = answer.json()
    return found


def versions(client: httpx.Client, path: str) -> list[str]:
    """The versions that a page has files of."""
    return [each["filename"].split("-")[1] for each in page(client, path)["files"]]


def links(client: httpx.Client, path: str) -> list[str]:
    """The paths of the files that a page names."""
    return [urljoin(path, each["url"]) for each in page(client, path)["files"]]


def wheel(folder: Path, name: str = "demo", version: str = "1.0", **more: Any) -> Path:
    """A wheel in a folder of its own."""
    return make_wheel(folder / f"{name}-{version}", name, version, **more)
