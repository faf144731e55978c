"""Whether a disk takes bytes, by trying: a program may say only that it could not write, and not why."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from wharf.system import unnamed_file

if TYPE_CHECKING:
    from pathlib import Path

_TRIED: Final = 64 << 10
"""Bytes that are written: more than a program gives back that deletes its small file after the failure."""


def refusal(folder: Path) -> OSError | None:
    """Why bytes cannot be written to the disk of a folder; None: they can. Nothing of the trial stays."""
    try:
        with unnamed_file.make(folder) as file:
            file.write(bytes(_TRIED))
            file.flush()
            os.fsync(file.fileno())  # a disk over the network, or one with a quota, may refuse only here
    except OSError as error:
        return error
    return None
