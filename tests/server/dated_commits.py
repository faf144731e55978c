"""Commits of an index on a store in a folder, each with the time that a test wants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.index.test_branch import git

if TYPE_CHECKING:
    from pathlib import Path


def days_ago(days: float) -> datetime:
    """A moment in UTC, in whole seconds."""
    return (datetime.now(UTC) - timedelta(days=days)).replace(microsecond=0)


def written(moment: datetime) -> str:
    """A moment as addresses have it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def date_tip(store: Path, index: str, moment: datetime) -> str:
    """Let the newest commit of an index be of another time, before anybody has seen it; its id then."""
    ref = f"refs/heads/wharf/{index}"
    lines = git(store, "cat-file", "commit", ref).split("\n")
    place = next(number for number, line in enumerate(lines) if line.startswith("committer "))
    who = lines[place].rsplit(" ", 2)[0]
    lines[place] = f"{who} {int(moment.timestamp())} +0000"
    commit = git(store, "hash-object", "-t", "commit", "-w", "--stdin", data="\n".join(lines).encode() + b"\n")
    git(store, "update-ref", ref, commit)
    return commit
