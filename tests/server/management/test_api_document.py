"""docs/api.md: its commands as they are printed, and a row for each address."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import wharf
from tests.server.management.api import BASE, asking, fill, good

if TYPE_CHECKING:
    from wharf.repository.opening import Repository

PAGE = (Path(wharf.__file__).parents[1] / "docs" / "api.md").read_text(encoding="utf-8")
SHELL = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_page_about_the_api_is_typed_as_it_is_printed(repository: Repository, tmp_path: Path) -> None:
    if shutil.which("curl") is None and "CI" not in os.environ:
        pytest.skip("there is no curl here")
    fill(repository, tmp_path)
    environ = {**os.environ, "WHARF_REPO": str(tmp_path / "store")}
    making, asked = SHELL
    line = making.replace("wharf ", f"{sys.executable} -m wharf ", 1)
    token = subprocess.run(["sh", "-ec", line], env=environ, capture_output=True, text=True, check=True).stdout.strip()
    with asking(repository) as client:
        environ |= {"TOKEN": token, "SERVER": str(client.base_url)}
        told = subprocess.run(["sh", "-ec", asked], env=environ, capture_output=True, text=True, check=True).stdout
    projects, yanked, unyanked, tried = map(json.loads, told.splitlines())
    assert [each["name"] for each in projects["projects"]] == ["demo", "other"]
    assert len(yanked["changed"]) == len(unyanked["changed"]) == len(tried["removed"]) == 1


@pytest.mark.slow
def test_the_page_about_the_api_has_each_address(repository: Repository) -> None:
    rows = re.findall(r"^\| `(\w+) ([^`?]+)\S*` \|", PAGE, re.MULTILINE)
    with asking(repository) as client:
        paths = good(client.get(f"{BASE}/openapi.json"))["paths"]
    described = {(method.upper(), path.removeprefix(BASE)) for path, methods in paths.items() for method in methods}
    assert {(method, re.sub(r"[A-Z]+", lambda word: f"{{{word[0].lower()}}}", path)) for method, path in rows} == described
