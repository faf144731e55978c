"""Measure wharf against its rivals: `python bench/run.py [--only NAME] [--quick] [--json]`. See README.md beside this file."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import command
import commits
import diff
import indexes
import moments
import pages
import past
import policy
import promote
import prune
import servers
import start
import static
import uploads
import upstream
from figures import Row, document, show, tell
from plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BENCHES: dict[str, Callable[[Plan], list[Row]]] = {
    "help": command.run_help,
    "pages": pages.run,
    "start": start.run,
    "indexes": indexes.run,
    "moments": moments.run,
    "policy": policy.run,
    "past": past.run,
    "publish-one": command.run_publish_one,
    "publish-1000": command.run_publish_1000,
    "promote": promote.run,
    "diff": diff.run,
    "prune": prune.run,
    "commits": commits.run,
    "uploads": uploads.run,
    "upstream": upstream.run,
    "build": static.run,
}


def main() -> int:
    """Run what was asked for. 0: everything was measured, whatever came of it; 2: something that measuring needs is missing."""
    arguments = _parser().parse_args()
    chosen = arguments.only or list(_BENCHES)
    if {"pages", "indexes", "past", "upstream"} & {*chosen} and shutil.which("wrk") is None:
        tell(
            "wrk is missing: it makes the load. Install it (Debian: apt-get install wrk), or name other benchmarks with --only."
        )
        return 2
    missing = servers.missing_rivals(arguments.rivals)
    left_out = [f"{name} is left out: {remedy}." for name, remedy in missing.items()]
    for line in left_out:
        tell(line)
    with tempfile.TemporaryDirectory(prefix="wharf-bench-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        plan = Plan(
            folder=folder,
            stores=arguments.keep.absolute() if arguments.keep else folder / "stores",
            quick=arguments.quick,
            rivals=arguments.rivals,
            missing=missing,
        )
        rows = _measure(plan, chosen, quiet=arguments.json)
    if arguments.json:
        print(document(rows, left_out))
    return 0


def _measure(plan: Plan, chosen: Sequence[str], *, quiet: bool) -> list[Row]:
    rows: list[Row] = []
    for name in chosen:
        busy = os.getloadavg()[0]
        if busy > 1:
            tell(f"{name}: the machine is busy (load {busy:.1f}); ratios hold better than figures.")
        found = _BENCHES[name](plan)
        if not quiet:
            show(found)
        rows += found
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure wharf against its rivals, side by side in the same run.")
    parser.add_argument("--only", action="append", choices=list(_BENCHES), help="this benchmark; may be given again")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--rivals", type=Path, metavar="VENV", help="a venv that has pypiserver, devpi-server and proxpi")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where seeded indexes are kept for the next run")
    return parser


if __name__ == "__main__":
    sys.exit(main())
