"""What the whole suite shares: a store in a fresh folder, and nothing of the person's own configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wharf.repository import Repository, open_repository
from wharf.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _nobodys_configuration(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text("[user]\n\tname = Ada Example\n\temail = ada@example.org\n")
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "WHARF_REPO", "WHARF_INDEX", "NETRC"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of an embedded store that does not exist yet."""
    return tmp_path / "store"


@pytest.fixture
def repository(store: Path) -> Iterator[Repository]:
    """An empty embedded store, open."""
    with open_repository(Settings(place=store)) as opened:
        yield opened
