"""The static site: `wharf build` from nothing, and after one publish, against dumb-pypi with the same list of files."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import github_hub
import seed
import servers
from figures import Row, Target, alone, compared, interleaved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from plan import Plan

    from wharf.model import File

_COLD_ROUNDS = 3
_WARM_ROUNDS = 5
_SLUG = "bench/packages"


def run(plan: Plan) -> list[Row]:
    """10,000 projects with 50,000 files (1,000 with 5,000 with --quick), whole processes, GitHub without latency."""
    projects = 1000 if plan.quick else 10_000
    with github_hub.simulator(plan.folder / "hub", 0.0) as hub:
        address = hub.create(_SLUG)
        git_dir = hub.open_up(_SLUG)
        bench = _Bench(plan.folder, git_dir, github_hub.environment(plan.folder, address, hub.token(_SLUG)))
        bench.files = seed.repository(git_dir, projects, 5)
        what = f"{projects:,} projects, {len(bench.files):,} files"
        first = alone("build", f"{what}: from nothing, with the clone", "s", [bench.cold()], None)
        cold = interleaved(plan.rounds(_COLD_ROUNDS), {"wharf": bench.cold, "dumb-pypi": bench.rival_cold})
        bench.check_same()
        warm = interleaved(plan.rounds(_WARM_ROUNDS), {"wharf": bench.warm, "dumb-pypi": bench.rival_warm})
        return [
            first,
            *compared("build", f"{what}: from nothing", "s", cold, Target(bound=1, ratio=True)),
            alone("build", f"{what}: from nothing", "s", cold["wharf"], Target(bound=20)),
            *compared("build", f"{what}: after one publish", "s", warm, Target(bound=1, ratio=True)),
            alone("build", f"{what}: after one publish", "s", warm["wharf"], Target(bound=1)),
        ]


class _Bench:
    """One repository and the two sites made of it. `files` are those in the index."""

    def __init__(self, folder: Path, git_dir: Path, env: Mapping[str, str]) -> None:
        self.files: list[File] = []
        self._folder = folder
        self._git_dir = git_dir
        self._env = env
        self._out = folder / "site"
        self._lists = folder / "list.json", folder / "before.json"
        self._numbers = itertools.count()

    def cold(self) -> float:
        """`wharf build` into a folder that is not there."""
        shutil.rmtree(self._out, ignore_errors=True)
        return self._build(self._out)

    def warm(self) -> float:
        """`wharf build` after one file more in the index."""
        self.files += seed.add_located(self._git_dir, [("aa-project-00000", f"2.{next(self._numbers)}")])
        seconds = self._build(self._out)
        page = json.loads((self._out / "simple/aa-project-00000/index.v1_json").read_bytes())
        if page["versions"][-1] != f"2.{len(page['versions']) - 6}":
            raise RuntimeError("the new file is not in the site")
        return seconds

    def rival_cold(self) -> float:
        """dumb-pypi into a folder that is not there, without the per-release pages that wharf has none of."""
        shutil.rmtree(self._folder / "rival", ignore_errors=True)
        self._write_list()
        return self._rival()

    def rival_warm(self) -> float:
        """dumb-pypi with the list from before, which it compares with the new one that the last `warm` brought."""
        self._lists[0].replace(self._lists[1])
        self._write_list()
        return self._rival("--previous-package-list-json", str(self._lists[1]))

    def check_same(self) -> None:
        """Two builds of the same index have the same bytes."""
        again = self._folder / "again"
        self._build(again)
        if _digest(again) != _digest(self._out):
            raise RuntimeError("two builds of the same index differ")

    def _build(self, out: Path) -> float:
        return self._seconds([*servers.WHARF, "build", "--json", str(out)])

    def _rival(self, *more: str) -> float:
        program = Path(sys.executable).with_name("dumb-pypi")
        return self._seconds(
            [
                *(str(program), "--package-list-json", str(self._lists[0]), "--packages-url", "https://example.org/files"),
                *("--output-dir", str(self._folder / "rival"), "--no-per-release-json", "--no-generate-timestamp", *more),
            ]
        )

    def _seconds(self, command: Sequence[str]) -> float:
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=dict(self._env), timeout=600)
        return time.perf_counter() - begin

    def _write_list(self) -> None:
        with self._lists[0].open("w") as file:
            for each in self.files:
                entry = {
                    "filename": each.filename,
                    "hash": f"sha256={each.sha256}",
                    "requires_python": each.requires_python,
                    "core_metadata": f"sha256={each.core_metadata}",
                    "upload_timestamp": each.upload_time.timestamp(),
                }
                file.write(f"{json.dumps(entry)}\n")


def _digest(folder: Path) -> str:
    """What stands for all files below a folder, names and bytes."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.update(f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()
