"""The programs that the suite runs, each as a process of its own, in a home that nobody has configured."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import sysconfig
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import wharf
from tests.index.test_branch import git
from wharf.index.record import folder
from wharf.pages.etag import page_etag
from wharf.pages.page_format import Format

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIMEOUT = 300
_START = 60
_STOP = 60
_MEANT = ("refused: ", "This index has no project ", "Further names ")
_JSON = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Everything it said, on one line: programs break lines where the window ends."""
        return " ".join(f"{self.out}\n{self.err}".split())

    @property
    def document(self) -> Any:
        """The JSON document that it printed."""
        return json.loads(self.out)


class Machine:
    """A computer with an empty home folder; what the person who runs the suite has configured is not seen."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        (home / ".gitconfig").write_text("[user]\n\tname = Ada Example\n\temail = ada@example.org\n", encoding="utf-8")

    def environ(self, **more: str) -> dict[str, str]:
        """All the environment that a program gets."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.home / "tmp"),
            "LANG": "C.UTF-8",
            "COLUMNS": "200",
            "PIP_CONFIG_FILE": os.devnull,
            "UV_PYTHON_DOWNLOADS": "never",
            "POETRY_INSTALLER_MAX_WORKERS": "1",  # several at once forget the password now and then (docs/run.md)
            **more,
        }

    def run(self, *words: object, fails: bool | None = False, **environ: str) -> Ran:
        """Run a program to its end. That it succeeds, or with `fails` that it does not, is asserted; None: either will do."""
        command = [str(word) for word in words]
        done = subprocess.run(
            command,
            env=self.environ(**environ),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        ran = Ran(done.returncode, done.stdout, done.stderr)
        assert fails in {None, bool(ran.code)}, f"{' '.join(command)}\nexit code {ran.code}\n{ran.out}\n{ran.err}"
        assert "Traceback" not in ran.err, ran.err
        return ran

    def wharf(self, store: Path, *words: object, fails: bool = False) -> Ran:
        """Run `wharf …` on a store, with --json."""
        return self.run(*command(store), *words, "--json", fails=fails, PYTHONPATH=_SOURCE)

    def pip(self, python: Path, *words: object, fails: bool = False, **environ: str) -> Ran:
        """Run the pip of this test environment for another one."""
        return self.run(sys.executable, "-m", "pip", "--python", python, *PIP_ALONE, *words, fails=fails, **environ)

    def uv(self, *words: object, fails: bool | None = False, **environ: str) -> Ran:
        """Run uv without its cache and without any configuration."""
        return self.run(script("uv"), "--no-cache", "--no-config", *words, fails=fails, **environ)

    def environment(self, name: str = "fresh") -> Path:
        """The interpreter of a new virtual environment, with nothing in it."""
        self.run(sys.executable, "-m", "venv", "--without-pip", self.home / name)
        return self.home / name / "bin" / "python"

    def uv_environment(self, name: str = "fresh") -> Path:
        """The same, made by uv."""
        self.uv("venv", "--python", sys.executable, self.home / name)
        return self.home / name / "bin" / "python"

    def value(self, python: Path, expression: str) -> str:
        """What an expression is in an environment; its modules are imported first: `flask.__name__`."""
        module = expression.rpartition(".")[0]
        return self.run(python, "-I", "-c", f"import {module}; print({expression})").out.strip()

    def installed(self, python: Path) -> dict[str, str]:
        """Names and versions of what is installed in an environment."""
        listed: list[dict[str, str]] = self.pip(python, "list", "--format", "json").document
        return {each["name"].lower(): each["version"] for each in listed}


_SOURCE = str(Path(wharf.__file__).parents[1])
PIP_ALONE = ("--isolated", "--no-input", "--no-cache-dir", "--disable-pip-version-check")


def command(store: Path) -> list[str]:
    """The beginning of `wharf …` on a store."""
    return [sys.executable, "-m", "wharf", "--repo", str(store)]


def script(name: str) -> str:
    """A program of this test environment."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    assert found, f"{name} is not installed here"
    return found


@dataclass(frozen=True, slots=True)
class Served:
    """A server that runs."""

    url: str

    @property
    def simple(self) -> str:
        return f"{self.url}/simple/"

    @property
    def legacy(self) -> str:
        return f"{self.url}/legacy/"

    @property
    def address(self) -> str:
        """Host and port."""
        return self.url.partition("://")[2]

    def page(self, project: str = "") -> Any:
        """The page of a project, or the list, as installers read it."""
        path = f"{project}/" if project else ""
        request = urllib.request.Request(f"{self.simple}{path}", headers={"Accept": _JSON})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=_TIMEOUT) as answer:
            return json.load(answer)

    def shows(self, store: Path, project: str, index: str = "main") -> bool:
        """Whether the page of a project is that of the newest commit of its index, which has no bases."""
        tree = git(store, "rev-parse", f"wharf/{index}:{folder(project)}")
        request = urllib.request.Request(f"{self.simple}{project}/", headers={"Accept": _JSON}, method="HEAD")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=_TIMEOUT) as answer:
            return bool(answer.headers["ETag"] == page_etag(tree, Format.JSON, zipped=False))


@contextmanager
def serving(machine: Machine, store: Path, *options: object, warns: str = "") -> Iterator[Served]:
    """`wharf serve` as a process, asked to end when the block ends: gracefully.

    It says no word but the warning, whom it refused, which names it does not have, and that it stops.
    """
    words = [*command(store), "serve", "--json", "--port", "0", *(str(option) for option in options)]
    with (
        (machine.home / f"{store.name}.err").open("w+", encoding="utf-8") as errors,
        subprocess.Popen(
            words,
            env=machine.environ(PYTHONPATH=_SOURCE),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as process,
    ):
        try:
            assert process.stdout
            yield Served(_address(process.stdout, errors))
            process.terminate()
            code = process.wait(_STOP)
        finally:
            process.kill()
        *lines, last = _text(errors).splitlines(keepends=True)
        said = "".join(line for line in lines if not line.startswith(_MEANT))
        assert (code, last) == (0, "Stopping.\n"), said
        assert (warns in said and said.count("\n") == 1) if warns else not said, said


def _address(out: IO[bytes], errors: IO[str]) -> str:
    """The address that the server says when it answers."""
    ready, _, _ = select.select([out], [], [], _START)
    line = out.readline() if ready else b""
    assert line, f"the server does not start: {_text(errors)}"
    url: str = json.loads(line)["url"]
    return url.replace("//0.0.0.0:", "//127.0.0.1:")


def _text(errors: IO[str]) -> str:
    errors.seek(0)
    return errors.read()
