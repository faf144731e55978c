"""A server over a store, and `wharf …` against it, both in this process."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.server.running import running
from wharf.cli.main import main
from wharf.repository.opening import Repository, open_repository
from wharf.repository.settings import Settings
from wharf.repository.tokens import NewToken
from wharf.server.app import make_app
from wharf.server.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


LIMIT = 4 << 20


@dataclass
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)


def run_wharf(capsys: pytest.CaptureFixture[str], *words: object, code: int | None = 0) -> Said:
    """Run `wharf …`. `code` is how it has to end; None: in any way."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main(list(map(str, words)))
    out, err = capsys.readouterr()
    ended = left.value.code
    assert isinstance(ended, int)
    assert ended == (ended if code is None else code), f"{out}\n{err}"
    assert "Traceback" not in err
    assert os.environ.get("WHARF_TOKEN", "no token") not in out + err
    return Said(ended, out, err)


@dataclass
class World:
    """A store, a server over it, and a person with a token for it."""

    url: str
    store: Path
    repository: Repository
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def token(self, name: str, scope: Any = "manage", **more: Any) -> str:
        """A new token for that server."""
        return self.repository.tokens.add(NewToken(name=name, scope=scope, expires=None, **more)).reveal()

    def wharf(self, *words: object, code: int | None = 0, url: str | None = "") -> Said:
        """Run `wharf --server URL …`; None: without that option. `code` is how it has to end; None: in any way."""
        option = [] if url is None else ["--server", url or self.url]
        return run_wharf(self.capsys, *option, *words, code=code)

    def here(self, *words: object, code: int = 0) -> Said:
        """Run `wharf --repo STORE …`."""
        return self.wharf("--repo", self.store, *words, code=code, url=None)


@contextmanager
def serving_world(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **rules: Any
) -> Iterator[World]:
    """A world whose person may do everything."""
    with open_repository(Settings(place=store)) as repository:
        app = make_app(repository, Rules(**{"open_reading": True, "upload_limit": LIMIT, **rules}))
        with running(app) as url:
            world = World(url, store, repository, monkeypatch, capsys)
            monkeypatch.setenv("WHARF_TOKEN", world.token("ada"))
            yield world
