"""The code blocks of README and docs/, and the machine of a reader who types them.

Hosts are replaced: the GitHub simulator stands for GitHub, a small index for the public one, and free ports for those that are
printed. So is what only a person can do: `gh` knows a token already. All else is typed as it is printed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import wharf
from tests.free_port import free_port
from tests.makers import make_sdist, make_wheel
from wharf.repository.settings import Settings
from wharf.repository_address import parse

from .programs import script

if TYPE_CHECKING:
    from tests.simulator import Hub
    from tests.upstream import Upstream

    from .programs import Machine

ROOT = Path(wharf.__file__).parents[1]
DOCUMENTS = (Path("README.md"), *sorted(path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md")))
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_NOTE = re.compile(r"<!-- (not run|run by): ((?:(?!-->).)+) -->\s*\Z", re.DOTALL)
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_WHARF = (sys.executable, "-m", "wharf")
PROJECT = """\
[project]
name = "app"
version = "1"
requires-python = ">=3.11"
dependencies = ["yourproject"]
"""
_INSTALLS = re.compile(r"\b(?:pip install|uv add|uv sync|poetry install|pdm install)\b")


@dataclass(frozen=True, slots=True)
class Block:
    """One code block. The comment before it may say why no test runs it (`reason`), or which test of its own does (`test`)."""

    document: Path
    line: int
    section: str
    language: str
    text: str
    reason: str | None
    test: str | None

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def blocks(document: Path) -> list[Block]:
    """All blocks of a document, in order."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        before = text[: match.start()]
        note, headings = _NOTE.search(before), _HEADING.findall(before)
        said = {note[1]: note[2]} if note else {}
        found.append(
            Block(
                document=document,
                line=before.count("\n") + 1,
                section=headings[-1] if headings else "",
                language=match[2],
                text=textwrap.dedent(match[3]),
                reason=said.get("not run"),
                test=said.get("run by"),
            )
        )
    return found


def sections() -> dict[str, list[Block]]:
    """What a reader types one after the other, by document and heading, with what is printed then (the language `text`)."""
    found: dict[str, list[Block]] = {}
    for document in DOCUMENTS:
        for block in blocks(document):
            if not block.reason and not block.test and block.language in {"sh", "text"}:
                found.setdefault(f"{document}: {block.section}", []).append(block)
    return found


