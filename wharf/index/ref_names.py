"""The names of refs that are in a repository, also of those that are lost or damaged, which git ignores."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from wharf.index import repository_format

if TYPE_CHECKING:
    from pathlib import Path


def below(git_dir: Path, prefix: str) -> list[str]:
    """What follows the prefix in the names of all refs that begin with it, sorted.

    Raises StorageError where they are no files: no index there may be taken for one that is not.
    """
    if not os.path.isfile(f"{git_dir}/HEAD"):  # noqa: PTH113 - a path costs as much as the rest; this is done at each refresh
        return []
    names: set[str] = set()
    # Before the packed ones, where a loose one may go meanwhile.
    loose, logs = f"{git_dir}/{prefix}", f"{git_dir}/logs/{prefix}"
    for top in (loose, logs):
        for folder, _, files in os.walk(top):
            start = f"{folder.rstrip('/')}/"[len(top) :]
            found = {name for name in files if not name.endswith(".lock") and f"{start}{name}" not in names}
            names.update(f"{start}{name}" for name in found if top is loose or _is_written(f"{folder}/{name}"))
    with contextlib.suppress(FileNotFoundError):
        for line in _packed(git_dir).split(b"\n"):
            _, _, name = line.partition(b" ")  # after its commit; a comment, or what a tag leads to, has no such name there
            if name.startswith(prefix.encode()):
                names.add(os.fsdecode(name[len(prefix) :]))
    if not names and os.path.isdir(f"{git_dir}/reftable"):  # noqa: PTH112 - see above; changed since it was opened
        repository_format.check(git_dir)
    return sorted(names)


def _is_written(log: str) -> bool:
    """Whether a log says anything: git makes it before the ref, and may find no room on the disk for either."""
    with contextlib.suppress(FileNotFoundError):  # it went this very moment
        return os.stat(log).st_size > 0  # noqa: PTH116 - see above
    return False


def _packed(git_dir: Path) -> bytes:
    with open(f"{git_dir}/packed-refs", "rb") as file:  # noqa: PTH123 - see above
        return file.read()
