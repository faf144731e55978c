"""From the start of `wharf serve` to its first answered page, and the memory that it holds."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import load
import seed
import servers
from figures import Row, Target, alone, compared, interleaved

from wharf.index.branch import Branch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from plan import Plan

_ROUNDS = 5
_PAGES = 2000
_FLOOR = [sys.executable, "-c", "import fastapi, uvicorn, git"]
_SIZES = ((1000, 10, 1.5), (10_000, 10, 4.0))  # projects, versions of each, target in seconds


def run(plan: Plan) -> list[Row]:
    """Both sizes; memory at the larger one."""
    rows = []
    for projects, versions, seconds in _SIZES:
        store = seed.store(plan.stores, projects, versions)
        with Branch(store / "index.git", "main") as branch:
            names = branch.snapshot().names()
        sides: dict[str, Callable[[], float]] = {"wharf": partial(_first_answer, store, names[0]), "imports alone": _floor}
        samples = interleaved(plan.rounds(_ROUNDS), sides)
        what = f"first answer, {projects * versions:,} releases"
        rows += compared("start", what, "s", samples, Target(bound=seconds))
    rows += _memory(store, names[:_PAGES])
    return rows


def _first_answer(store: Path, name: str) -> float:
    """Seconds from the start of the process to the first byte of a project's page."""
    port = servers.free_port()
    begin = time.perf_counter()
    with servers.started(_serve(store, port)) as process:
        _wait(process, port, name)
        return time.perf_counter() - begin


def _floor() -> float:
    begin = time.perf_counter()
    subprocess.run(_FLOOR, check=True, timeout=60)
    return time.perf_counter() - begin


def _memory(store: Path, names: tuple[str, ...]) -> list[Row]:
    port = servers.free_port()
    with servers.started(_serve(store, port)) as process:
        _wait(process, port, names[0])
        first = servers.resident(process.pid)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for name in names:
            connection.request("GET", f"/simple/{name}/", headers={"accept": load.ACCEPT})
            connection.getresponse().read()
        connection.close()
        last = servers.resident(process.pid)
    moments = {"after the first answer": first, f"after {len(names):,} projects' pages": last}
    return [
        row
        for moment, (own, git) in moments.items()
        for row in (
            alone("start", f"memory {moment}", "MB", [own], Target(bound=300)),
            alone("start", f"memory {moment}, git", "MB", [git], None),
        )
    ]


def _serve(store: Path, port: int) -> list[str]:
    return [*servers.WHARF, "serve", "--repo", str(store), "--port", str(port), "--json"]


def _wait(process: subprocess.Popen[bytes], port: int, name: str) -> None:
    request = f"GET /simple/{name}/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAccept: {load.ACCEPT}\r\n\r\n".encode()
    end = time.monotonic() + 60
    while not servers.answers(port, request):
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError("wharf serve gives no answer")
        time.sleep(0.005)
