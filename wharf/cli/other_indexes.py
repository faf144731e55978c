"""Other indexes that a person's configuration names, beside that of `wharf run`: any of them could win one of its names.

What the environment can close, it closes, unless --keep-indexes is said. What is closed is named, as is what stays open. The
files are read only to tell about them: what is closed is closed whether or not the file was found here. No value is ever told,
because an address may hold a password.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

OPTION: Final = "--keep-indexes"

_STRATEGY = "first-index"  # what uv does by itself: a name is the first index's that has it
_MOST = 1 << 20  # bytes of a file that are read
_PIP = re.compile(r"pip[\d.]*|pipx|pip-(compile|sync)|hatch|pipenv|tox|nox")
_REPLACES = frozenset({"index-url", "pypi-url"})  # two names of one option
_CLOSED = frozenset({"extra-index-url"})
_OPEN = frozenset({"find-links", "no-index"})


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of a tool, named for people. `closed`: the environment undoes it. `own`: not of the whole machine."""

    tool: str
    text: str
    closed: bool
    own: bool = True


def without(before: Mapping[str, str], *, keep: bool) -> dict[str, str]:
    """An environment without what pip would take for another index than wharf's, in any spelling that pip knows."""
    named = _REPLACES if keep else _REPLACES | _CLOSED
    return {name: value for name, value in before.items() if _pip_option(name) not in named}


def closing(address: str) -> dict[str, str]:
    """What undoes other indexes. pip ignores a variable that is empty, so the variable gets wharf's address once more."""
    return {"PIP_EXTRA_INDEX_URL": address, "UV_INDEX_STRATEGY": _STRATEGY}


def settings(environ: Mapping[str, str], words: Sequence[str], here: Path) -> list[Setting]:
    """All that is set for the command of those words, in its environment, in files, and on its own command line.

    What holds for the whole machine is told where the command is the tool itself: others would hear it each time.
    """
    tool = _tool(words)
    found = [*_variables(environ), *_of_pip(environ, words[0]), *_of_uv(environ, here), *_of_pdm(environ)]
    return [*(each for each in found if each.own or each.tool == tool), *(_arguments(words, here, tool) if tool else ())]


def _tool(words: Sequence[str]) -> str:
    """The tool whose settings count for the command, by its name; empty if unknown."""
    program = Path(words[0]).name
    if program in {"uv", "uvx"}:
        return "uv"
    return "pip" if _PIP.fullmatch(program) or list(words[1:3]) == ["-m", "pip"] else ""


def _pip_option(variable: str) -> str:
    """The pip option that a variable stands for, as pip reads it; empty for any other variable."""
    return variable[4:].lower().replace("_", "-").removeprefix("--") if variable.startswith("PIP_") else ""


def _variables(environ: Mapping[str, str]) -> Iterator[Setting]:
    wharf = environ.get("PIP_INDEX_URL")  # inside of another run, which gave its own address for both
    for name in sorted(name for name, value in environ.items() if value.strip()):
        option = _pip_option(name)
        if (option in _CLOSED or option == "pypi-url") and environ[name] != wharf:
            yield Setting("pip", name, closed=True)
        elif option in _OPEN and _says_something(environ[name]):
            yield Setting("pip", name, closed=False)
        elif name == "UV_INDEX_STRATEGY" and environ[name] != _STRATEGY:
            yield Setting("uv", f"{name}={_word(environ[name])}", closed=True)
        elif name in {"UV_FIND_LINKS", "UV_NO_INDEX"} or (name == "PIPENV_EXTRA_PIP_ARGS" and "-" in environ[name]):
            yield Setting(name[:3].strip("_").lower(), name, closed=False)


def _home(environ: Mapping[str, str]) -> Path:
    """The person's folder as the tools find it; `~` itself where none is known, as in containers: they look there too."""
    return Path(os.path.expanduser(environ.get("HOME") or "~"))  # noqa: PTH111 - a Path makes an error of an unknown one


def _of_pip(environ: Mapping[str, str], program: str) -> Iterator[Setting]:
    """Source: pip's "Configuration"."""
    given = environ.get("PIP_CONFIG_FILE")
    if given == os.devnull:  # then pip reads none
        return
    home = _home(environ)
    config = _config(environ, home)
    machine = [Path(each) / "pip" for each in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":") if each]
    machine += [Path("/etc"), Path("/Library/Application Support/pip")]
    own = [home / ".pip", config / "pip", home / "Library" / "Application Support" / "pip"]
    files = [(folder / "pip.conf", False) for folder in machine]
    if not (given and Path(given).exists()):
        files += [(folder / "pip.conf", True) for folder in own]
    found = shutil.which(program, path=environ.get("PATH"))
    sites = {environ.get("VIRTUAL_ENV", ""), "" if found is None else str(Path(found).parent.parent)}
    files += [(Path(site) / "pip.conf", True) for site in sorted(sites) if site not in {"", "/", "/usr"}]
    files += [(Path(given), True)] if given else []
    for path, mine in files:
        yield from _in_ini(path, own=mine)


