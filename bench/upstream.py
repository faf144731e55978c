"""An upstream index through one's own server: installs, pages, one large file for many clients, and bytes."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import load
import mirrors
import servers
import upstream_index
from figures import Row, Target, alone, compared, interleaved

from wharf.index import policy
from wharf.model import Status
from wharf.sources.upstream_project import UpstreamFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from figures import Samples
    from plan import Plan

    Open = Callable[[], contextlib.AbstractContextManager[mirrors.Mirror]]

_CLIENTS = 64
_LARGE, _SMALLER = 200_000_000, 20_000_000
_JUDGED = 5_000
_OWN = "own-project"
_HEADERS = {"accept": load.ACCEPT, "accept-encoding": "identity"}


@dataclass(frozen=True, slots=True)
class _Bench:
    """What all parts of this benchmark share."""

    plan: Plan
    upstream: upstream_index.Steering
    store: Path
    folder: Path
    numbers: Iterator[int]

    def fresh(self, name: str) -> Path:
        """A folder that nobody had before."""
        return self.folder / f"{name}-{next(self.numbers)}"


def run(plan: Plan) -> list[Row]:
    """All of it, with one upstream."""
    folder = plan.folder / "upstream"
    with upstream_index.upstream(folder / "files") as upstream:
        store = mirrors.store(folder / "store", upstream.simple, _OWN, upstream_index.FILES)
        bench = _Bench(plan, upstream, store, folder, itertools.count())
        return [*_installs(bench), *_compile(bench), *_pages(bench), *_policy(bench), *_large_file(bench)]


# Installs


def _ways(bench: _Bench) -> dict[str, Open]:
    """Servers with empty caches, by name; the first is wharf."""
    rivals, upstream = bench.plan.rivals, bench.upstream.simple
    ways: dict[str, Open] = {"wharf": lambda: mirrors.wharf(bench.store, bench.fresh("wharf"))}
    if rivals is not None and bench.plan.has("devpi-server"):
        ways["devpi-server"] = lambda: mirrors.devpi(rivals, bench.fresh("devpi"), upstream)
    if rivals is not None and bench.plan.has("proxpi"):
        ways["proxpi"] = lambda: mirrors.proxpi(rivals, bench.fresh("proxpi"), upstream)
    return ways


def _installs(bench: _Bench) -> list[Row]:
    """Cold: the server's cache is empty; warm: it has everything. The client has nothing in either case."""
    wanted = [upstream_index.package(number) for number in range(0, upstream_index.PACKAGES, 4 if bench.plan.quick else 1)]
    rows = []
    for tool, command in (("pip", _pip), ("uv", _uv)):
        cold: Samples = {}
        warm: Samples = {}
        for _ in range(1 if bench.plan.quick else 3):
            for name, way in _ways(bench).items():
                with way() as mirror:
                    cold.setdefault(name, []).append(_install(bench, command, mirror.simple, wanted))
                    warm.setdefault(name, []).append(_install(bench, command, mirror.simple, wanted))
            cold.setdefault("direct", []).append(_install(bench, command, bench.upstream.simple, wanted))
        what = f"{tool}, {len(wanted)} wheels"
        first = {name: cold[name] for name in ("wharf", "direct", *sorted(cold.keys() - {"wharf", "direct"}))}
        rows += compared("upstream", f"{what}, cold", "s", first, Target(bound=1.1, ratio=True))
        best = sorted(warm.keys() - {"wharf"}, key=lambda name: statistics.median(warm[name]))
        if best:
            ordered = {name: warm[name] for name in ("wharf", *best)}
            rows += compared("upstream", f"{what}, warm", "s", ordered, Target(bound=1, ratio=True))
        else:
            rows.append(alone("upstream", f"{what}, warm", "s", warm["wharf"], None))
    return rows


def _pip(target: Path, index: str, wanted: Sequence[str], _cache: Path) -> list[str]:
    pip = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "install", "--quiet", "--no-cache-dir"]
    return [*pip, "--no-deps", "--no-compile", "--target", str(target), "--index-url", index, *wanted]


def _uv(target: Path, index: str, wanted: Sequence[str], cache: Path) -> list[str]:
    uv = [_program("uv"), "pip", "install", "--quiet", "--no-config", "--cache-dir", str(cache), "--python", sys.executable]
    return [*uv, "--no-deps", "--target", str(target), "--default-index", index, *wanted]


def _install(bench: _Bench, command: Callable[..., list[str]], index: str, wanted: Sequence[str]) -> float:
    target, cache = bench.fresh("target"), bench.fresh("cache")
    seconds = _seconds(command(target, index, wanted, cache))
    if len(list(target.glob("*.dist-info"))) != len(wanted):
        raise RuntimeError(f"{index} did not give all packages")
    for folder in (target, cache):
        shutil.rmtree(folder, ignore_errors=True)
    return seconds


def _seconds(command: Sequence[str]) -> float:
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, env=servers.environment())
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:6])} failed:\n{done.stderr}")
    return seconds


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name)) if Path(sys.executable).with_name(name).exists() else name


# Bytes


def _compile(bench: _Bench) -> list[Row]:
    """Bytes, with the heads of answers, that `uv pip compile` of the application gets from a server that has all of it."""
    wanted = bench.folder / "requirements.in"
    wanted.write_text(f"{upstream_index.package(0)}\n", encoding="utf-8")

    def moved(index: str) -> float:
        cache = bench.fresh("cache")
        with _counting(index) as (address, counted):
            uv = [_program("uv"), "pip", "compile", "--quiet", "--no-config", "--cache-dir", str(cache)]
            out = bench.folder / "requirements.txt"
            _seconds([*uv, "--python", sys.executable, "--default-index", address, "--output-file", str(out), str(wanted)])
            lines = [line for line in out.read_text(encoding="utf-8").splitlines() if "==" in line]
        if len(lines) != upstream_index.PACKAGES:
            raise RuntimeError(f"{len(lines)} packages were resolved")
        return sum(counted) / 1e6

    with mirrors.wharf(bench.store, bench.fresh("wharf")) as mirror:
        moved(mirror.simple)
        samples = interleaved(1, {"wharf": lambda: moved(mirror.simple), "direct": lambda: moved(bench.upstream.simple)})
    return compared("upstream", "uv pip compile, bytes to the client", "MB", samples, Target(bound=1.02, ratio=True))


