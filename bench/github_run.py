"""Measure wharf on GitHub with the simulator: `python bench/github_run.py [--only NAME] [--quick] [--json]`. See README.md."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import github_indexes
import github_past
import github_publish
import github_serve
import run_start
from figures import Row, document, show, tell
from plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable

BENCHES: dict[str, Callable[[Plan], list[Row]]] = {
    "gh-release": github_publish.run_release,
    "gh-many": github_publish.run_many,
    "gh-serve": github_serve.run,
    "gh-uploads": github_serve.run_uploads,
    "gh-indexes": github_indexes.run,
    "gh-past": github_past.run,
    "gh-run": run_start.run,
    "gh-actions": github_publish.run_actions,
    "gh-writers": github_publish.run_writers,
}


def main() -> int:
    """Run what was asked for. 0: everything was measured, whatever came of it; 2: something that measuring needs is missing."""
    parser = argparse.ArgumentParser(description="Measure wharf on a simulator of GitHub.")
    parser.add_argument("--only", action="append", choices=list(BENCHES), help="this benchmark; may be given again")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    arguments = parser.parse_args()
    chosen = arguments.only or list(BENCHES)
    if "gh-serve" in chosen and shutil.which("wrk") is None:
        tell("wrk is missing: it makes the load. Install it (Debian: apt-get install wrk), or leave gh-serve out with --only.")
        return 2
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="wharf-bench-") as temporary:
        plan = Plan(folder=Path(temporary), stores=Path(temporary), quick=arguments.quick, rivals=None)
        for name in chosen:
            found = BENCHES[name](plan)
            if not arguments.json:
                show(found)
            rows += found
    if arguments.json:
        print(document(rows, ()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
