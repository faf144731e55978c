"""`wharf --server URL` where the server is over GitHub: each verb with the GitHub token of the person, and its rights there."""

from __future__ import annotations

import pytest

from tests.cli.server_world import run_wharf
from tests.server.over_github import World, _quick, world

__all__ = ["_quick", "world"]


@pytest.mark.slow
def test_a_publish_and_a_yank_over_a_server_over_github(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = [world.wheel("demo", "5.0"), world.wheel("other", "1.0")]
    with world.serving() as client:
        server = ("--server", str(client.base_url), "--json")
        monkeypatch.setenv("WHARF_TOKEN", world.bob)
        refused = run_wharf(capsys, *server, "publish", *files, code=6).document["error"]
        assert refused["code"] in {"not-allowed", "may-not-write"}
        monkeypatch.setenv("WHARF_TOKEN", world.alice)
        done = run_wharf(capsys, *server, "publish", *files).document
        assert [each["filename"] for each in done["published"]] == [path.name for path in files]
        assert run_wharf(capsys, *server, "publish", *files).document["published"] == []
        assert len(run_wharf(capsys, *server, "yank", "demo==5.0").document["changed"]) == 1
        entries = run_wharf(capsys, *server, "log", "-n", "3").document["entries"]
        assert [(each["verb"], each["actor"]) for each in entries] == [
            ("yank", entries[0]["actor"]), ("publish", entries[0]["actor"]), ("publish", entries[0]["actor"]),
        ]  # fmt: skip
        assert "alice" in entries[0]["actor"]
