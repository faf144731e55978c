"""`wharf prune` of 5,000 files on the store in a folder, as one commit, beside the plain deletion of as many files."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING

import seed
import servers
from figures import Row, Target, alone, compared, interleaved

from wharf.assets.folder_store import FolderStore
from wharf.index.branch import Branch

if TYPE_CHECKING:
    from pathlib import Path

    from plan import Plan

_ROUNDS = 3
_PROJECTS, _VERSIONS, _KEPT = 250, 40, 20
_FILES = _PROJECTS * (_VERSIONS - _KEPT)
_RULE = f'keep-past = "PAST"\n[[retention]]\nnames = ["*"]\nkeep-newest = {_KEPT}\n'
_SECONDS = 10.0


def run(plan: Plan) -> list[Row]:
    """Whole processes, each in a fresh copy of a store of 10,000 releases, of which the rules keep half."""
    store = plan.folder / "pruned"
    shutil.copytree(seed.store(plan.stores, _PROJECTS, _VERSIONS), store)
    _store_bytes(store)
    rows = []
    for past, what in (("0d", "their bytes go at once"), ("90d", "their bytes stay")):
        sides = {"wharf": partial(_pruned, store, plan.folder / "round", past)}
        if past == "0d":
            sides["plain deletion of as many files"] = partial(_deleted, store, plan.folder / "round")
        found = interleaved(plan.rounds(_ROUNDS), sides)
        text = f"{_FILES:,} files of 10,000 leave, one commit; {what}"
        target = Target(bound=_SECONDS)
        rows += (
            compared("prune", text, "s", found, target)
            if len(sides) > 1
            else [alone("prune", text, "s", found["wharf"], target)]
        )
    return rows


def _store_bytes(store: Path) -> None:
    """A small file in the place of each that the index names."""
    assets = FolderStore(store)
    with Branch(store / "index.git", "main") as branch:
        snapshot = branch.snapshot()
        for project, _ in snapshot.projects(snapshot.names()):
            for file in project.files:
                path = assets.path(file.sha256, file.filename)
                path.parent.mkdir()
                path.write_bytes(b"x" * 1000)


def _pruned(store: Path, copy: Path, past: str) -> float:
    shutil.copytree(store, copy)
    try:
        seed.add_settings(copy, _RULE.replace("PAST", past))
        command = [*servers.WHARF, "prune", "--repo", str(copy), "--yes", "--json"]
        begin = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=servers.environment(), timeout=600)
        seconds = time.perf_counter() - begin
        found = json.loads(done.stdout)
        if len(found["pruned"]) != _FILES or found["freed" if past == "0d" else "later"]["files"] != _FILES:
            raise RuntimeError(f"the prune did not come to {_FILES} files: {done.stdout[-300:]}")
        return seconds
    finally:
        shutil.rmtree(copy)


def _deleted(store: Path, copy: Path) -> float:
    """Seconds for deleting the files and their folders, without looking at anything."""
    shutil.copytree(store, copy)
    try:
        folders = sorted((copy / "assets").iterdir())[:_FILES]
        begin = time.perf_counter()
        for folder in folders:
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()
        return time.perf_counter() - begin
    finally:
        shutil.rmtree(copy)
