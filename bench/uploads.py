"""Uploads over HTTP: many small ones, into full indexes, a large one, and pages that are read meanwhile."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import load
import seed
import servers
from figures import Row, Target, alone, compared, interleaved
from upload_client import Target as Where
from upload_client import form, release, upload, upload_large
from wheels import make_wheel, make_wheels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from plan import Plan

_ROUNDS = 5
_WHEELS = 200
_ONES = 20  # uploads of which one is told: a single one says little
_LARGE = 500 << 20
_FILES, _FEW = 20, 5  # files of a release, and the uploads that may take as long
_PAGES = 200  # a second
_SECONDS = 5.0  # of pages
_CHUNK = 1 << 20


def run(plan: Plan) -> list[Row]:
    """All of it; every server keeps what the rounds before brought."""
    return [*_small(plan), *_releases(plan), *_full(plan), *_large(plan), *_while_read(plan)]


def _small(plan: Plan) -> list[Row]:
    """Seconds for 200 wheels, and what the client itself needs of each upload."""
    rows: list[Row] = []
    own: list[float] = []
    for clients in (1, 8):
        with ExitStack() as stack:
            folder = plan.folder / f"uploads-{clients}"
            targets = _targets(plan, folder, stack)
            sides = {name: _measured(target, clients, folder, own) for name, target in targets.items()}
            samples = interleaved(plan.rounds(_ROUNDS), sides)
        what = f"{_WHEELS} wheels, {clients} client{'s at once' if clients > 1 else ''}"
        rows += _against_each(what, samples, 1.0 if clients == 1 else 1 / 1.5, clients)
    rows.append(alone("uploads", "the client itself, of each upload", "ms", own, None))
    return rows


def _against_each(what: str, samples: dict[str, list[float]], bound: float, clients: int) -> list[Row]:
    """A row against each rival: with one client devpi has to be met, with several whoever is faster."""
    own = samples.pop("wharf")
    if not samples:
        return [alone("uploads", what, "s", own, None)]
    faster = min(samples, key=lambda name: statistics.median(samples[name]))
    held = "devpi-server" if clients == 1 and "devpi-server" in samples else faster
    ordered = {"wharf": own, held: samples.pop(held), **samples}
    return compared("uploads", what, "s", ordered, Target(bound=bound, ratio=True))


def _targets(plan: Plan, folder: Path, stack: ExitStack) -> dict[str, Where]:
    targets = {"wharf": _wharf(folder / "wharf", stack)[0]}
    if plan.rivals is not None and plan.has("pypiserver"):
        targets["pypiserver"] = Where(stack.enter_context(servers.pypiserver(plan.rivals, folder / "pypiserver")), None)
    if plan.rivals is not None and plan.has("devpi-server"):
        url, password = stack.enter_context(servers.devpi(plan.rivals, folder / "devpi"))
        targets["devpi-server"] = Where(url, ("root", password))
    return targets


def _wharf(store: Path, stack: ExitStack) -> tuple[Where, int]:
    """A server of wharf over a store, and its process."""
    command = [*servers.WHARF, "token", "create", f"bench-{time.time_ns()}", "--repo", str(store), "--json"]
    made = subprocess.run(command, check=True, capture_output=True, env=servers.environment(), timeout=60)
    url, process = stack.enter_context(servers.wharf_process(store))
    return Where(f"{url}/legacy/", ("__token__", json.loads(made.stdout)["token"])), process


def _measured(target: Where, clients: int, folder: Path, own: list[float]) -> Callable[[], float]:
    def measure() -> float:
        forms = [form(wheel) for wheel in make_wheels(folder / "wheels", _WHEELS)]
        shares = [forms[number::clients] for number in range(clients)]
        before, begin = _own_time(), time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(lambda share: upload(target, share), shares))
        seconds = time.perf_counter() - begin
        own.append((_own_time() - before) * 1000 / _WHEELS)
        return seconds

    return measure


def _own_time() -> float:
    """Seconds of the processor that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _full(plan: Plan) -> list[Row]:
    """One upload into an index that is full, against one into an empty index."""
    small = plan.quick
    seeds = {
        "a project of 1,000 versions": (1, 1000),
        f"{2 if small else 20},000 projects": (2000 if small else 20_000, 1),
        f"{10 if small else 100},000 files": (1000 if small else 10_000, 10),
    }
    rows = []
    with ExitStack() as stack:
        empty = _one(_wharf(plan.folder / "uploads-empty", stack)[0], plan.folder / "uploads-ones", None)
        for what, (projects, versions) in seeds.items():
            kept = seed.store(plan.stores, projects, versions)
            store = plan.folder / f"uploads-{projects}x{versions}"
            shutil.copytree(kept, store)
            name = seed.project(0) if versions == 1000 else None
            full = _one(_wharf(store, stack)[0], plan.folder / "uploads-ones", name)
            samples = interleaved(plan.rounds(_ROUNDS), {"wharf": full, "an empty index": empty})
            rows += compared("uploads", f"one upload into {what}", "ms", samples, Target(bound=1.5, ratio=True))
    return rows


