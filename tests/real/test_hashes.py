"""The digests of the index are the ones that installers insist on."""

from __future__ import annotations

import hashlib
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from .proxy import proxied

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Full
    from .programs import Machine, Served

pytestmark = pytest.mark.real

PINS = ("Flask==3.1.0", "Werkzeug==3.1.3", "Jinja2==3.1.6", "MarkupSafe==3.0.3", "click==8.1.8", "itsdangerous==2.2.0")
PROJECT = """\
[project]
name = "app"
version = "1"
requires-python = "=={0.major}.{0.minor}.*"
dependencies = ["flask", "localized==1.0+local.1"]
"""


def hashes(index: Served, project: str) -> list[str]:
    return [each["hashes"]["sha256"] for each in index.page(project)["files"]]


def pinned(index: Served, folder: Path) -> Path:
    """A requirements file with the digests that the index names."""
    lines = []
    for pin in (*PINS, "blinker==1.9.0"):
        digests = "".join(f" --hash=sha256:{digest}" for digest in hashes(index, pin.partition("==")[0].lower()))
        lines.append(f"{pin}{digests}\n")
    path = folder / "requirements.txt"
    path.write_text("".join(lines), encoding="utf-8")
    return path


def test_the_index_names_the_digests_of_the_files(index: Served, full: Full) -> None:
    projects = [each["name"] for each in index.page()["projects"]]
    files = {each["filename"]: each["hashes"] for project in projects for each in index.page(project)["files"]}
    assert files == {path.name: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()} for path in full.files}


def test_pip_requires_the_digests_of_the_index(index: Served, machine: Machine) -> None:
    requirements = pinned(index, machine.home)
    python = machine.environment()
    words = ("install", "--index-url", index.simple, "--require-hashes", "-r", requirements)
    machine.pip(python, *words)
    machine.value(python, "flask.Flask")
    text = requirements.read_text(encoding="utf-8")
    requirements.write_text(text.replace(hashes(index, "flask")[0], "0" * 64), encoding="utf-8")
    said = machine.pip(machine.environment("other"), *words, fails=True).text
    assert "DO NOT MATCH THE HASHES" in said


def test_uv_requires_the_digests_of_the_index(index: Served, machine: Machine) -> None:
    requirements = pinned(index, machine.home)
    python = machine.uv_environment()
    words = ("pip", "install", "--default-index", index.simple, "--require-hashes", "-r", requirements, "--python")
    machine.uv(*words, python)
    machine.value(python, "flask.Flask")
    text = requirements.read_text(encoding="utf-8")
    requirements.write_text(text.replace(hashes(index, "flask")[0], "0" * 64), encoding="utf-8")
    assert "Hash mismatch" in machine.uv(*words, machine.uv_environment("other"), fails=True).text


def test_pip_refuses_a_file_that_was_damaged_on_the_way(index: Served, machine: Machine) -> None:
    with proxied(index, damage="local.1-py3-none-any.whl") as proxy:
        words = ("install", "--index-url", proxy.served.simple, "localized")
        assert "DO NOT MATCH THE HASHES" in machine.pip(machine.environment(), *words, fails=True).text


def test_uv_locks_and_syncs_with_the_digests_of_the_index(index: Served, machine: Machine) -> None:
    project = machine.home / "app"
    project.mkdir()
    (project / "pyproject.toml").write_text(PROJECT.format(sys.version_info), encoding="utf-8")
    words = ("--project", project, "--default-index", index.simple, "--python", sys.executable)
    machine.uv("lock", *words)
    locked = tomllib.loads((project / "uv.lock").read_text(encoding="utf-8"))["package"]
    found = {each["name"]: {file["hash"] for file in each["wheels"]} for each in locked if each["name"] != "app"}
    assert {"flask", "werkzeug", "markupsafe", "localized"} <= set(found)
    for name, digests in found.items():
        assert digests <= {f"sha256:{digest}" for digest in hashes(index, name)}
    machine.uv("sync", "--locked", *words)
    python = project / ".venv" / "bin" / "python"
    machine.value(python, "flask.Flask")
    assert machine.value(python, "localized.__version__") == "1.0+local.1"
