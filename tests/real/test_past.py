"""pip and uv at addresses of the past: what they install, what their lock files are worth later, and what they say of a file
that is gone."""

from __future__ import annotations

import hashlib
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.makers import make_wheel
from tests.server.past import date
from tests.server.running import soon

from . import installers
from .installers import OLD_PIPS, Installer, installed
from .programs import command, script, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .programs import Machine, Served

pytestmark = pytest.mark.real

EARLY, LATE = "2024-01-31", "2024-03-01T12:00:00Z"
VERSIONS = {EARLY: {"demo": "1.0", "needed": "1.0"}, LATE: {"demo": "2.0", "needed": "1.0"}}
BOTH = ("pip", "uv")
old_pip = installers.old_pip


@dataclass(frozen=True)
class World:
    """An index with demo 1.0 and needed 1.0 since 2024-01-10, and demo 2.0 since 2024-02-20; and a server of it."""

    machine: Machine
    store: Path
    served: Served

    def at(self, when: str) -> str:
        """The address of the index at a moment."""
        return f"{self.served.url}/main@{when}/simple/"

    def wharf(self, *words: object) -> Any:
        """Run a command on the index, until the server shows what it did."""
        document = self.machine.wharf(self.store, *words).document
        self.wait()
        return document

    def wait(self) -> None:
        """A server sees a commit of others within a second, if the machine has nothing else to do."""
        for name in ("demo", "needed"):
            soon(lambda name=name: self.served.shows(self.store, name))  # type: ignore[misc]

    def publish(self, version: str, **more: Any) -> Path:
        wheel = make_wheel(self.machine.home / "dist", "demo", version, requires=["needed"], **more)
        self.wharf("publish", wheel)
        return wheel

    def go_on(self) -> None:
        """All that becomes of an index later: more is published and yanked, releases are restored, and pruned by a rule."""
        self.publish("3.0")
        self.wharf("publish", make_wheel(self.machine.home / "dist", "needed", "2.0"))
        self.wharf("yank", "demo==1.0", "--reason", "loses data")
        self.wharf("restore", "--to", EARLY, "--yes")
        assert self.wharf("list")["projects"] == [{"name": each, "versions": ["1.0"]} for each in ("demo", "needed")]
        self.publish("4.0")
        self.wharf("index", "settings", "main", "--set", 'retention=[{names = ["*"], keep-newest = 1}]')
        self.wharf("prune", "--yes")
        self.wharf("verify", "--repair")
        shown = self.served.page("demo")["versions"]
        assert shown == ["4.0"]


@pytest.fixture
def world(machine: Machine) -> Iterator[World]:
    store, dist = machine.home / "store", machine.home / "dist"
    first = [make_wheel(dist, "demo", "1.0", requires=["needed"]), make_wheel(dist, "needed", "1.0")]
    machine.wharf(store, "publish", *first)
    date(store, "2024-01-10T00:00:00Z")
    machine.wharf(store, "publish", make_wheel(dist, "demo", "2.0", requires=["needed"]))
    date(store, "2024-02-20T00:00:00Z")
    with serving(machine, store) as served:
        yield World(machine, store, served)


@pytest.mark.parametrize("name", BOTH)
def test_the_same_install_at_two_dates_gives_two_versions(world: World, name: str) -> None:
    installer = Installer(name)
    for when in (EARLY, LATE):
        installer.install(world.machine, world.at(when), "demo")
        assert installed(world.machine) == VERSIONS[when]
    installer.install(world.machine, f"{world.served.url}/@{EARLY}/simple/", "demo>=1")
    assert installed(world.machine) == VERSIONS[EARLY]
    said = installer.install(world.machine, world.at("2024-01-09"), "demo", fails=True).text
    assert "demo" in said


@pytest.mark.parametrize("old_pip", [OLD_PIPS[0], OLD_PIPS[-1]], indirect=True)
def test_old_pips_install_from_the_past(world: World, old_pip: Installer) -> None:
    for when in (EARLY, LATE):
        old_pip.install(world.machine, world.at(when), "demo")
        assert installed(world.machine) == VERSIONS[when]