def _releases(plan: Plan) -> list[Row]:
    """A release of 20 wheels by one upload session, all in one request, against 5 uploads. File by file it is told."""
    folder = plan.folder / "uploads-session"
    with ExitStack() as stack:
        target = _wharf(folder / "store", stack)[0]
        index = target.url.removesuffix("/legacy/")

        def by_session(clients: int) -> float:
            wheels = _of_one_release(folder, _FILES)
            begin = time.perf_counter()
            release(target, index, wheels, clients)
            return (time.perf_counter() - begin) * 1000

        def one_by_one() -> float:
            forms = [form(wheel) for wheel in make_wheels(folder / "wheels", _FEW)]
            begin = time.perf_counter()
            upload(target, forms)
            return (time.perf_counter() - begin) * 1000

        sides: dict[str, Callable[[], float]] = {
            "wharf": partial(by_session, 0),
            "8 connections": partial(by_session, 8),
            "one connection": partial(by_session, 1),
            f"{_FEW} uploads": one_by_one,
        }
        samples = interleaved(plan.rounds(_ROUNDS), sides)
    what, few = f"a release of {_FILES} files by one session", samples.pop(f"{_FEW} uploads")
    own = {"wharf": samples.pop("wharf"), f"{_FEW} uploads": few}
    rows = compared("uploads", what, "ms", own, Target(bound=1.0, ratio=True))
    by_file = [
        alone("uploads", f"{what}, file by file (PEP 694), {each}", "ms", found, None) for each, found in samples.items()
    ]
    return [*rows, *by_file]


def _of_one_release(folder: Path, count: int) -> list[Path]:
    """Wheels of one new release for several platforms."""
    mark = f"release-{time.time_ns()}"
    (folder / mark).mkdir()
    wheel = make_wheel(folder / mark, mark, "1.0")
    data, stem = wheel.read_bytes(), wheel.name.removesuffix("any.whl")
    found = [wheel.with_name(f"{stem}manylinux_2_{number}_x86_64.whl") for number in range(5, 5 + count)]
    for each in found:
        each.write_bytes(data)
    return found


def _one(target: Where, folder: Path, project: str | None) -> Callable[[], float]:
    """Milliseconds of one upload, of several in a row: of new versions of a project, or of new projects."""

    def measure() -> float:
        if project is None:
            wheels = make_wheels(folder, _ONES)
        else:
            mark = time.time_ns()
            folder.mkdir(parents=True, exist_ok=True)
            wheels = [make_wheel(folder, project, f"2.{mark}.{number}") for number in range(_ONES)]
        forms = [form(wheel) for wheel in wheels]
        begin = time.perf_counter()
        upload(target, forms)
        return (time.perf_counter() - begin) * 1000 / _ONES

    return measure


