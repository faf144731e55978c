"""The names of refs that are in a repository, also of those that are lost or damaged, which git ignores."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wharf.index.git import Git


def below(program: Git, prefix: str) -> list[str]:
    """What follows the prefix in the names of all refs that begin with it, sorted."""
    if not (program.git_dir / "HEAD").is_file():
        return []
    lines = program.run("for-each-ref", "--format=%(refname)", prefix).splitlines()
    names = {line.removeprefix(prefix) for line in map(os.fsdecode, lines)}
    for folder in (program.git_dir / prefix, program.git_dir / "logs" / prefix):
        if folder.is_dir():
            names |= {path.name for path in folder.iterdir() if path.suffix != ".lock" and path.is_file()}
    return sorted(names)
