"""Folders for their owner alone, those above them too, whatever the umask is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def make(folder: Path) -> None:
    """Make a folder and what is missing above it; what is there already stays as it is. Raises OSError."""
    if folder.is_dir():  # as for each upload but the first
        return
    for each in reversed((folder, *folder.parents)):
        if not each.exists():
            each.mkdir(mode=0o700, exist_ok=True)  # with `parents` those above would get what the umask leaves
    folder.mkdir(mode=0o700, exist_ok=True)