def _large(plan: Plan) -> list[Row]:
    """A large wheel with all digests that a form declares, against a copy with the same digests; and memory."""
    size = (50 << 20) if plan.quick else _LARGE
    folder = plan.folder / "uploads-large"
    folder.mkdir()
    with ExitStack() as stack:
        target, process = _wharf(folder / "store", stack)
        upload(target, [form(wheel) for wheel in make_wheels(folder / "warm", 2)])
        before, numbers = _peak(process), iter(range(1000))

        def own() -> float:
            wheel = _large_wheel(folder, next(numbers), size)
            digests = _digests(wheel)
            begin = time.perf_counter()
            upload_large(target, wheel, digests)
            seconds = time.perf_counter() - begin
            wheel.unlink()
            return size / 1e6 / seconds

        def copy() -> float:
            wheel = _large_wheel(folder, next(numbers), size)
            begin = time.perf_counter()
            _digests(wheel, folder / "copy")
            seconds = time.perf_counter() - begin
            wheel.unlink()
            return size / 1e6 / seconds

        samples = interleaved(plan.rounds(_ROUNDS), {"wharf": own, "a copy": copy})
        more = _peak(process) - before
    what = f"a wheel of {size >> 20} MB"
    rows = compared("uploads", what, "MB/s", samples, Target(bound=0.8, at_least=True, ratio=True))
    return [*rows, alone("uploads", f"{what}: more memory at most", "MB", [more], Target(bound=60))]


def _large_wheel(folder: Path, number: int, size: int) -> Path:
    """A wheel of random bytes: they are made piece by piece, as the bench should hold no more than the server."""
    return make_wheel(folder, f"large-{number}", "1.0", os.urandom(1 << 20) * (size >> 20))


def _digests(path: Path, copy: Path | None = None) -> dict[str, str]:
    """What the form declares of a file, in one pass; with `copy`, the bytes are written and synced on the way."""
    found: dict[str, hashlib._Hash | hashlib.blake2b] = {
        "md5_digest": hashlib.md5(usedforsecurity=False),
        "sha256_digest": hashlib.sha256(),
        "blake2_256_digest": hashlib.blake2b(digest_size=32),
    }
    with path.open("rb") as source, (copy or Path(os.devnull)).open("wb") as target:
        while chunk := source.read(_CHUNK):
            target.write(chunk)
            for each in found.values():
                each.update(chunk)
        if copy is not None:
            target.flush()
            os.fsync(target.fileno())
    return {name: each.hexdigest() for name, each in found.items()}


def _peak(process: int) -> float:
    """The most that a process had in memory, in MB (`VmHWM`)."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1000


def _while_read(plan: Plan) -> list[Row]:
    """The slowest pages of a reader who asks 200 times a second, while four clients upload."""
    folder = plan.folder / "uploads-read"
    with ExitStack() as stack:
        target, _ = _wharf(folder / "store", stack)
        first = make_wheels(folder / "first", 1)
        upload(target, [form(each) for each in first])
        page = target.url.replace("/legacy/", f"/simple/{first[0].name.partition('-')[0].replace('_', '-')}/")
        forms = [form(wheel) for wheel in make_wheels(folder / "wheels", 600)]
        idle = _slowest(page)
        with _uploading(target, forms):
            busy = _slowest(page)
    return [
        alone("uploads", f"p99 of a page, {_PAGES} a second", "ms", [idle], None),
        alone("uploads", f"p99 of a page, {_PAGES} a second, under uploads", "ms", [busy], Target(bound=10)),
    ]


@contextmanager
def _uploading(target: Where, forms: list[bytes]) -> Iterator[None]:
    """Four clients upload for as long as the context lasts, or until they have sent all."""
    ended = threading.Event()

    def send(share: list[bytes]) -> None:
        for each in share:
            if ended.is_set():
                return
            upload(target, [each])

    with ThreadPoolExecutor(4) as pool:
        sending = [pool.submit(send, forms[number::4]) for number in range(4)]
        try:
            yield
        finally:
            ended.set()
        for each in sending:
            each.result()


def _slowest(page: str) -> float:
    """Milliseconds of the 99th percentile, each page from the moment at which it was to be asked for."""
    found, begin = [], time.perf_counter()
    with load.Reader(page, {"accept": load.ACCEPT}) as reader:
        for number in range(int(_PAGES * _SECONDS)):
            due = begin + number / _PAGES
            time.sleep(max(0.0, due - time.perf_counter()))
            reader.read()
            found.append((time.perf_counter() - due) * 1000)
    return statistics.quantiles(found, n=100)[98]
