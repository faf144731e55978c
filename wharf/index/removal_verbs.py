"""By which verbs files left an index, for many files at once, as the commits of its branch tell it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.index.commit_message import parse_commit_message

if TYPE_CHECKING:
    from collections.abc import Collection

    from wharf.index.git import Git


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRemoval:
    """The last commit of a branch that deleted a path: its verb, and who made it."""

    commit: str
    verb: str
    actor: str


def last_removals(program: Git, since: str, tip: str, paths: Collection[str]) -> dict[str, LastRemoval]:
    """The last removal of each of these paths among the first parents of `tip` after `since`, where there is one.

    Every file of a release has its core metadata beside the record, and that path goes when the file leaves. One process
    looks at folders only, so that a clone without files does as well. Raises StorageError.
    """
    mark, wanted = secrets.token_hex(16), set(paths)
    found: dict[str, LastRemoval] = {}
    if not wanted:
        return found
    # `-m`, as git 2.30 knows no --diff-merges=first-parent: beside --first-parent it is the same.
    plainly = ("--no-ext-diff", "--no-textconv", "--no-renames", "-m", "--diff-filter=D")
    form = f"--format={mark}%H%x00%an%x00%B%x00"
    out = program.run("log", "--first-parent", *plainly, "--name-only", form, f"{since}..{tip}", "--", "projects")
    for block in out.decode(errors="replace").split(mark)[1:]:  # the newest commit first
        commit, author, text, names = block.split("\0")
        there = wanted.intersection(names.split("\n"))
        if there:
            verb, actor, _, _ = parse_commit_message(text, author)
            found |= dict.fromkeys(there - found.keys(), LastRemoval(commit=commit, verb=verb, actor=actor))
    return found
