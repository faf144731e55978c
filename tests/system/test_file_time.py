"""The time of a file that replaces another one, on file systems that keep times to the nanosecond, the second, or worse."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from wharf.assets.session_record import SessionRecords
from wharf.assets.upload_session import UploadSession, new_session
from wharf.repository.tokens import Tokens
from wharf.system.file_time import date_after

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(params=[1, 100, 10**6, 10**9, 2 * 10**9], ids=lambda grain: f"{grain} ns")
def grain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Nanoseconds that the file system keeps apart."""
    utime = os.utime
    step: int = request.param

    def coarse(path: Any, *, ns: tuple[int, int]) -> None:
        utime(path, ns=(ns[0] // step * step, ns[1] // step * step))

    monkeypatch.setattr(os, "utime", coarse)
    return step


@pytest.mark.parametrize("ahead", [0, 3600 * 10**9], ids=["now", "of the future"])
def test_it_is_later_than_that_of_the_file_before(tmp_path: Path, grain: int, ahead: int) -> None:
    path, fresh = tmp_path / "file", tmp_path / "file.new"
    path.write_bytes(b"")
    os.utime(path, ns=(time.time_ns() + ahead, time.time_ns() + ahead))
    for _ in range(4):
        before = path.stat().st_mtime_ns
        with fresh.open("w") as file:
            assert date_after(file.fileno(), path).st_mtime_ns == fresh.stat().st_mtime_ns > before
        fresh.replace(path)
    assert path.stat().st_mtime_ns <= time.time_ns() + ahead + 5 * max(grain, 10**6), "not further than need be"


def _of_tokens(folder: Path) -> Callable[[], object]:
    tokens = Tokens(folder / "tokens.json")

    def change() -> object:
        if not any(each.name == "ci" for each in tokens.all()):
            tokens.create("ci", "publish")
        else:
            tokens.revoke("ci")
        return tokens.path.stat().st_mtime_ns

    return change


def _of_a_session(folder: Path, base: str | None) -> Callable[[], object]:
    records = SessionRecords(folder)
    session: UploadSession = new_session(index="main", project="demo", version="1.0", creator="ci", now=datetime.now(UTC))
    (folder / session.id).mkdir()
    records.write(session)
    name = "session.json" if base is None else "session.later"

    def change() -> object:
        records.write(session, base)
        return (folder / session.id / name).stat().st_mtime_ns

    return change


@pytest.mark.parametrize(
    "kind",
    [_of_tokens, lambda folder: _of_a_session(folder, None), lambda folder: _of_a_session(folder, "0" * 64)],
    ids=["tokens", "a session", "a session, for later"],
)
def test_whoever_compares_times_sees_each_change(tmp_path: Path, grain: int, kind: Callable[[Path], Callable[[], int]]) -> None:
    change = kind(tmp_path)
    times = [change() for _ in range(4)]
    assert times == sorted({*times}), grain