def _in_ini(path: Path, *, own: bool) -> Iterator[Setting]:
    text = _read(path)
    if not text:
        return
    import configparser

    parser = configparser.RawConfigParser()
    parser.optionxform = lambda option: _pip_option(f"PIP_{option}")  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.Error:  # pip says so itself
        return
    for section in parser.sections():
        for option in parser[section]:
            if option in _CLOSED | _OPEN and _says_something(parser[section][option]):
                yield Setting("pip", f"{option} in [{_word(section)}] of {path}", closed=option in _CLOSED, own=own)


def _of_uv(environ: Mapping[str, str], here: Path) -> Iterator[Setting]:
    """Source: uv's "Configuration files"."""
    if environ.get("UV_NO_CONFIG", "0").lower() not in {"", "0", "false"}:
        return
    home = _home(environ)
    files = [(Path(each) / "uv" / "uv.toml", False) for each in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":") if each]
    files += [(Path("/etc/uv/uv.toml"), False), (_config(environ, home) / "uv" / "uv.toml", True)]
    for folder in (here, *here.parents):
        nearest = [path for name in ("uv.toml", "pyproject.toml") if (path := folder / name).is_file()]
        if nearest:
            files += [(path, True) for path in nearest]
            break
    if given := environ.get("UV_CONFIG_FILE"):
        files = [(Path(given), True)]
    for path, own in files:
        table = _toml(path)
        if path.name == "pyproject.toml":
            table = _table(_table(table, "tool"), "uv")
        for part in (table, _table(table, "pip")):
            strategy = part.get("index-strategy", _STRATEGY)
            if strategy != _STRATEGY:
                yield Setting("uv", f"index-strategy in {path}", closed=True, own=own)
            for key in sorted(_OPEN & part.keys()):
                if part[key]:
                    yield Setting("uv", f"{key} in {path}", closed=False, own=own)


def _of_pdm(environ: Mapping[str, str]) -> Iterator[Setting]:
    """Indexes that `pdm config` stored. Source: PDM's "Configurations". What ignores them ignores PDM_PYPI_URL too."""
    home = _home(environ)
    given = environ.get("PDM_CONFIG_FILE")
    for path in (Path(given),) if given else (_config(environ, home) / "pdm" / "config.toml",):
        for name, value in _table(_toml(path), "pypi").items():
            if isinstance(value, dict):
                yield Setting("pdm", f"[pypi.{_word(name)}] in {path}", closed=False)


_NAMES_INDEX = (
    "--extra-index-url",
    "--index-url",
    "--index",
    "--default-index",
    "--index-strategy",
    "--find-links",
    "--no-index",
)


def _arguments(words: Sequence[str], here: Path, tool: str) -> Iterator[Setting]:
    """Options of the command, and of the requirements that it is given, which no environment can undo."""
    for number, word in enumerate(words):
        option, _, value = word.partition("=")
        value = value or next(iter(words[number + 1 :]), "")
        if option in _NAMES_INDEX and value != _STRATEGY:
            yield Setting(tool, f"{option} on the command line", closed=False)
        if option in {"-r", "--requirement", "--requirements"}:
            path = here / value
            lines = [line.split() for line in _read(path).splitlines()]
            named = {line[0].partition("=")[0] for line in lines if line and line[0].startswith("-")}
            for each in sorted(named & {*_NAMES_INDEX, "-i", "-f"}):
                yield Setting(tool, f"{each} in {path}", closed=False)


def _config(environ: Mapping[str, str], home: Path) -> Path:
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config")


def _toml(path: Path) -> dict[str, object]:
    text = _read(path)
    if not text:
        return {}
    from wharf.text_formats import toml_and_json

    try:
        return toml_and_json.toml(text)
    except ValueError:  # the tool says so itself
        return {}


def _table(of: Mapping[str, object], key: str) -> dict[str, object]:
    found = of.get(key)
    return found if isinstance(found, dict) else {}


def _read(path: Path) -> str:
    """What a plain file says; nothing if there is none, or it cannot be read."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return file.read(_MOST).decode(errors="replace")
    except OSError:
        return ""


def _says_something(value: str) -> bool:
    return value.strip().lower() not in {"", "0", "false", "no", "off", "n", "f"}


def _word(text: str) -> str:
    """A name out of a file or a variable, as far as it is one."""
    return "".join(each for each in text if each.isalnum() or each in "-_:.")[:40]
