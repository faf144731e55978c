"""Folders of one person that nobody else can enter, for the sockets by which processes of that person find each other.

All processes of the person have to come to the same folders. So these follow from the user id, not from an environment that a
tool, `cron` or `sudo` may have cleared; only the last one, for a machine where the others cannot be used, is the cache folder.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST: Final = 103
"""Bytes that the address of a socket may have: 107 on Linux, 103 on macOS."""


def private_folders(cache: Path, *, name_length: int, roots: Iterable[tuple[Path, str]] | None = None) -> list[Path]:
    """Those that can be used, the best one first; a missing one is made where its parent is safe.

    `name_length`: of the longest name that a socket in there will have. `roots` are parents, and the folder's name in each.
    """
    user = os.geteuid()
    if roots is None:
        # /tmp first: /run/user is emptied when the person logs out, though their processes continue.
        roots = ((Path("/tmp"), f"wharf-run-{user}"), (Path(f"/run/user/{user}"), "wharf"), (cache, "run"))  # noqa: S108 - checked
    found = (parent / name for parent, name in roots)
    return [folder for folder in found if len(os.fsencode(folder)) + 1 + name_length <= LONGEST and _is_private(folder, user)]


def _is_private(folder: Path, user: int) -> bool:
    """Whether the folder is the person's, nobody else may enter it, and nobody else can put another one in its place."""
    try:
        if not _keeps_its_entries(folder.parent, user):
            return False
        with suppress(FileExistsError):  # whatever it is, it is looked at next
            folder.mkdir(mode=0o700)
        here = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(here.st_mode) and here.st_uid == user and stat.S_IMODE(here.st_mode) & 0o777 == 0o700


def _keeps_its_entries(parent: Path, user: int) -> bool:
    """Whether nobody but the person and the system can rename what is in it: as of /tmp, by its sticky bit."""
    above = parent.stat()
    if above.st_uid not in {0, user}:
        return False
    return not above.st_mode & 0o022 or bool(above.st_mode & stat.S_ISVTX)
