# ruff: noqa: F811 - fixtures are arguments of their own name
"""Commands while somebody else holds a lock: they say for whom they wait, and they end."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_main import document, run  # noqa: F401 - fixture
from tests.makers import make_wheel
from tests.matrix import first
from wharf.system import file_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.test_main import Run


@contextmanager
def held(path: Path, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    """The lock of a file, held as another process does it."""
    with path.open("ab") as file:
        fcntl.flock(file, kind)
        yield


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lock", "words"),
    first(
        2,
        [
            ("lock", ("publish", "NEW")),
            ("tokens.json.lock", ("token", "create", "second")),
            ("tokens.json.lock", ("token", "revoke", "first")),
            ("lock", ("promote", "demo==1.0", "--from", "main", "--to", "staging")),
            ("lock", ("restore", "--to", "COMMIT")),
        ],
    ),
)
def test_a_command_gives_up_and_names_the_lock(
    run: Run, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: str, words: tuple[str, ...]
) -> None:
    commit = document(run("publish", make_wheel(tmp_path / "a"), "--json"))["commit"]
    run("index", "create", "staging")
    run("token", "create", "first")
    filled = {"NEW": make_wheel(tmp_path / "b", "other"), "COMMIT": commit}
    words_now = [filled.get(word, word) for word in words]
    monkeypatch.setattr(file_lock, "IN_COMMAND", 0.0)
    with held(store / lock):
        error = document(run(*words_now, "--json", code=8))["error"]
    assert error["code"] == "locked"
    assert str(store / lock) in error["message"]
    assert "run the same command again" in error["hint"]
    run(*words_now)


def test_a_command_that_waits_says_so_on_stderr(run: Run, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("publish", make_wheel(tmp_path / "first", "first"))
    monkeypatch.setattr(file_lock, "IN_COMMAND", 0.01)
    monkeypatch.setattr(file_lock, "TELL_AFTER", 0.0)
    with held(store / "lock"):
        said = run("publish", make_wheel(tmp_path), code=8)
    assert said.startswith(f"waiting up to 0 s for the lock {store / 'lock'}, which is held by ")
    assert "error:" in said


def test_readers_wait_for_nobody(run: Run, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("publish", make_wheel(tmp_path))
    monkeypatch.setattr(file_lock, "IN_COMMAND", 0.0)
    with held(store / "lock"):
        assert "demo" in run("list")
        assert "1.0" in run("show", "demo")
