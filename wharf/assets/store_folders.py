"""The folders of a store on a disk: what is in them, and a full disk told as that."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

from wharf.errors import UNWRITABLE, StorageError
from wharf.system import disk_remedies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def is_folder(path: Path) -> bool:
    """Whether a folder stands there, and no link to one."""
    return path.is_dir() and not path.is_symlink()


def inside(folder: Path) -> list[Path]:
    """What is in a folder, sorted; nothing if it is gone by now, or is not a folder."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def folders_in(folder: Path, named: Callable[[str], bool]) -> list[str]:
    """The names of the real folders in a folder that `named` holds for, sorted; nothing if it is gone by now.

    The system tells what they are with their names, so none of them is looked at by itself.
    """
    try:
        with os.scandir(folder) as found:
            return sorted(each.name for each in found if named(each.name) and each.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []


@contextlib.contextmanager
def told(place: Path) -> Iterator[None]:
    """Turn a full disk and its like into a StorageError that names the place.

    A file that is not there stays that.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        hint = disk_remedies.hint(error, "run it as the store's owner" if error.errno in {errno.EACCES, errno.EPERM} else "")
        raise StorageError(f"{place} cannot be used: {error.strerror}.", hint, told=UNWRITABLE) from error


@contextlib.contextmanager
def told_of_gone(place: Path) -> Iterator[None]:
    """The same where what the store made has to be there still. Its disk may not be mounted any more."""
    try:
        with told(place):
            yield
    except FileNotFoundError as error:
        raise StorageError(
            f"{place} is gone, or what was in it.",
            "Is its disk mounted? Restore from a backup what was deleted, and start wharf again.",
            told=UNWRITABLE,
        ) from error
