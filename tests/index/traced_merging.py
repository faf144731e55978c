"""Merges packs of a repository and commits: `python -m tests.index.traced_merging GIT_DIR here|git`. It marks the commit."""

from __future__ import annotations

import sys
from pathlib import Path

from tests import traced_disk
from tests.index.test_branch import WHY
from tests.index.test_change import A, add, new
from wharf.index import merged_pack, pack_merging
from wharf.index.branch import Branch
from wharf.index.git import Git


def main(git_dir: Path, *, by_git: bool) -> None:
    if by_git:
        merged_pack.LARGEST = 0  # type: ignore[misc]
    pack_merging.merge_if_many(Git(git_dir))
    while pack_merging.at_work(git_dir):
        pass
    with Branch(git_dir, "main") as branch:
        made = branch.commit(add(new("after-1.0.tar.gz", A, "1.0", "after")), WHY)
    traced_disk.mark(made.commit or "")


if __name__ == "__main__":
    main(Path(sys.argv[1]), by_git=sys.argv[2] == "git")
