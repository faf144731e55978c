"""An index whose commits were made on known days, in a folder or on the simulator, and `wharf …` on it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from wharf.cli.main import main
from wharf.index import store_clock

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulator import Hub


class DatedIndex:
    """Runs commands as if the clock of the store said a moment of 2024. The clock of this machine stays as it is."""

    def __init__(
        self, root: Path, hub: Hub | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.root, self.hub = root, hub
        self._patch, self._capsys = monkeypatch, capsys
        self.address = str(root / "store") if hub is None else f"{hub.url}/{hub.create('acme/pkgs').slug}"
        monkeypatch.setenv("WHARF_REPO", self.address)
        monkeypatch.setenv("WHARF_TOKEN", "" if hub is None else hub.token("alice", {"acme/pkgs": "admin"}))
        for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            monkeypatch.setenv(name, str(root / name))

    @property
    def git_dir(self) -> Path:
        return self.root / "store" / "index.git" if self.hub is None else self.hub.repos["acme/pkgs"].git_dir

    def __call__(self, *words: object, on: str = "", code: int = 0) -> Any:
        """The JSON document of a command, `on` a day such as `03-10` (noon, UTC) of 2024; without one, now."""
        out, self.err = self.said(*words, "--json", on=on, code=code)
        return json.loads(out)

    def said(self, *words: object, on: str = "", code: int = 0) -> tuple[str, str]:
        """What a command writes to stdout and stderr."""
        moment = datetime.fromisoformat(f"2024-{on}T12:00:00").replace(tzinfo=UTC).timestamp() if on else time.time()
        with self._patch.context() as patch:
            if self.hub is not None:
                self.hub.clock.ahead = moment - time.time()
            elif on:
                patch.setattr(store_clock, "now", lambda _folder: int(moment))
            with pytest.raises(SystemExit) as left:
                main([str(word) for word in words])
        if self.hub is not None:
            self.hub.clock.ahead = 0
        out, err = self._capsys.readouterr()
        assert left.value.code == code, err + out
        assert "Traceback" not in err
        return out, err
