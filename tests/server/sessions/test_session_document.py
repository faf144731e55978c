"""docs/sessions.md: its commands as a newcomer types them, with bash, curl and jq."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import wharf
from tests.makers import make_sdist, make_wheel
from tests.server.session_client import sessions

if TYPE_CHECKING:
    from wharf.repository.opening import Repository

PAGE = (Path(wharf.__file__).parents[1] / "docs" / "sessions.md").read_text(encoding="utf-8")
BY_HAND, BATCH, _ = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
HOST = "https://wharf.example.com"


def typed(script: str, url: str, folder: Path, token: str) -> list[dict[str, Any]]:
    """What the commands print, line by line."""
    if missing := [each for each in ("bash", "curl", "jq") if shutil.which(each) is None]:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{missing} are not installed")
    assert HOST in script
    environ = {**os.environ, "WHARF_TOKEN": token}
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace(HOST, url)],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    return [json.loads(line) for line in run.stdout.splitlines() if line]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="`stat -c` and `sha256sum` are those of Linux")
def test_the_page_about_sessions_is_typed_as_it_is_printed(repository: Repository, tmp_path: Path) -> None:
    token = repository.tokens.create("newcomer", "publish").reveal()
    wheel = make_wheel(tmp_path)
    with sessions(repository) as client:
        url = str(client.http.base_url).rstrip("/")
        *_, completed, published = typed(BY_HAND, url, tmp_path, token)
        assert (completed["status"], published["status"]) == ("completed", "published")
        assert wheel.name in client.http.get("/simple/demo/", auth=("x", token)).text
        folder = tmp_path / "next"
        files = [make_wheel(folder / "dist", version="2.0"), make_sdist(folder / "dist", version="2.0")]
        lines = BY_HAND.splitlines(keepends=True)
        begin = next(line for line in lines if line.startswith("session=")).replace("1.0", "2.0")
        batch, published = typed("".join([*lines[:3], begin, BATCH, lines[-1]]), url, folder, token)
        assert {name: each["status"] for name, each in batch["files"].items()} == {each.name: "completed" for each in files}
        assert published["status"] == "published"
        assert repository.branch.snapshot().versions("demo") == ["1.0", "2.0"]
