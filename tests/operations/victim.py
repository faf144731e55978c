"""A publisher that dies: `python victim.py STEP COMMAND…` runs `wharf COMMAND…` and kills itself at the given step.

A step is a call of one of wharf's own functions that reach outside (store, branch, git). With step 0 nothing is killed, and
the number of steps is written to stderr. The death is a real SIGKILL of a real process, and of the git processes with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

OUTSIDE = tuple(
    os.path.join(os.sep, "wharf", wing, name)
    for wing, name in (
        ("assets", "folder_store.py"),
        ("index", "branch.py"),
        ("index", "commit_objects.py"),
        ("index", "git.py"),
        ("index", "git_objects.py"),
        ("index", "ref_transaction.py"),
        ("index", "small_pack.py"),
        ("index", "snapshot.py"),
        ("index", "store_clock.py"),
        ("repository", "opening.py"),
    )
)
deadly, seen = int(sys.argv[1]), 0


def _count(frame: FrameType, event: str, _argument: Any) -> None:
    global seen
    if event in {"call", "return"} and frame.f_code.co_filename.endswith(OUTSIDE):
        seen += 1
        if seen == deadly:
            for child in subprocess.run(["pgrep", "-P", str(os.getpid())], capture_output=True, text=True).stdout.split():
                if int(child) != os.getpid():
                    try:
                        os.kill(int(child), signal.SIGKILL)
                    except ProcessLookupError:
                        continue
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    from wharf.cli.main import main as wharf

    sys.setprofile(_count)
    try:
        wharf(sys.argv[2:])
    finally:
        sys.setprofile(None)
        print(f"steps {seen}", file=sys.stderr)


if __name__ == "__main__":
    main()
