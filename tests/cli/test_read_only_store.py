"""A store that this account may only read: what reads works as ever, and what writes says why it does not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.makers import make_wheel
from tests.matrix import first
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wharf.repository.opening import Repository

# The modes of files bind root only where it has given up its capabilities.
PLAIN = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root ignores modes"),
]


@pytest.fixture
def read_only(repository: Repository, store: Path, tmp_path: Path) -> Iterator[Path]:
    """A store with one file of one project, which may only be read from here on."""
    publish(repository, [Input.of(make_wheel(tmp_path))], actor="ada")
    subprocess.run(["chmod", "-R", "a-w", store], check=True)
    yield store
    subprocess.run(["chmod", "-R", "u+rwX", store], check=True)


def wharf(store: Path, *words: object, code: int = 0) -> str:
    """What a command says on stdout."""
    command = [*PLAIN, sys.executable, "-m", "wharf", "--repo", store, *words]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def changed(store: Path, *, without: str = "", closed: str = "") -> None:
    """Take a part of a store away, or the right to read it."""
    part = store / (without or closed)
    store.chmod(0o755)
    if without:
        part.rmdir() if part.is_dir() else part.unlink()
    elif closed == "sessions":
        part.mkdir()
    if closed:
        part.chmod(0)
    store.chmod(0o555)


def leftovers(store: Path) -> list[tuple[str, str]]:
    """What a verify that finds nothing wrong has to say of the store."""
    found = json.loads(wharf(store, "verify", "--json"))
    assert (found["ok"], found["files"], found["problems"]) == (True, 1, [])
    return [(each["kind"], each["path"]) for each in found["leftovers"]]


def test_verify_locks_what_it_may_only_read(read_only: Path) -> None:
    assert leftovers(read_only) == []


@pytest.mark.parametrize(
    ("without", "closed", "told"),
    [
        ("lock", "", [("unlocked", "lock")]),
        ("", "lock", [("unlocked", "lock")]),
        ("staging", "", []),
        ("", "sessions", [("upload-session", "sessions")]),
    ],
)
def test_verify_says_what_it_could_not_do(read_only: Path, without: str, closed: str, told: list[tuple[str, str]]) -> None:
    changed(read_only, without=without, closed=closed)
    assert leftovers(read_only) == told


def test_verify_finds_what_is_wrong(read_only: Path) -> None:
    (asset,) = (read_only / "assets").glob("*/*.whl")
    asset.chmod(0o644)
    asset.write_bytes(b"other")
    found = json.loads(wharf(read_only, "verify", "--json", code=8))
    assert [each["kind"] for each in found["problems"]] == ["other-bytes"]


@pytest.mark.parametrize(
    "words", first(3, ["list", "build --with-files SITE", "run -- true", "show demo", "log", "index list"])
)
def test_what_reads_works(read_only: Path, tmp_path: Path, words: str) -> None:
    changed(read_only, without="staging")
    wharf(read_only, *(tmp_path / "site" if word == "SITE" else word for word in words.split()))


@pytest.mark.parametrize("words", first(2, ["verify --repair", "publish NEW", "yank demo==1.0"]))
def test_what_writes_says_that_the_place_is_not_to_be_written(read_only: Path, tmp_path: Path, words: str) -> None:
    new = make_wheel(tmp_path / "new", "other")
    error = json.loads(wharf(read_only, *(new if word == "NEW" else word for word in words.split()), "--json", code=8))["error"]
    assert str(read_only) in error["message"]
    assert "who owns it" in error["hint"]
