"""Servers to measure: each is started on 127.0.0.1, and ended by its id whatever happens in between."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from load import Reply

_HERE = Path(__file__).parent
_PATIENCE = 180.0  # seconds that a server may take to start
_script = Path(sys.executable).with_name("wharf")
WHARF = (str(_script),) if _script.exists() else (sys.executable, "-m", "wharf")
"""The command that is measured: that of the interpreter which runs the bench."""


def environment() -> dict[str, str]:
    """The environment of this process, without settings of wharf."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WHARF_")}


@contextlib.contextmanager
def started(
    command: Sequence[str], stdout: int | IO[bytes] = subprocess.DEVNULL, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process for as long as the context lasts."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.DEVNULL, env=env or environment()
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()


@contextlib.contextmanager
def wharf(store: Path) -> Iterator[str]:
    """The address of `wharf serve` with its default settings."""
    with _announced([*WHARF, "serve", "--repo", str(store), "--port", "0", "--json"]) as url:
        yield url


@contextlib.contextmanager
def wharf_process(store: Path) -> Iterator[tuple[str, int]]:
    """The same, and the number of its process."""
    with started([*WHARF, "serve", "--repo", str(store), "--port", "0", "--json"], subprocess.PIPE) as process:
        yield _said(process), process.pid


@contextlib.contextmanager
def bare(answer: Reply, folder: Path) -> Iterator[str]:
    """The address of an application that gives one answer: the same headers but `date`, which uvicorn adds."""
    folder.mkdir(parents=True)
    (folder / "body").write_bytes(answer.body)
    headers = [pair for pair in answer.headers if pair[0] != "date"]
    said = {"status": answer.status, "headers": headers, "body": str(folder / "body")}
    (folder / "answer.json").write_text(json.dumps(said), encoding="utf-8")
    with _announced([sys.executable, str(_HERE / "bare.py"), str(folder / "answer.json")]) as url:
        yield url


@contextlib.contextmanager
def nginx(files: Path, folder: Path) -> Iterator[str]:
    """The address of an nginx that serves a folder of ready files."""
    port = free_port()
    folder.mkdir(parents=True)
    temporary = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;\n"
        f"events {{ worker_connections 512; }}\n"
        f"http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;\n{temporary}\n"
        f"server {{ listen 127.0.0.1:{port} backlog=2048; root {files}; }} }}\n",
        encoding="utf-8",
    )
    with started(["nginx", "-e", f"{folder}/log", "-c", str(folder / "nginx.conf")]) as process:
        yield listening(process, port)


@contextlib.contextmanager
def pypiserver(venv: Path, folder: Path) -> Iterator[str]:
    """The address to upload to of a pypiserver that takes everybody's files, by the fastest of its ways.

    That is its own server: with waitress it takes longer, and what else it knows is not installed with it.
    """
    port = free_port()
    folder.mkdir(parents=True)
    words = ["run", "-i", "127.0.0.1", "-p", str(port), "-a", ".", "-P", ".", "--hash-algo", "md5", str(folder)]
    with started([str(venv / "bin/pypi-server"), *words]) as process:
        yield f"{listening(process, port)}/"


@contextlib.contextmanager
def devpi(venv: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """The address to upload to of a devpi-server with one index, and the password that `root` has for this session.

    With the password proper, a slow hash would be most of every upload.
    """
    port, where = free_port(), f"--serverdir={folder}"
    words = [str(venv / "bin/devpi-init"), where, "--root-passwd=bench", "--no-root-pypi"]
    subprocess.run(words, check=True, capture_output=True, timeout=120, env=environment())
    with started([str(venv / "bin/devpi-server"), where, f"--port={port}", "--host=127.0.0.1", "--offline-mode"]) as process:
        url = listening(process, port)
        login = httpx.post(f"{url}/+login", json={"user": "root", "password": "bench"}, timeout=60).json()
        password = login["result"]["password"]
        token = base64.b64encode(f"root:{password}".encode()).decode()
        made = httpx.put(f"{url}/root/bench", json={"type": "stage"}, headers={"x-devpi-auth": token}, timeout=60)
        made.raise_for_status()
        yield f"{url}/root/bench/", password


def missing_rivals(venv: Path | None) -> dict[str, str]:
    """The rivals that cannot be measured, with the remedy."""
    missing = {}
    rivals = (
        ("pypiserver", "pypi-server", "pypiserver"),
        ("devpi-server", "devpi-server", "devpi-server"),
        ("proxpi", "gunicorn", "proxpi gunicorn"),
    )
    for name, program, packages in rivals:
        if venv is None or not (venv / "bin" / program).exists():
            missing[name] = f"make a venv, `pip install {packages}` into it, and give it as --rivals VENV"
    if shutil.which("nginx") is None:
        missing["nginx"] = "install nginx"
    return missing


def free_port() -> int:
    """A port that was free just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def answers(port: int, request: bytes) -> bool:
    """Whether a plain request on a connection of its own is answered with 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(request)
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except ConnectionError:
        return False


def resident(process: int) -> tuple[float, float]:
    """Resident memory in MB: of a process, and of its children (for git, mostly the index's files, mapped)."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,rss="], capture_output=True, text=True, check=True, timeout=30)
    lines = [[int(word) for word in line.split()] for line in listed.stdout.splitlines()]
    own = sum(size for each, _, size in lines if each == process)
    children = sum(size for _, parent, size in lines if parent == process)
    return own * 1024 / 1e6, children * 1024 / 1e6


@contextlib.contextmanager
def _announced(command: Sequence[str]) -> Iterator[str]:
    """The address of a server that prints it as JSON once it answers."""
    with started(command, subprocess.PIPE) as process:
        yield _said(process)


def _said(process: subprocess.Popen[bytes]) -> str:
    """The address that a server prints. Raises RuntimeError if it does not."""
    line = process.stdout.readline() if process.stdout else b""
    if not line:
        raise RuntimeError(f"{process.args!r} did not start")
    url: str = json.loads(line)["url"]
    return url


def listening(process: subprocess.Popen[bytes], port: int) -> str:
    """The address of a server, once it takes connections. Raises RuntimeError if it does not."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return f"http://127.0.0.1:{port}"
        time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} does not listen on port {port}")
