"""The real packages that the suite installs: which ones, and a folder that they are kept in once they were downloaded."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

WHEELS = (
    # pure, and resolved as dependencies of each other
    "requests==2.32.3",
    "idna==3.10",
    "certifi==2025.1.31",
    "urllib3==2.3.0",
    # compiled
    "charset-normalizer==3.4.4",
    "cffi==2.0.0",
    "pycparser==2.22",
    # upper-case, PyJWT in its file name too
    "PyJWT==2.9.0",
    "Flask==3.1.0",
    "Werkzeug==3.1.3",
    "Jinja2==3.1.6",
    "MarkupSafe==3.0.3",
    "PyYAML==6.0.3",
    "click==8.1.8",
    "itsdangerous==2.2.0",
    "blinker==1.9.0",
    # dotted, with file names of the old spelling, and underscored
    "zope.interface==8.1",
    "zope.event==5.0",
    "ruamel.yaml==0.18.10",
    "ruamel.yaml.clib==0.2.15",
    "jaraco.classes==3.4.0",
    "more-itertools==10.6.0",
    "typing_extensions==4.12.2",
    # for Windows only, and so only in what uv locks
    "colorama==0.4.6",
    # what sdists are built with
    "flit_core==3.12.0",
    "setuptools==75.8.0",
)
SDISTS = (
    "docopt==0.6.2",  # Metadata 1.1, no pyproject.toml
    "six==1.17.0",  # Metadata 2.1, no pyproject.toml
    "idna==3.10",  # Metadata 2.1, beside its wheel
    "iniconfig==2.1.0",  # Metadata 2.4, which installers may believe
)
_NOTES = "sha256.json"
_TIMEOUT = 600

Key = tuple[str, str, str]
"""Name, version and kind of a distribution."""


class DownloadError(Exception):
    """The packages cannot be had: the suite fails, it is not skipped."""


def fetched() -> list[Path]:
    """All the packages for this interpreter, downloaded if they are not here already."""
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # workers of one run share the folder
        if not _complete(folder):
            _download(folder)
    return sorted(folder / name for name in _noted(folder))


def kept() -> Path:
    """Where downloads lie."""
    return Path(os.environ.get("WHARF_TEST_PACKAGES") or Path(__file__).parents[2] / ".cache" / "packages")


def _folder() -> Path:
    return kept() / f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}"


def _wanted() -> set[Key]:
    pairs = [(pin, "wheel") for pin in WHEELS] + [(pin, "sdist") for pin in SDISTS]
    return {(canonicalize_name(pin.partition("==")[0]), pin.partition("==")[2], kind) for pin, kind in pairs}


def _key(filename: str) -> Key:
    if filename.endswith(".whl"):
        name, version, _, _ = parse_wheel_filename(filename)
        return name, str(version), "wheel"
    name, version = parse_sdist_filename(filename)
    return name, str(version), "sdist"


def _noted(folder: Path) -> dict[str, str]:
    try:
        notes: dict[str, str] = json.loads((folder / _NOTES).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return notes


def _complete(folder: Path) -> bool:
    notes = _noted(folder)
    whole = all((folder / name).is_file() and _sha256(folder / name) == digest for name, digest in notes.items())
    return whole and {_key(name) for name in notes} == _wanted()


def _download(folder: Path) -> None:
    """Fill the folder; the notes come last, so that a download that broke off does not count."""
    (folder / _NOTES).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        fresh = Path(inside)
        _pip_download(fresh, "--only-binary", ":all:", *WHEELS)
        _pip_download(fresh, "--no-binary", ",".join(pin.partition("==")[0] for pin in SDISTS), *SDISTS)
        missing = _wanted() - {_key(path.name) for path in fresh.iterdir()}
        if missing:
            raise DownloadError(f"pip downloaded no {sorted(missing)}")
        notes = {path.name: _sha256(path) for path in fresh.iterdir()}
        for name in notes:
            shutil.move(fresh / name, folder / name)
    (folder / _NOTES).write_text(json.dumps(notes, indent=1), encoding="utf-8")


def _pip_download(folder: Path, *words: str) -> None:
    """From whatever index pip is configured for on this machine."""
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--no-deps", "--dest"]
    try:
        done = subprocess.run([*command, str(folder), *words], capture_output=True, text=True, check=False, timeout=_TIMEOUT)
    except subprocess.TimeoutExpired as error:
        raise DownloadError(f"The test packages were not downloaded within {_TIMEOUT} seconds.") from error
    if done.returncode:
        raise DownloadError(
            "The test packages cannot be downloaded. `pip download` needs an index for this once; later runs use the folder "
            f"that WHARF_TEST_PACKAGES names, or .cache/packages.\n{done.stdout}\n{done.stderr}"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
