"""A new bare repository: made whole elsewhere, and on the disk before it has its name."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from wharf.index import repository_format
from wharf.index.git import Git
from wharf.system.disk_sync import sync, sync_all

if TYPE_CHECKING:
    from pathlib import Path


def make_repository(target: Path, scratch: Path) -> None:
    """Make the repository, at `scratch` first, if it is not there; two processes may do so at once.

    Raises StorageError if there is one in a format that wharf does not read.
    """
    if (target / "HEAD").is_file():
        repository_format.check(target)
        return
    Git(scratch).run("init", "--quiet", "--bare", "--template=", "--initial-branch=wharf/main")
    sync_all(scratch)
    try:
        scratch.rename(target)
    except OSError:
        shutil.rmtree(scratch)
        if not (target / "HEAD").is_file():
            raise
    sync(target.parent)
