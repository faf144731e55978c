"""Uploads over HTTP, as twine sends them, from one client and from eight at once."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import servers
from figures import Row, compared, interleaved
from wheels import make_wheels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from plan import Plan

_ROUNDS = 3
_WHEELS = 200


@dataclass(frozen=True, slots=True)
class Target:
    """Where to upload to, and as whom."""

    url: str
    auth: tuple[str, str] | None


def run(plan: Plan) -> list[Row]:
    """Seconds for 200 wheels; every server keeps what the rounds before brought."""
    rows = []
    for clients in (1, 8):
        with ExitStack() as stack:
            folder = plan.folder / f"uploads-{clients}"
            targets = _targets(plan, folder, stack)
            sides = {name: _measured(target, clients, folder) for name, target in targets.items()}
            samples = interleaved(plan.rounds(_ROUNDS), sides)
        what = f"{_WHEELS} wheels, {clients} client{'s at once' if clients > 1 else ''}"
        rows += compared("uploads", what, "s", samples)
    return rows


def _targets(plan: Plan, folder: Path, stack: ExitStack) -> dict[str, Target]:
    store = folder / "wharf"
    command = [*servers.WHARF, "token", "create", "bench", "--repo", str(store), "--json"]
    made = subprocess.run(command, check=True, capture_output=True, env=servers.environment(), timeout=60)
    token = json.loads(made.stdout)["token"]
    targets = {"wharf": Target(f"{stack.enter_context(servers.wharf(store))}/legacy/", ("__token__", token))}
    if plan.rivals is not None and plan.has("pypiserver"):
        targets["pypiserver"] = Target(stack.enter_context(servers.pypiserver(plan.rivals, folder / "pypiserver")), None)
    if plan.rivals is not None and plan.has("devpi-server"):
        url, password = stack.enter_context(servers.devpi(plan.rivals, folder / "devpi"))
        targets["devpi-server"] = Target(url, ("root", password))
    return targets


def _measured(target: Target, clients: int, folder: Path) -> Callable[[], float]:
    def measure() -> float:
        wheels = make_wheels(folder / "wheels", _WHEELS)
        shares = [wheels[number::clients] for number in range(clients)]
        begin = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(lambda share: _upload(target, share), shares))
        return time.perf_counter() - begin

    return measure


def _upload(target: Target, wheels: Sequence[Path]) -> None:
    with httpx.Client(auth=target.auth, timeout=120) as client:
        for wheel in wheels:
            name, version, *_ = wheel.name.split("-")
            data = wheel.read_bytes()
            form = {
                ":action": "file_upload",
                "protocol_version": "1",
                "metadata_version": "2.1",
                "name": name,
                "version": version,
                "filetype": "bdist_wheel",
                "pyversion": "py3",
                "sha256_digest": hashlib.sha256(data).hexdigest(),
            }
            client.post(target.url, data=form, files={"content": (wheel.name, data)}).raise_for_status()
