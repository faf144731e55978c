"""pip, uv, poetry and PDM as an attacker meets them: each installs into a fresh environment, from one index alone."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from .clients import downloaded, older_python, program
from .packages import DownloadError
from .programs import PIP_ALONE, script

if TYPE_CHECKING:
    from pathlib import Path

    from .programs import Machine, Ran

NAMES = ("pip", "uv", "poetry", "pdm")
OLD_PIPS = ("20.3", "22.2", "22.3.1", "23.1.2", "24.0")

_PYPROJECT = '[project]\nname = "app"\nversion = "1.0"\nrequires-python = ">=3.11,<4"\ndependencies = {}\n'
_SOURCES = {
    "poetry": '[tool.poetry]\npackage-mode = false\n[[tool.poetry.source]]\nname = "only"\nurl = "{}"\npriority = "primary"\n',
    "pdm": '[tool.pdm]\ndistribution = false\n[[tool.pdm.source]]\nname = "pypi"\nurl = "{}"\n',
    "uv": '[[tool.uv.index]]\nurl = "{}"\ndefault = true\n',
}
_LOCKS = {"poetry": "poetry.lock", "pdm": "pdm.lock", "uv": "uv.lock"}


@dataclass(frozen=True, slots=True)
class Installer:
    """One of them, by the program that it is."""

    name: str
    program: Path | None = None
    version: str = ""

    def install(self, machine: Machine, index: str, *requirements: str, fails: bool = False) -> Ran:
        """Install from nothing: no cache, no lock. It has to succeed, or with `fails` to fail."""
        if self.name == "pip":
            return self._pip(machine, index, *requirements, fails=fails)
        if self.name == "uv":
            python = _environment(machine, machine.home / ".venv", sys.executable)
            return machine.uv("pip", "install", "--python", python, "--default-index", index, *requirements, fails=fails)
        self.write(machine, index, *requirements)
        locked = self.lock(machine, fails=None if fails else False)
        return locked if locked.code else self.sync(machine, fails=fails)

    def write(self, machine: Machine, index: str, *requirements: str) -> None:
        """A project with these requirements, and an environment for it."""
        text = _PYPROJECT.format(json.dumps(requirements)) + _SOURCES[self.name].format(index)
        (machine.home / "pyproject.toml").write_text(text, encoding="utf-8")
        self.locked(machine).unlink(missing_ok=True)
        _environment(machine, machine.home / ".venv", sys.executable)

    def lock(self, machine: Machine, *, fails: bool | None = False) -> Ran:
        """Write the lock file of the project."""
        return self._run(machine, "lock", fails=fails)

    def sync(self, machine: Machine, *, fails: bool | None = False) -> Ran:
        """Install what the lock file says."""
        words = {"poetry": ["sync"], "pdm": ["sync"], "uv": ["sync", "--locked"]}[self.name]
        return self._run(machine, *words, fails=fails)

    def locked(self, machine: Machine) -> Path:
        """The lock file."""
        return machine.home / _LOCKS[self.name]

    def _run(self, machine: Machine, *words: str, fails: bool | None) -> Ran:
        if self.name == "uv":
            return machine.run(script("uv"), "--no-cache", *words, "--python", sys.executable, fails=fails)
        environ = {"POETRY_VIRTUALENVS_IN_PROJECT": "true", "PDM_CHECK_UPDATE": "0", "PDM_NO_CACHE": "1"}
        quiet = ["--no-interaction", "--no-cache"] if self.name == "poetry" else []
        return machine.run(self.program, *quiet, *words, fails=fails, **environ)

    def _pip(self, machine: Machine, index: str, *requirements: str, fails: bool) -> Ran:
        python = older_python() if self.version else sys.executable
        assert python
        fresh = _environment(machine, machine.home / ".venv", python)
        start = [fresh, self.program] if self.version else [sys.executable, "-m", "pip", "--python", fresh]
        return machine.run(*start, *PIP_ALONE, "install", "--index-url", index, *requirements, fails=fails)


def installed(machine: Machine) -> dict[str, str]:
    """What is in the environment: the version of each project."""
    found = machine.home.glob(".venv/lib/*/site-packages/*.dist-info")
    return dict(sorted(path.name.removesuffix(".dist-info").rsplit("-", 1) for path in found))


def contents(machine: Machine, project: str) -> str:
    """The module of a project that tests.makers made."""
    (path,) = machine.home.glob(f".venv/lib/*/site-packages/{project.replace('-', '_')}.py")
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def programs() -> dict[str, Path]:
    """Those of poetry and PDM."""
    try:
        return {"poetry": program("poetry", "poetry"), "pdm": program("pdm", "pdm[locked]")}
    except DownloadError as error:
        problem = str(error)
    pytest.fail(problem, pytrace=False)


@pytest.fixture(params=NAMES)
def installer(request: pytest.FixtureRequest, programs: dict[str, Path]) -> Installer:
    """Each of them."""
    return Installer(request.param, programs.get(request.param))


@pytest.fixture(params=OLD_PIPS)
def old_pip(request: pytest.FixtureRequest) -> Installer:
    """pips of other times."""
    if older_python() is None:
        missing = "Python 3.11, 3.10 or 3.9 is missing, and older pips start on no newer one"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    try:
        return Installer("pip", downloaded(f"pip=={request.param}") / "pip", request.param)
    except DownloadError as error:
        problem = str(error)
    pytest.fail(problem, pytrace=False)


def _environment(machine: Machine, folder: Path, python: str) -> Path:
    machine.run(python, "-m", "venv", "--without-pip", "--clear", folder)
    return folder / "bin" / "python"
