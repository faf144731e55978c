"""Installers of other times: a folder that they are kept in once they were downloaded, and a Python that runs all of them."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from .packages import DownloadError, kept

_PYENV = Path(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"))
_NEWEST = (3, 11)
"""The newest Python that pips before 23.1.2 start on."""
_OLDEST = (3, 9)
_TIMEOUT = 600


def older_python() -> str | None:
    """A Python that the old pips start on: this one, or one on PATH, or one of pyenv's; None if there is none."""
    if sys.version_info[:2] <= _NEWEST:
        return sys.executable
    for minor in range(_NEWEST[1], _OLDEST[1] - 1, -1):
        version = f"{_NEWEST[0]}.{minor}"
        for candidate in (f"python{version}", *map(str, _PYENV.glob(f"versions/{version}.*/bin/python3"))):
            if _is(candidate, (_NEWEST[0], minor)):
                return candidate
    return None


def _is(candidate: str, version: tuple[int, int]) -> bool:
    """Whether it really starts, and is of that version: pyenv has programs that do not."""
    code = f"import sys; sys.exit(sys.version_info[:2] != {version})"
    try:
        return subprocess.run([candidate, "-c", code], capture_output=True, check=False, timeout=60).returncode == 0
    except OSError:
        return False


def downloaded(requirement: str) -> Path:
    """A folder with the files of one wheel, `pip==20.3`."""
    return _once(f"{requirement.replace('==', '-')}-{sysconfig.get_platform()}", [requirement])


def program(name: str, requirement: str) -> Path:
    """A program of the version that was the newest when it was downloaded, in an environment of its own."""
    home = kept() / "clients" / f"{name}-{sysconfig.get_platform()}-{sysconfig.get_python_version()}"
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / f".lock-{name}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True, timeout=_TIMEOUT)
            _pip(str(home / "bin" / "python"), requirement)
            (home / "complete").touch()
    return home / "bin" / name


def _once(name: str, requirements: list[str]) -> Path:
    folder = kept() / "clients"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # workers of one run share the folder
        if not (folder / name).exists():
            with tempfile.TemporaryDirectory(dir=folder) as inside:
                _install(Path(inside) / name, requirements)
                shutil.move(Path(inside) / name, folder / name)
    return folder / name


def _install(target: Path, requirements: list[str]) -> None:
    _pip(sys.executable, "--no-deps", "--no-compile", "--target", str(target), *requirements)


def _pip(python: str, *words: str) -> None:
    """Install from whatever index pip is configured for on this machine."""
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet", *words]
    done = subprocess.run(pip, capture_output=True, text=True, check=False, timeout=_TIMEOUT)
    if done.returncode:
        raise DownloadError(f"`{' '.join(pip)}` failed.\n{done.stdout}\n{done.stderr}")