def test_the_lock_file_of_uv_installs_the_same_whatever_becomes_of_the_index(world: World) -> None:
    uv, machine = Installer("uv"), world.machine
    for when in (EARLY, LATE):
        folder = machine.home / when[:10]
        uv.write(machine, world.at(when), "demo")
        uv.lock(machine)
        uv.sync(machine)
        assert {**installed(machine)} == VERSIONS[when]
        folder.mkdir()
        for each in ("pyproject.toml", "uv.lock"):
            shutil.copy(machine.home / each, folder / each)
    world.go_on()
    for when in (EARLY, LATE):
        for each in ("pyproject.toml", "uv.lock"):
            shutil.copy(machine.home / when[:10] / each, machine.home / each)
        locked = uv.locked(machine).read_bytes()
        shutil.rmtree(machine.home / ".venv")
        uv.sync(machine)
        assert installed(machine) == VERSIONS[when]
        uv.locked(machine).unlink()
        uv.lock(machine)  # and made again it is the same
        assert uv.locked(machine).read_bytes() == locked


@pytest.mark.parametrize("name", BOTH)
def test_pins_with_hashes_install_the_same_whatever_becomes_of_the_index(world: World, name: str) -> None:
    machine = world.machine
    python = machine.environment()
    machine.pip(python, "install", "--index-url", world.at(LATE), "demo")
    frozen = machine.pip(python, "freeze").out.split()
    assert frozen == ["demo==2.0", "needed==1.0"]
    lines = []
    for pin in frozen:
        wheel = machine.home / "dist" / f"{pin.replace('==', '-')}-py3-none-any.whl"
        lines.append(f"{pin} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    pins = machine.home / "requirements.txt"
    pins.write_text("".join(lines), encoding="utf-8")
    world.go_on()
    python = machine.environment("later")
    words = ("install", "--require-hashes", "-r", pins)
    if name == "pip":
        machine.pip(python, *words, "--index-url", world.at(LATE))
    else:
        machine.uv("pip", *words, "--python", python, "--default-index", world.at(LATE))
    assert machine.installed(python) == VERSIONS[LATE]


@pytest.mark.parametrize("name", BOTH)
def test_a_removed_file_is_gone_by_name_and_installers_show_why(world: World, name: str) -> None:
    """Also where its version is the best one: no other one is taken in its place."""
    world.wharf("remove", "demo==2.0", "--reason", "it leaked a key", "--yes")
    said = Installer(name).install(world.machine, world.at(LATE), "demo", fails=True).text
    assert "410" in said
    assert "demo-2.0-py3-none-any.whl" in said
    if name == "pip":
        assert "it leaked a key" in said
    Installer(name).install(world.machine, world.at(EARLY), "demo")
    assert installed(world.machine) == VERSIONS[EARLY]


@pytest.mark.parametrize("name", BOTH)
def test_a_project_that_is_quarantined_today_installs_at_no_moment(world: World, name: str) -> None:
    index = world.machine.home / "index"
    git = ("git", "-C", index)
    world.machine.run("git", "clone", "--quiet", "--branch", "wharf/main", world.store / "index.git", index)
    state = index / "projects" / "de" / "demo" / "project.json"
    state.write_text('{"project-status":{"reason":"malware","status":"quarantined"}}\n', encoding="utf-8")
    world.machine.run(*git, "add", "--all")
    world.machine.run(*git, "commit", "--quiet", "--message", "quarantine")
    world.machine.run(*git, "push", "--quiet")
    world.wait()
    said = Installer(name).install(world.machine, world.at(LATE), "demo", fails=True).text
    assert "403" in said
    assert "demo-2.0-py3-none-any.whl" in said


def test_a_command_runs_at_a_moment(world: World) -> None:
    machine = world.machine
    for name, when in (("pip", EARLY), ("uv", LATE)):
        python = machine.environment(name)
        pip = [sys.executable, "-m", "pip", "--python", python, "--no-cache-dir", "--disable-pip-version-check", "install"]
        uv = [script("uv"), "--no-cache", "pip", "install", "--python", python]
        machine.run(*command(world.store), "run", "--at", when, "--", *(pip if name == "pip" else uv), "demo")
        assert machine.installed(python) == VERSIONS[when]
