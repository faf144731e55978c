"""What the actions install before the step that has the token: pinned by hash, and led by nothing of the working tree."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import wharf
from tests.matrix import first

ROOT = Path(wharf.__file__).parents[1]
STEPS = ROOT / ".github" / "actions" / "steps.py"
PINS = STEPS.with_name("requirements.txt")
PYTHONS = ("3.11.0", "3.11.14", "3.12.0", "3.13.0", "3.14.0")
HOSTILE = ("venv.py", "pip.py", "ensurepip.py", "sitecustomize.py", "usercustomize.py", "subprocess.py", "json.py", "wharf.py")


def pins() -> dict[str, list[Requirement]]:
    """By name; one or more, for different Pythons."""
    found: dict[str, list[Requirement]] = {}
    for line in re.sub(r"\\\n", "", PINS.read_text(encoding="utf-8")).splitlines():
        if line and not line.startswith("#"):
            requirement, *hashes = re.split(r"\s+--hash=", line)
            assert hashes, line
            assert all(re.fullmatch("sha256:[0-9a-f]{64}", each.strip()) for each in hashes)
            parsed = Requirement(requirement)
            found.setdefault(canonicalize_name(parsed.name), []).append(parsed)
    return found


def environment(python: str) -> dict[str, str]:
    return {"python_version": python.rpartition(".")[0], "python_full_version": python, "extra": ""}


def pinned(name: str, python: str) -> list[Version]:
    """The versions that are installed for a Python."""
    return [
        Version(next(iter(each.specifier)).version)
        for each in pins().get(canonicalize_name(name), [])
        if each.marker is None or each.marker.evaluate(environment(python))
    ]


@pytest.mark.slow
@pytest.mark.parametrize("python", first(1, PYTHONS))
def test_every_need_of_wharf_is_pinned(python: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    waiting = [Requirement(each) for each in (*project["project"]["dependencies"], *project["build-system"]["requires"])]
    seen = set()
    while waiting:
        need = waiting.pop()
        if need.marker is not None and not need.marker.evaluate(environment(python)):
            continue
        (version,) = pinned(need.name, python)
        assert need.specifier.contains(version, prereleases=True), f"{need}, and pinned is {version}: CONTRIBUTING.md says how"
        if need.name not in seen:
            seen.add(need.name)
            try:
                needs = importlib.metadata.requires(need.name) or []
            except importlib.metadata.PackageNotFoundError:
                continue  # what builds is nowhere else
            waiting += [Requirement(each) for each in needs]


def test_nothing_is_pinned_to_a_place() -> None:
    text = PINS.read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-[^-]|^\s*--(?!hash=)", text, re.MULTILINE), "no option: each environment has its own index"


def test_the_steps_run_alone() -> None:
    """Every Python that the actions start is isolated; what is run by path has its own folder nowhere on its path."""
    for action in STEPS.parent.glob("*/action.yml"):
        lines = [line for line in action.read_text(encoding="utf-8").splitlines() if "steps.py" in line and "run:" in line]
        assert len(lines) == 2
        assert all('"$PYTHON" -I "$GITHUB_ACTION_PATH/../steps.py"' in line for line in lines)


@pytest.mark.real
def test_a_working_tree_has_no_say_in_the_install(tmp_path: Path) -> None:
    tree, temporary, output = tmp_path / "tree", tmp_path / "temp", tmp_path / "output"
    for folder in (tree, temporary):
        folder.mkdir()
        for name in HOSTILE:
            (folder / name).write_text(f"open({str(tmp_path / 'led')!r}, 'a').write({name!r})\n")
    hostile = {"PYTHONPATH": str(tree), "PYTHONSTARTUP": str(tree / "venv.py"), "PYTHONUSERBASE": str(tree)}
    environ = {**os.environ, **hostile, "RUNNER_TEMP": str(temporary), "GITHUB_OUTPUT": str(output)}
    subprocess.run([sys.executable, "-I", STEPS, "install"], cwd=tree, env=environ, check=True, stdout=subprocess.DEVNULL)
    assert not (tmp_path / "led").exists()
    made = output.read_text().splitlines()[1]
    said = subprocess.run([made, "--version"], cwd=tree, capture_output=True, text=True, check=True).stdout
    assert said == f"wharf, version {wharf.__version__}\n"
    python = Path(made).with_name("python")
    listed = subprocess.run([python, "-I", "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True)
    versions = {
        canonicalize_name(name): Version(version) for name, _, version in (x.partition("==") for x in listed.stdout.split())
    }
    running = ".".join(map(str, sys.version_info[:3]))
    for name, version in versions.items():
        if name not in {"pip", "setuptools", "wharf-index"}:
            assert pinned(name, running) == [version]
