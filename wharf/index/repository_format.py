"""How a repository keeps its objects and its refs: wharf reads and writes both itself, in one format each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wharf.errors import StorageError
from wharf.index.git import Git
from wharf.system import regular_file

if TYPE_CHECKING:
    from pathlib import Path

_MOST = 1 << 20  # bytes of a configuration
_KEYS = r"^extensions\.(objectformat|refstorage)$"
_NO_EXTENSION = 1  # git's exit status where no key matches


def check(git_dir: Path) -> None:
    """Raise StorageError for a repository with other ids than SHA-1, or with refs that are no files.

    wharf makes none of these, whatever git is set to make. A repository without a word on it has SHA-1 and files, so git
    is asked about the others only.
    """
    config = git_dir / "config"
    try:
        handle = regular_file.handle_of(config, 0)
    except FileNotFoundError:
        return
    with os.fdopen(handle, "rb") as file:
        if b"extensions" not in file.read(_MOST).lower():
            return
    # In the folder above: a git that is too old for the format ends in the repository itself, with words that say less.
    words = ("config", f"--file={config}", "--null", "--get-regexp", _KEYS)
    status, out, said = Git(git_dir.parent).attempt(*words)
    if status not in {0, _NO_EXTENSION}:
        raise StorageError(f"{config} cannot be read: {said[-300:]}", f"`git config --file {config} --list` names the line.")
    found = dict(line.split("\n", 1) for line in out.decode(errors="replace").split("\0") if "\n" in line)
    if (ids := found.get("extensions.objectformat", "sha1")) != "sha1":
        raise StorageError(
            f"{git_dir} has the object format {ids}, and wharf reads and writes SHA-1.",
            "Name another folder with --repo or WHARF_REPO: wharf makes its own repository there.",
        )
    if (refs := found.get("extensions.refstorage", "files")) != "files":
        raise StorageError(
            f"{git_dir} keeps its refs as a {refs}, and wharf reads them as files.",
            f"`git --git-dir={git_dir} refs migrate --ref-format=files` makes files of them.",
        )
