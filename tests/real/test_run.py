"""`wharf run` over a private repository on GitHub with the real tools: all is installed, and no secret is left anywhere."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import wharf
from tests.makers import make_sdist, make_wheel
from tests.simulator import Hub
from tests.upstream import Upstream
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings
from wharf.repository_address import parse

from .programs import Machine, script

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real

SOURCE = str(Path(wharf.__file__).parents[1])
PROJECT = """\
[project]
name = "app"
version = "1"
requires-python = ">=3.11,<4"
dependencies = ["secretive"]
"""
INSTALLED = {"secretive-1.0", "hidden-1.0", "open-1.0"}


@dataclass
class World:
    """A private repository, a public index that has a higher version of a private name, and a person's machine."""

    hub: Hub
    public: Upstream
    machine: Machine
    token: str
    passwords: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def run(self, options: list[str], *command: object, cwd: Path, **environ: str) -> str:
        """`wharf run …`; what was said. The password that the command had is kept."""
        reading, writing = os.pipe()
        words = [sys.executable, "-m", "wharf", "-v", "run", *options]
        words += ["--", "sh", "-c", f'echo "$WHARF_INDEX_PASSWORD" > /dev/fd/{writing}; exec "$@"', "sh"]
        own = {"PYTHONPATH": SOURCE, "WHARF_REPO": f"{self.hub.url}/acme/pkgs", "WHARF_TOKEN": self.token}
        try:
            done = subprocess.run(
                [*words, *map(str, command)],
                cwd=cwd,
                env=self.machine.environ(**own, WHARF_PUBLIC_INDEX=self.public.simple, **environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=300,
                pass_fds=(writing,),
            )
        finally:
            os.close(writing)
        with os.fdopen(reading) as told:
            self.passwords.append(told.read().strip())
        self.said.append(done.stdout + done.stderr)
        assert done.returncode == 0, self.said[-1]
        return self.said[-1]

    def check_no_secret_is_left(self) -> None:
        """Nowhere in what was said, nor in any file, name or link below the person's home, which is where all of them write."""
        assert len(set(self.passwords)) == len(self.passwords) > 0
        assert all(len(password) > 20 for password in self.passwords)
        secrets = [self.token, base64.b64encode(f"x-access-token:{self.token}".encode()).decode()]
        for password in self.passwords:
            secrets += [password, base64.b64encode(f"wharf:{password}".encode()).decode()]
        seen = 0
        for path in self.machine.home.rglob("*"):
            where = str(path.readlink()) if path.is_symlink() else str(path)
            data = where.encode() + (path.read_bytes() if path.is_file() else b"")
            seen += 1
            assert not [path for secret in secrets if secret.encode() in data]
        assert seen > 50
        assert not [secret for secret in secrets if secret in "".join(self.said)]
        for asked in self.public.asked:
            assert "authorization" not in asked.headers
            assert not [secret for secret in secrets if secret in str(asked.headers)]

    def project(self, name: str, text: str = PROJECT) -> Path:
        folder = self.machine.home / name
        folder.mkdir()
        (folder / "pyproject.toml").write_text(text, encoding="utf-8")
        return folder


@pytest.fixture
def world(tmp_path: Path, machine: Machine) -> Iterator[World]:
    """The private packages need each other and a public one."""
    private, open_ = tmp_path / "private", tmp_path / "open"
    private.mkdir()
    open_.mkdir()
    with Hub(tmp_path / "hub") as hub, Upstream() as public:
        hub.create("acme/pkgs")
        place = parse(f"{hub.url}/acme/pkgs")
        assert place is not None
        settings = Settings(place=place, cache=tmp_path / "cache", data=tmp_path / "data")
        with open_repository(settings, {"WHARF_TOKEN": hub.token("alice", {"acme/pkgs": "write"})}) as repository:
            files = [make_wheel(private, "secretive", requires=["hidden", "open"]), make_wheel(private, "hidden")]
            publish(repository, [Input.of(path) for path in (*files, make_sdist(private, "built"))], actor="alice")
        public.add(make_wheel(open_, "secretive", "99.0"))
        public.add(make_wheel(open_, "hidden", "99.0"))
        public.add(make_wheel(open_, "open"))
        world = World(hub, public, machine, hub.token("bob", {"acme/pkgs": "read"}))
        yield world
        world.check_no_secret_is_left()
        assert {call.login for call in hub.calls if call.login} == {"alice", "bob"}


def installed(folder: Path) -> set[str]:
    """Names and versions of the packages in an environment, without the tools."""
    found = {path.name.removesuffix(".dist-info") for path in folder.glob("lib/*/site-packages/*.dist-info")}
    return {each for each in found if not each.startswith(("pip-", "setuptools-", "wheel-"))}


def test_uv_syncs_and_the_lock_is_the_same_on_every_machine(world: World) -> None:
    project = world.project("app")
    uv = [script("uv"), "-v"]
    environ = {"UV_DEFAULT_INDEX": world.public.simple, "UV_PYTHON": sys.executable}
    world.run([], *uv, "sync", cwd=project, **environ)
    assert installed(project / ".venv") == INSTALLED
    lock = (project / "uv.lock").read_bytes()
    assert lock.count(b"http://127.0.0.1:") == 4  # two packages of ours: the index and the file
    assert world.public.simple.encode() in lock
    asked = {path.rstrip("/").rpartition("/")[2] for path in world.public.paths}
    assert not {each for each in asked if "secretive" in each or "hidden" in each}
    (project / "uv.lock").unlink()
    shutil.rmtree(world.machine.home / ".cache")
    world.run([], *uv, "lock", cwd=project, **environ)
    assert (project / "uv.lock").read_bytes() == lock
    world.run([], *uv, "sync", "--locked", "--reinstall", cwd=project, **environ)


def test_uv_installs_from_its_lock_and_its_cache_when_github_is_away(world: World) -> None:
    project = world.project("app")
    environ = {"UV_DEFAULT_INDEX": world.public.simple, "UV_PYTHON": sys.executable}
    world.run([], script("uv"), "sync", cwd=project, **environ)
    shutil.rmtree(project / ".venv")
    (project / "uv.lock").unlink()
    world.hub.down = True
    said = world.run([], script("uv"), "sync", cwd=project, **environ)
    assert said.count("This is the index as it was fetched last.") == 1
    assert installed(project / ".venv") == INSTALLED


def test_pip_installs_private_and_public_packages(world: World) -> None:
    """A private name never comes from elsewhere, whatever version is there; an sdist is built with what the index has."""
    python = world.machine.environment()
    log = world.machine.home / "pip.log"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "--disable-pip-version-check",
        "--no-input",
        "--log",
        log,
        "install",
    ]
    said = world.run(["--fall-through"], *pip, "-vv", "secretive", "open", cwd=world.machine.home)
    assert "/simple/open/" in said
    assert installed(world.machine.home / "fresh") == INSTALLED
    world.run(["--fall-through"], *pip, "--no-deps", "built", cwd=world.machine.home)
    assert "built-1.0" in installed(world.machine.home / "fresh")
    pages = {path for path in world.public.paths if path.endswith("/")}
    assert pages == {"/root/simple/open/"}