# Before each command the packages of the one before are taken away: each command that installs has to find them by itself.
_PRELUDE = """\
set -euo pipefail
note() {
  ls "$READER_SITE" | sed -n 's/-[0-9.]*[.]dist-info$//p' | tr '\\n' ' ' >>"$READER_LOG"
  printf '\\n$ %s\\n' "$1" >>"$READER_LOG"
  rm -rf "$READER_SITE"/{yourproject,commons,flask,werkzeug}*
}
wharf() {
  if [ "${1-}" != serve ]; then
    command wharf "$@"
    return
  fi
  local out server
  out=$(mktemp)
  command wharf "$@" --port "$READER_PORT" >"$out" 2>&1 &
  server=$!
  for _ in $(seq 300); do
    if grep -q '^Serving' "$out"; then
      cat "$out"
      return
    fi
    kill -0 $server || break
    read -rt 0.1 <> <(:) || true
  done
  cat "$out" >&2
  return 1
}
trap 'for each in $(jobs -p); do kill $each || true; done; wait' EXIT
trap 'note "$BASH_COMMAND"' DEBUG
"""
_GH = """\
#!/bin/sh
case "$*" in
  "auth token"*) echo {token} ;;
  "auth login"*) ;;
  *) echo "gh $*: nobody is there" >&2; exit 1 ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Typed:
    """A command that was typed, and the packages that it left installed."""

    command: str
    packages: frozenset[str]

    @property
    def wanted(self) -> set[str]:
        """The packages that have to be there after it, with what they need."""
        needs = {"yourproject": "commons", "flask": "werkzeug"}
        if not _INSTALLS.search(self.command):
            return set()
        return {each for name, need in needs.items() if re.search(rf"\b{name}\b", self.command) for each in (name, need)}


class Reader:
    """Somebody with a GitHub account, a project that needs a public package, and its distributions in `dist/`.

    `venv` has wharf, pip and nothing else. `begun`: the index in the repository acme/packages is there, with the project in it.
    `team` is host and port of the company's server, if there is one; a `team_member` has named the repository once and for all.
    """

    def __init__(self, machine: Machine, venv: Path, hub: Hub, public: Upstream, *, begun: bool) -> None:
        self.machine = machine
        self.hub = hub
        self.public = public
        self.team: str | None = None
        self.team_member = False
        self._venv = venv
        self.folder = machine.home / "project"
        self._log = machine.home / "commands"
        self._port = free_port()
        (self.folder / "dist").mkdir(parents=True)
        (self.folder / ".venv").symlink_to(venv)
        (self.folder / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
        (self.folder / "requirements.txt").write_text("yourproject\n", encoding="utf-8")
        wheel = make_wheel(self.folder / "dist", "yourproject", requires=["commons"])
        make_sdist(self.folder / "dist", "yourproject")
        self._meet_the_public(machine.home / "public")
        rights = {"acme/packages": "admin"} if begun else {}
        self.token = hub.token("acme", rights)
        self._install(machine.home / "bin")
        if begun:
            hub.create("acme/packages")
            machine.run(*_WHARF, "init", self.repository, fails=False, **self._environ)
            machine.run(*_WHARF, "publish", "--repo", self.repository, wheel, fails=False, **self._environ)

    def clone(self) -> None:
        """Have the project in a repository on GitHub, acme/demo, and a clone of it here, in the place of the folder."""
        self.hub.create("acme/demo", private=False)
        self.hub.tokens[self.token].rights["acme/demo"] = "admin"
        helper = f"!f() {{ echo username=x; echo password={self.token}; }}; f"
        self.machine.run("git", "config", "--global", "credential.helper", helper)
        self.machine.run("git", "clone", "--quiet", f"{self.hub.url}/acme/demo.git", "tree")
        shutil.copytree(self.folder, self.machine.home / "tree", dirs_exist_ok=True, symlinks=True)
        shutil.rmtree(self.folder)
        (self.machine.home / "tree").rename(self.folder)

    def _meet_the_public(self, folder: Path) -> None:
        """Where pip and uv would ask the public index they ask the stand-in, which has a higher version of the private name."""
        folder.mkdir()
        flask = make_wheel(folder, "flask", requires=["werkzeug"])
        others = [make_wheel(folder, name) for name in ("commons", "werkzeug")]
        self.public.add_all([flask, *others, make_wheel(folder, "yourproject", "99.0")])
        config = self.machine.home / ".config"
        (config / "uv").mkdir(parents=True)
        (config / "pip").mkdir()
        (config / "uv" / "uv.toml").write_text(f'[[index]]\nurl = "{self.public.simple}"\ndefault = true\n', encoding="utf-8")
        (config / "pip" / "pip.conf").write_text(f"[global]\nindex-url = {self.public.simple}\n", encoding="utf-8")

    def _install(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "gh").write_text(_GH.format(token=self.token), encoding="utf-8")
        (folder / "gh").chmod(0o755)
        for name in ("uv", "twine"):
            (folder / name).symlink_to(script(name))

    @property
    def repository(self) -> str:
        """Where GitHub is, for this reader."""
        return f"{self.hub.url}/acme/packages"

    @property
    def _environ(self) -> dict[str, str]:
        return {
            "PATH": f"{self.folder}/.venv/bin:{self.machine.home}/bin:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "PIP_CONFIG_FILE": "",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "WHARF_PUBLIC_INDEX": self.public.simple,
            "READER_PORT": str(self._port),
            "READER_LOG": str(self._log),
            "READER_SITE": str(next(self._venv.glob("lib/python*/site-packages"))),
            **({"WHARF_REPO": self.repository} if self.team_member else {}),
        }

    def replaced(self, text: str) -> str:
        """What the reader really types, and sees."""
        address = parse(self.repository)
        assert address is not None
        for printed, real in {
            r"(?<![\w/.-])acme/(packages|demo)\b": rf"{self.hub.url}/acme/\1",
            r"https://wharf\.example\.com": f"http://{self.team}",
            r"\bwharf\.example\.com\b": str(self.team).partition(":")[0],
            r"https://mirror\.example\.com/simple/": self.public.simple,
            r"127\.0\.0\.1:8000": f"127.0.0.1:{self._port}",
            r"127\.0\.0\.1:24680": f"127.0.0.1:{Settings(place=address).loopback_port}",
            r"--host 0\.0\.0\.0": "--host 127.0.0.1",
            r"/var/www/packages": str(self.machine.home / "www"),
        }.items():
            text = re.sub(printed, real, text)
        return text

    def types(self, section: list[Block]) -> tuple[str, list[Typed]]:
        """Type the shell blocks of a section in one shell; what was said, and the commands."""
        typed = [f"# {block}\n{self.replaced(block.text)}" for block in section if block.language == "sh"]
        done = subprocess.run(
            ["bash", "-c", "\n".join([_PRELUDE, *typed, "true"])],
            cwd=self.folder,
            env=self.machine.environ(**self._environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        said = done.stdout + done.stderr
        log = self._log.read_text(encoding="utf-8")
        assert done.returncode == 0, f"exit code {done.returncode}\n{log}\n{said}"
        found = re.findall(r"^\$ (.*?)\n([^$\n]*)\n(?=\$ )", log, re.DOTALL | re.MULTILINE)
        return said, [Typed(command, frozenset(packages.split())) for command, packages in found]
