"""The commands that a wheel brings: entry points (the entry points specification) and files in `.data/scripts`.

An installer writes each of them into one folder, beside the interpreter. What would be written elsewhere, or in the place of
the interpreter, is refused: some installers refuse it too, and others do it.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from wharf.distribution.file_names import invalid, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_GROUPS = frozenset({"console_scripts", "gui_scripts"})
_SCHEMES = frozenset({"data", "headers", "platlib", "purelib", "scripts"})
_INTERPRETER = re.compile(r"(?:python|pythonw|python3|python3\.\d+t?|pythonw3\.\d+t|pypy3?|graalpy)", re.ASCII | re.IGNORECASE)
_COMMANDS = re.compile(r"(?:bin|scripts)/", re.IGNORECASE)
"""Where commands lie in an environment, on Windows too."""
_DRIVE = re.compile(r"[A-Za-z]:")
_BY_PIP = re.compile(r"\w+(?:\.\w+)*:\w+[^\[]*(?:\[[^\]]*\].*)?")
"""What pip reads as module and function; it ignores the rest."""
_BY_UV = re.compile(r"[\w.-]+\s*:\s*[\w.-]+\s*(?:\[[^\]]+\]\s*)?")
_LONGEST = 250  # bytes of a command: with `.exe` a file name has 255
_RENAME = "Give the command another name and rebuild it."
_CORRECT = "Correct the project's entry points and rebuild it with `python -m build`."


def check_entry_points(data: bytes, filename: str) -> list[str]:
    """Check the `entry_points.txt` of a wheel; warnings of what only some installers take."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise invalid(filename, "entry_points.txt is not in UTF-8", _CORRECT) from error
    found = _Lines()
    for group, line in found.read(text):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals:
            raise invalid(filename, f"entry_points.txt has no `=` in {plain(line)!r}", _CORRECT)
        if group in _GROUPS:
            found.odd += _check_command(name, value, filename)
        found.once((group, name), line)
    return found.odd


class _Lines:
    """The lines of an `entry_points.txt`, and as `odd` what not every installer reads: pip reads line by line, uv as INI."""

    def __init__(self) -> None:
        self.odd: list[str] = []
        self._seen: set[tuple[str, str]] = set()

    def read(self, text: str) -> Iterator[tuple[str, str]]:
        """Each entry, with the group that it stands in."""
        group, indent = "", -1
        for raw in text.splitlines():
            line = raw.strip()
            if not line or line.startswith("#"):
                continue
            if line.startswith("[") and line.endswith("]"):
                group, indent = line[1:-1].strip(), -1
                self.once((group, ""), line)
            elif line.startswith(";"):
                self.odd.append(f"entry_points.txt has the comment {plain(line)!r}. uv ignores it, pip fails at it.")
            elif not group:
                self._only_pip(line, "stands in front of the first group")
            else:
                own = len(raw) - len(raw.lstrip())
                if 0 <= indent < own:
                    self._only_pip(line, "is indented as if it belonged to the line before")
                indent = own
                yield group, line

    def once(self, key: tuple[str, str], line: str) -> None:
        """Note what stands there a second time."""
        if key in self._seen:
            self._only_pip(line, "is there twice")
        self._seen.add(key)

    def _only_pip(self, line: str, what: str) -> None:
        self.odd.append(f"{plain(line)!r} in entry_points.txt {what}. pip installs the wheel, uv refuses it.")


def check_data(paths: Iterable[str], folder: str, filename: str) -> list[str]:
    """Check the files at `paths` that lie in a wheel's `.data` folder, whose name has to be `folder`; warnings.

    pip takes every folder at the top for one whose name ends so, uv only the one of that name.
    """
    warnings: dict[str, str] = {}
    for path in paths:
        top, _, rest = path.partition("/")
        scheme, _, name = rest.partition("/")
        if not top.endswith(".data") or not rest:
            continue
        known = scheme in _SCHEMES and bool(name)
        if top == folder and not known:
            raise invalid(filename, f"{plain(scheme)!r} in {plain(folder)} is not a scheme that installers know")
        if top != folder and known:
            raise invalid(
                filename, f"pip unpacks {plain(path)!r} to another place than uv does, as the folder is not {plain(folder)}"
            )
        if top != folder:
            warnings["foreign"] = f"The folder {plain(top)!r} looks like one of data. uv installs it, pip refuses it."
        elif scheme == "scripts" and "/" in name:
            warnings["deep"] = f"The script {plain(name)!r} lies in a folder. pip installs it, uv refuses it."
        if scheme == "scripts" or (scheme == "data" and _COMMANDS.match(name)):
            _refuse_interpreter(
                posixpath.basename(name), name, filename, suffix=r"(?:\.py|\.exe)?[. ]*"
            )  # Windows drops what ends a name
    return list(warnings.values())


def _check_command(name: str, value: str, filename: str) -> list[str]:
    shown = plain(name)
    path = posixpath.normpath(name.replace("\\", "/"))
    if not name.isprintable() or len(path.encode()) > _LONGEST:
        raise invalid(filename, f"the entry point {shown!r} cannot be the name of a file", _RENAME)
    if path.startswith(("/", "../")) or path in {".", ".."} or _DRIVE.match(name):
        raise invalid(filename, f"the entry point {shown!r} leaves the folder of scripts", _RENAME)
    _refuse_interpreter(path, name, filename, suffix=r"(?:\.py[^./]*)?")  # of which pip makes `.exe` on Windows
    by_pip, by_uv = bool(_BY_PIP.fullmatch(value)), bool(_BY_UV.fullmatch(value))
    if not (by_pip or by_uv):
        raise invalid(filename, f"the entry point {shown!r} names no function: {plain(value)!r}", _CORRECT)
    warnings = []
    if "/" in path and "\\" not in name:
        warnings.append(f"The entry point {shown!r} lies in a folder. pip installs it, uv refuses it.")
    if not (by_pip and by_uv):
        takes, refuses = ("pip", "uv") if by_pip else ("uv", "pip")
        warnings.append(f"The entry point {shown!r} is {plain(value)!r}. {takes} installs it, {refuses} refuses it.")
    return warnings


def _refuse_interpreter(command: str, name: str, filename: str, suffix: str) -> None:
    """Refuse a command that would replace Python: `suffix` is a pattern for what installers take off its name."""
    if re.fullmatch(_INTERPRETER.pattern + suffix, command, re.ASCII | re.IGNORECASE):
        raise invalid(filename, f"the script {plain(name)!r} would replace the interpreter where it is installed", _RENAME)