def tool(folder: Path, name: str, requirement: str) -> Path:
    """A tool of its newest version, in an environment of its own, which uv makes: pip takes several times as long."""
    python = folder / name / "bin" / "python"
    made = ("venv", "--seed", "--python", sys.executable, folder / name), ("pip", "install", "--python", python, requirement)
    for words in () if python.exists() else made:
        done = subprocess.run([script("uv"), "--quiet", *words], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    return folder / name / "bin" / name


POETRY = "[tool.poetry]\npackage-mode = false\n"
POETRY_1 = f'{POETRY}\n[tool.poetry.dependencies]\npython = ">=3.11,<4"\nsecretive = "*"\n'


@pytest.mark.parametrize(("version", "text"), [("poetry", f"{PROJECT}\n{POETRY}"), ("poetry==1.8.5", POETRY_1)])
def test_poetry_locks_and_installs(world: World, tmp_path: Path, version: str, text: str) -> None:
    poetry = tool(tmp_path, "poetry", version)
    address = world.run([], "sh", "-c", "echo $WHARF_INDEX_URL", cwd=world.machine.home).splitlines()[0]
    source = f'\n[[tool.poetry.source]]\nname = "wharf"\nurl = "{address}"\npriority = "primary"\n'
    project = world.project("app", text + source)
    environ = {"POETRY_VIRTUALENVS_IN_PROJECT": "true"}
    world.run(["--fall-through"], poetry, "lock", "-vvv", "--no-interaction", cwd=project, **environ)
    lock = (project / "poetry.lock").read_bytes()
    world.run(["--fall-through"], poetry, "install", "--no-interaction", cwd=project, **environ)
    assert installed(project / ".venv") == INSTALLED
    (project / "poetry.lock").unlink()
    shutil.rmtree(world.machine.home / ".cache")
    world.run(["--fall-through"], poetry, "lock", "--no-interaction", cwd=project, **environ)
    assert (project / "poetry.lock").read_bytes() == lock


def test_pdm_locks_and_installs(world: World, tmp_path: Path) -> None:
    pdm = tool(tmp_path, "pdm", "pdm[locked]")  # the versions that it was released with
    project = world.project("app", f"{PROJECT}\n[tool.pdm]\ndistribution = false\n")
    world.machine.run(
        sys.executable, "-m", "venv", "--without-pip", project / ".venv"
    )  # without one pdm installs where it likes
    environ = {"PDM_CHECK_UPDATE": "0"}
    world.run(["--fall-through"], pdm, "install", "-v", cwd=project, **environ)
    assert installed(project / ".venv") == INSTALLED
    lock = (project / "pdm.lock").read_bytes()
    (project / "pdm.lock").unlink()
    shutil.rmtree(world.machine.home / ".cache")
    world.run(["--fall-through"], pdm, "lock", cwd=project, **environ)
    assert (project / "pdm.lock").read_bytes() == lock


def test_hatch_installs_into_its_environments(world: World, tmp_path: Path) -> None:
    hatch = tool(tmp_path, "hatch", "hatch")
    envs = '[tool.hatch.envs.{0}]\nskip-install = true\ninstaller = "{1}"\ndependencies = ["secretive"]\n'
    project = world.project(
        "app", PROJECT.replace('["secretive"]', "[]") + envs.format("slow", "pip") + envs.format("fast", "uv")
    )
    environ = {"HATCH_ENV_TYPE_VIRTUAL_UV_PATH": script("uv"), "HATCH_DATA_DIR": str(world.machine.home / "hatch")}
    show = "import secretive, hidden, open; print('all there')"
    for name in ("slow", "fast"):
        said = world.run(["--fall-through"], hatch, "run", f"{name}:python", "-c", show, cwd=project, **environ)
        assert "all there" in said


def test_pipenv_installs_from_a_pipfile_that_is_there(world: World, tmp_path: Path) -> None:
    pipenv = tool(tmp_path, "pipenv", "pipenv")
    address = world.run([], "sh", "-c", "echo $WHARF_INDEX_URL", cwd=world.machine.home).splitlines()[0]
    source = address.replace("://", "://wharf:${WHARF_INDEX_PASSWORD}@")
    project = world.machine.home / "app"
    project.mkdir()
    pipfile = f'[[source]]\nname = "wharf"\nurl = "{source}"\nverify_ssl = false\n\n[packages]\nsecretive = "*"\n'
    (project / "Pipfile").write_text(pipfile, encoding="utf-8")
    environ = {"PIPENV_VENV_IN_PROJECT": "1", "PIPENV_PYTHON": sys.executable}
    world.run(["--fall-through"], pipenv, "install", cwd=project, **environ)
    assert installed(project / ".venv") == INSTALLED
    assert (project / "Pipfile").read_text(encoding="utf-8") == pipfile
    assert "${WHARF_INDEX_PASSWORD}" in (project / "Pipfile.lock").read_text(encoding="utf-8")
    world.run(["--fall-through"], pipenv, "sync", cwd=project, **environ)
    for left in (world.machine.home / "tmp").glob("pipenv-*.json"):
        left.unlink()  # a note of pipenv's to itself, readable by the person alone