@contextlib.contextmanager
def _counting(index: str) -> Iterator[tuple[str, list[int]]]:
    """The same index at another port, and the sizes of all that comes from it."""
    parts, counted = urlsplit(index), list[int]()
    there = (parts.hostname or "", parts.port or 80)

    def pump(source: socket.socket, target: socket.socket, sizes: list[int]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sizes.append(len(data))
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        while True:
            client = listener.accept()[0]
            if ended.is_set():
                client.close()
                return
            server = socket.create_connection(there)
            threading.Thread(target=pump, args=(client, server, []), daemon=True).start()
            threading.Thread(target=pump, args=(server, client, counted), daemon=True).start()

    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}{parts.path}", counted
        finally:
            ended.set()
            socket.create_connection(listener.getsockname()).close()
            thread.join()


# Pages


def _pages(bench: _Bench) -> list[Row]:
    """A page of the upstream that the server has kept, and one of the index's own with as many files."""
    rows = []
    with mirrors.wharf(bench.store, bench.fresh("wharf")) as mirror:
        pages = {"upstream": f"{mirror.simple}{upstream_index.SAME_FILES}/", "own": f"{mirror.simple}{_OWN}/"}
        etags = {name: load.ask(address, _HEADERS).header("etag") for name, address in pages.items()}
        for what, again in (("page of the upstream", False), ("page of the upstream, 304", True)):
            sides = {
                name: lambda name=name, again=again: (
                    load.wrk(
                        pages[name],
                        {**_HEADERS, **({"if-none-match": etags[name]} if again else {})},
                        1 if bench.plan.quick else 2,
                    ).requests
                )
                for name in pages
            }
            samples = interleaved(bench.plan.rounds(7), sides)
            rows += compared("upstream", what, "/s", samples, Target(bound=0.95, at_least=True, ratio=True))
    return rows


# A policy


def _policy(bench: _Bench) -> list[Row]:
    """All rules with a value, over a project of 5,000 files, in this process."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    table = {
        "deny": ["big", "evil==1.2", "bad-*", "some-project<2"],
        "allow": ["some-*"],
        "cooldown": "7d",
        "size": "500MB",
        "newest": "2026-11-20",
        "sdists": False,
        "yanked": False,
        "status": ["quarantined"],
    }
    files = [
        UpstreamFile(
            filename=f"some_project-1.{number}-py3-none-any.whl",
            version=f"1.{number}",
            url="",
            sha256="",
            size=20_000,
            since=moment - timedelta(hours=number),
        )
        for number in range(_JUDGED)
    ]
    rules = policy.parse(table)

    def judged() -> float:
        begin = time.process_time()
        rules.judge("some-project", Status(), files, moment)
        return (time.process_time() - begin) * 1000

    samples = [judged() for _ in range(bench.plan.rounds(9))]
    return [alone("upstream", f"a policy over {_JUDGED:,} files", "ms", samples, Target(bound=20))]


# One large file


def _large_file(bench: _Bench) -> list[Row]:
    """64 clients at once want a file that the server does not have."""
    size = _SMALLER if bench.plan.quick else _LARGE
    bench.upstream.large(size)
    with mirrors.wharf(bench.store, bench.fresh("wharf")) as mirror:
        page = f"{mirror.simple}{upstream_index.LARGE}/"
        address, length = _file(load.ask(page, _HEADERS).body)
        bench.upstream.clear()
        before = _peak(mirror.process)
        with ThreadPoolExecutor(_CLIENTS) as pool:
            begin = time.perf_counter()
            got = list(pool.map(lambda _: _download(urljoin(page, address), begin), range(_CLIENTS)))
        peak = _peak(mirror.process)
    if {count for _, count in got} != {length}:
        raise RuntimeError("a client did not get the whole file")
    served = bench.upstream.served(upstream_index.LARGE.replace("-", "_"))
    what = f"{_CLIENTS} clients, one cold file of {size // 1_000_000} MB"
    return [
        alone("upstream", f"{what}: fetches", "", [served.requests], Target(bound=1)),
        alone("upstream", f"{what}: last first byte", "s", [max(first for first, _ in got)], Target(bound=0.5)),
        alone("upstream", f"{what}: peak memory", "MB", [peak], Target(bound=200)),
        alone("upstream", f"{what}: more than before", "MB", [peak - before], None),
    ]


def _download(url: str, begin: float) -> tuple[float, int]:
    """Seconds from `begin` to the first byte of the body, and how many bytes came."""
    parts = urlsplit(url)
    buffer = bytearray(1 << 18)
    with contextlib.closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=300)) as connection:
        connection.request("GET", parts.path)
        response = connection.getresponse()
        length = response.readinto(memoryview(buffer)[:1])
        first = time.perf_counter() - begin
        while count := response.readinto(buffer):
            length += count
    return first, length


def _file(body: bytes) -> tuple[str, int]:
    """Address and size of the one file of a page."""
    (file,) = json.loads(body)["files"]
    return file["url"], file["size"]


def _peak(process: int) -> float:
    """The most memory that a process had, in MB; where the system does not tell it, what it has now."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        return servers.resident(process)[0]
    line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6
