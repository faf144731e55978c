"""What the tests of the server share: GitHub's repository that it is over, and that it looks often whether the index moved."""

from __future__ import annotations

import pytest

from tests.server.over_github import _quick, still, world
from wharf.server.refresh import refresher

__all__ = ["_quick", "still", "world"]


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresher, "EVERY", 0.02)
