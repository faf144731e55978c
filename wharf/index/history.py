"""The history of an index: who did what to which release, when and why, as the commits of its branch tell it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.index import record
from wharf.index.commit_message import parse_commit_message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wharf.index.git import Git


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One release in one commit of the history. `time` is in seconds since 1970, UTC; `run` is as in a CommitMessage."""

    commit: str
    time: int
    actor: str
    verb: str
    project: str
    version: str
    message: str
    run: str = ""


def read(program: Git, ref: str, project: str | None = None) -> Iterator[HistoryEntry]:
    """One entry per commit of that ref and release that it touched, newest first; with `project`, of that project alone.

    A merge, as of a pull request, is an entry by whoever merged it, for what it brought into the index. What it merged has
    entries, too: they say who did it.
    """
    mark = secrets.token_hex(16)
    plainly = ("--no-ext-diff", "--no-textconv", "--no-renames")  # no program of a configuration
    simplified = ("--full-history", "--show-pulls")  # a merge keeps its parents, and is there also where one side is like it
    words = ["log", *plainly, *simplified, f"--format={mark}%H%x00%ct%x00%an%x00%B%x00%P%x00", "--name-only", ref, "--"]
    if project is not None:
        words.append(record.folder(project))
    out = program.run("--literal-pathspecs", *words)
    for block in out.decode(errors="replace").split(mark)[1:]:
        commit, moment, author, text, parents, names = block.split("\0")
        verb, actor, run, message = parse_commit_message(text, author)
        paths = [name for name in names.split("\n") if name]
        if " " in parents:
            verb = "merge" if verb == "edit" else verb
            paths = _brought(program, parents.split()[0], commit, words[words.index("--") :])
        releases = dict.fromkeys(_release_of(path) for path in paths)
        if any(release[1] for release in releases):
            releases = {release: None for release in releases if release[1]}
        for name, version in releases:
            yield HistoryEntry(
                commit=commit,
                time=int(moment),
                actor=actor,
                verb=verb,
                project=name,
                version=version,
                message=message,
                run=run,
            )


def _brought(program: Git, before: str, merge: str, limits: list[str]) -> list[str]:
    """The paths that a merge changed on the branch that it was made on. `git log` names none for a merge."""
    out = program.run("--literal-pathspecs", "diff-tree", "-r", "--name-only", "--no-renames", before, merge, *limits)
    return [name for name in out.decode(errors="replace").split("\n") if name]


def _release_of(path: str) -> tuple[str, str]:
    """Project and version that a path on the branch belongs to; empty where it belongs to none."""
    parts = path.split("/")
    if parts[0] != "projects" or len(parts) < 4:
        return "", ""
    return parts[2], parts[3] if len(parts) > 4 else ""
