"""setup: a client's own configuration file is found, edited and replaced whole, or left as it is."""

from __future__ import annotations

import contextlib
import netrc
import os
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wharf.clients import setup_by_client
from wharf.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.clients.index_address import IndexAddress
    from wharf.clients.setup_text import Client

_LARGEST = 1 << 22  # bytes; a configuration file is never that long
_PRIVATE = frozenset({".pypirc"})  # files that are made readable by their owner alone: people put passwords there


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The file that has the index now, whether it had to be changed, and what to know about it."""

    file: Path
    changed: bool
    notes: tuple[str, ...] = ()


def find(client: Client, environ: Mapping[str, str], here: Path, *, run: bool = False) -> Path | None:
    """The file in which that client looks first for what we have to say, whether it is there or not.

    None: it has no place without a project, and there is no pyproject.toml in this folder or above it, up to the top of the
    working tree. `run`: it is about the address of `wharf run`, which no file for all projects may hold. Raises UsageError if
    the environment forbids any.
    """
    if client == "twine":
        return _home(environ) / ".pypirc"
    if client == "pip":
        return _pip_file(environ)
    for folder in _upwards(here):
        if client == "uv" and (folder / "uv.toml").is_file():
            return folder / "uv.toml"  # beside it uv does not look into pyproject.toml
        if (folder / "pyproject.toml").is_file():
            return folder / "pyproject.toml"
    return _config(environ) / "uv" / "uv.toml" if client == "uv" and not run else None


def check_project(client: Client, environ: Mapping[str, str], file: Path) -> None:
    """Raise UsageError for a file that the client reads in all projects: the address of `wharf run` would break it in each."""
    everywhere = [Path("/etc/uv/uv.toml")]
    with contextlib.suppress(UsageError):  # without a home there is no such file
        everywhere.append(_config(environ) / "uv" / "uv.toml")
    if client == "uv" and os.path.realpath(file) in map(os.path.realpath, everywhere):
        raise UsageError(
            f"{file} is read by uv in all projects, but the address of `wharf run` works in its commands only.",
            "Name a project's pyproject.toml with --file, or a server or static site with --url.",
        )


def _home(environ: Mapping[str, str]) -> Path:
    try:
        return Path(environ.get("HOME") or Path.home())
    except RuntimeError:
        raise UsageError(
            "This user has no home folder: HOME is not set, and the system has no account of this number.",
            "Set HOME, or name the file: --file PATH.",
        ) from None


def _config(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("XDG_CONFIG_HOME") or _home(environ) / ".config")


def has_default(environ: Mapping[str, str]) -> bool:
    """Whether the person's netrc has a password for any host that it does not name."""
    try:
        return any(netrc.netrc(environ.get("NETRC") or _home(environ) / ".netrc").hosts.get("default", ()))
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError, UsageError):  # one that cannot be read gives nothing to pip
        return False


def _pip_file(environ: Mapping[str, str]) -> Path:
    """The file that `pip config set` would edit (pip's "Configuration")."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        raise UsageError(f"PIP_CONFIG_FILE is {named}: pip reads no configuration.", "Unset it, or name a file: --file PATH.")
    if named:
        return Path(named)
    venv = environ.get("VIRTUAL_ENV")
    if venv and (Path(venv) / "pip.conf").is_file():
        return Path(venv) / "pip.conf"
    if sys.platform == "darwin":
        of_system = _home(environ) / "Library" / "Application Support" / "pip"
        return (of_system if of_system.is_dir() else _home(environ) / ".config" / "pip") / "pip.conf"
    return _config(environ) / "pip" / "pip.conf"


def _upwards(here: Path) -> tuple[Path, ...]:
    """The folder and those above it, up to the top of its working tree; without one the folder alone."""
    folders = (here, *here.parents)
    top = next((number for number, folder in enumerate(folders) if (folder / ".git").exists()), 0)
    return folders[: top + 1]


def write(client: Client, address: IndexAddress, name: str, file: Path) -> Written:
    """Put the index into that client's configuration file. Raises UsageError if it cannot be read, and leaves it then.

    The file is replaced in one step, with the mode that it has; a link stays one, and the file that it leads to is replaced.
    The same call again changes nothing.
    """
    target = Path(os.path.realpath(file))  # unlike resolve() it finds no loops of links: opening does
    before = _read(file, target)
    if before is None and target.name == "pyproject.toml":
        raise NotFoundError(f"There is no {file}.", "Begin a project first, or name the file: --file PATH.")
    text, ends = _unified(before or "", file)
    changed, notes = setup_by_client.edit(client, address, name, text, str(file))
    if before is not None and changed == text:
        return Written(file=file, changed=False, notes=notes)
    _replace(target, changed.replace("\n", ends).encode())
    return Written(file=file, changed=True, notes=notes)


def _read(file: Path, target: Path) -> str | None:
    try:
        if not stat.S_ISREG(target.stat().st_mode):  # before it is opened: a pipe would wait for somebody to write
            raise UsageError(f"{file} is not a file.", "Name another one: --file PATH.")
        with target.open("rb") as opened:
            data = opened.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise UsageError(f"{file} is too long for a configuration file.", "Name another one: --file PATH.")
        return data.decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError(f"{file} is not UTF-8 (line {line}).", "Save it as UTF-8.") from None


def _unified(text: str, file: Path) -> tuple[str, str]:
    """The text with plain line ends, and those that it had. The libraries would mix them."""
    if "\r" not in text:
        return text, "\n"
    plain = text.replace("\r\n", "\n")
    if "\r" in plain or text.count("\n") != text.count("\r\n"):
        raise UsageError(f"{file} has line ends of several kinds.", "Save it with one kind.")
    return plain, "\r\n"


def _replace(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    fresh = Path(name)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 # mkstemp gives a handle, made for its owner alone
            file.write(data)
            os.fchmod(file.fileno(), _mode(target))
            os.fsync(file.fileno())
        fresh.replace(target)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def _mode(target: Path) -> int:
    """The mode that the file has, or that a new one gets."""
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        if target.name in _PRIVATE:
            return 0o600
        mask = os.umask(0o077)
        os.umask(mask)
        return 0o666 & ~mask
