"""Servers between a client and an upstream index: wharf, devpi-server and proxpi, each with a folder that is empty at first."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import seed
import servers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mirror:
    """A server that runs: the address of its list of projects, and the id of its process."""

    simple: str
    process: int


@contextlib.contextmanager
def wharf(store: Path, home: Path) -> Iterator[Mirror]:
    """`wharf serve` of a store whose index has the upstream; its cache is in `home`."""
    home.mkdir(parents=True, exist_ok=True)
    env = {**servers.environment(), "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    words = [*servers.WHARF, "serve", "--repo", str(store), "--port", "0", "--json"]
    with servers.started(words, subprocess.PIPE, env) as process:
        line = process.stdout.readline() if process.stdout else b""
        if not line:
            raise RuntimeError("wharf serve did not start")
        yield Mirror(f"{json.loads(line)['url']}/simple/", process.pid)


def store(folder: Path, upstream: str, own: str, files: int) -> Path:
    """A store with one project of its own, and the upstream for all other names."""
    seed.add_project(folder, own, files)
    seed.add_settings(folder, f'[upstream]\nmode = "proxy"\nurl = "{upstream}"\n')
    return folder


@contextlib.contextmanager
def devpi(venv: Path, folder: Path, upstream: str) -> Iterator[Mirror]:
    """A devpi-server with one mirror index."""
    port, where = servers.free_port(), f"--serverdir={folder}"
    words = [str(venv / "bin/devpi-init"), where, "--root-passwd=bench", "--no-root-pypi"]
    subprocess.run(words, check=True, capture_output=True, timeout=120, env=servers.environment())
    with servers.started([str(venv / "bin/devpi-server"), where, f"--port={port}", "--host=127.0.0.1"]) as process:
        url = servers.listening(process, port)
        login = httpx.post(f"{url}/+login", json={"user": "root", "password": "bench"}, timeout=60).json()
        token = base64.b64encode(f"root:{login['result']['password']}".encode()).decode()
        settings = {"type": "mirror", "mirror_url": upstream, "volatile": False}
        made = httpx.put(f"{url}/root/bench", json=settings, headers={"x-devpi-auth": token}, timeout=60)
        made.raise_for_status()
        yield Mirror(f"{url}/root/bench/+simple/", process.pid)


@contextlib.contextmanager
def proxpi(venv: Path, folder: Path, upstream: str) -> Iterator[Mirror]:
    """A proxpi behind gunicorn, with threads for all clients that are measured."""
    folder.mkdir(parents=True)
    port = servers.free_port()
    env = {**servers.environment(), "PROXPI_INDEX_URL": upstream, "PROXPI_CACHE_DIR": str(folder)}
    words = ["--preload", "--workers", "1", "--threads", "64", "--bind", f"127.0.0.1:{port}", "proxpi.server:app"]
    with servers.started([str(venv / "bin/gunicorn"), *words], env=env) as process:
        yield Mirror(f"{servers.listening(process, port)}/index/", process.pid)
