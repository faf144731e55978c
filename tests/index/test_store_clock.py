"""The clock of a store is looked at once a second, and runs on in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.index import store_clock

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_clock_of_a_store_runs_on_between_two_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passed, said = [100.0], [5000.5, 9000.0]
    monkeypatch.setattr(store_clock, "elapsed", lambda: passed[0])
    monkeypatch.setattr(store_clock, "_look", lambda _folder: said.pop(0))
    told = []
    for moment in (100.0, 100.4, 100.6, 100.9, 101.1):
        passed[0] = moment
        told.append(store_clock.now(tmp_path))
    assert told == [5000, 5000, 5001, 5001, 9000]
