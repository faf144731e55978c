"""Several `wharf run -- uv …` of one index at once, and inside each other: lock files stay as they are, whoever is killed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from .programs import script
from .test_run import INSTALLED, SOURCE, World, installed, world

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["world"]  # a fixture

pytestmark = pytest.mark.real


def environ(world: World) -> dict[str, str]:
    own = {"PYTHONPATH": SOURCE, "WHARF_REPO": f"{world.hub.url}/acme/pkgs", "WHARF_TOKEN": world.token}
    return world.machine.environ(**own, UV_DEFAULT_INDEX=world.public.simple, UV_PYTHON=sys.executable)


def begun(world: World, cwd: Path, *command: object) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "wharf", "run", "--", *map(str, command)]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=cwd, env=environ(world), stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    said = process.communicate(timeout=180)[0]
    assert process.returncode == 0, said
    return said


@pytest.fixture
def locked(world: World) -> Path:
    """A project with a lock file."""
    project = world.project("app")
    world.run([], script("uv"), "lock", cwd=project, UV_DEFAULT_INDEX=world.public.simple, UV_PYTHON=sys.executable)
    return project


def copies(locked: Path, count: int) -> list[Path]:
    return [shutil.copytree(locked, locked.with_name(f"copy-{number}")) for number in range(count)]


@pytest.mark.parametrize("options", [["--locked"], []])
def test_many_syncs_at_once_find_the_lock_as_it_is_and_leave_it_so(world: World, locked: Path, options: list[str]) -> None:
    lock = (locked / "uv.lock").read_bytes()
    projects = copies(locked, 6)
    runs = [begun(world, each, script("uv"), "--no-cache", "sync", *options) for each in projects]
    for each, run in zip(projects, runs, strict=True):
        assert "warning: Port" not in finish(run)
        assert (each / "uv.lock").read_bytes() == lock
        assert installed(each / ".venv") == INSTALLED


def test_a_sync_inside_of_a_run_finds_the_lock_as_it_is(world: World, locked: Path) -> None:
    lock = (locked / "uv.lock").read_bytes()
    inner = [sys.executable, "-m", "wharf", "run", "--", script("uv"), "sync"]
    finish(begun(world, locked, script("uv"), "run", "--locked", "--", *inner))
    assert (locked / "uv.lock").read_bytes() == lock
    assert installed(locked / ".venv") == INSTALLED


def test_a_sync_goes_on_when_the_run_that_was_there_first_is_killed(world: World, locked: Path) -> None:
    """In the midst of an installation: while its files are asked for."""
    go_on, waiting = threading.Event(), threading.Event()

    def hold() -> None:
        waiting.set()
        go_on.wait(60)

    (project,) = copies(locked, 1)
    holder = begun(world, locked, "sh", "-c", "echo here; read line")
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "here\n"
        world.hub.before("/releases/assets/", hold)
        run = begun(world, project, script("uv"), "--no-cache", "sync", "--locked")
        assert waiting.wait(60)
        holder.kill()
        holder.wait(60)
        go_on.set()
        finish(run)
    finally:
        go_on.set()
        holder.kill()
        holder.communicate(timeout=60)
    assert installed(project / ".venv") == INSTALLED
