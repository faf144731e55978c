"""The records that each commit of an index changed, from one stream of git, whatever the number of commits."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wharf.errors import StorageError
from wharf.index.branch_contents import MOST_PATHS
from wharf.index.commit_message import parse_commit_message
from wharf.index.git import watch_stderr

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import BinaryIO

    from wharf.index.git import Git

_RECORD = re.compile(
    rb":\d+ \d+ ([0-9a-f]{40,64}) ([0-9a-f]{40,64}) [A-Z]\tprojects/[^/\"]+/([a-z0-9-]+)/([A-Za-z0-9.!+_-]+)/release\.json\n"
)
_NOTHING: Final = b"0"
_LONGEST = 64 << 10  # bytes of a message, and of a line, that are looked at


@dataclass(frozen=True, slots=True)
class ChangedRecord:
    """A record before a commit and after it, as the ids of blobs; None: it was not there."""

    project: str
    version: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class PastChange:
    """What one commit changed against its first parent, and the verb in its message."""

    commit: str
    verb: str
    records: list[ChangedRecord] = field(default_factory=list)


def past_changes(program: Git, base: str, tip: str) -> Generator[PastChange, None, None]:
    """The first parents of `tip` down to `base`, which is left out, the oldest one first. Closing the iterator ends git.

    What a merge brought counts as changed by the merge. Paths that can be no record are left out. Raises StorageError, also for
    a commit that changed more than MOST_PATHS records.
    """
    mark = secrets.token_hex(16)  # nobody can write it into a message
    plainly = ("--no-ext-diff", "--no-textconv", "--no-renames", "--no-abbrev")
    words = ("log", "--first-parent", "-m", "--raw", "--reverse", *plainly, f"--format={mark}%H%n%B%n{mark}", f"{base}..{tip}")
    process = program.start(*words, "--", "projects")
    listener, heard = watch_stderr(process)
    process.stdin.close()
    ended = False
    try:
        yield from _changes(process.stdout, mark.encode())
        ended = True
    finally:
        if process.proc is not None and not ended:
            process.proc.terminate()
        process.stdout.close()
        status = process.proc.wait() if process.proc is not None else None
        listener.join()
    if status:
        said = heard.decode(errors="replace")[-500:]
        raise StorageError(
            f"git log failed in {program.git_dir}: {said}", "`git fsck` there tells whether the repository is sound."
        )


def _changes(out: BinaryIO, mark: bytes) -> Generator[PastChange, None, None]:
    """What git prints, commit by commit. Of a message and of a line, only the beginning is kept."""
    found: PastChange | None = None
    message: bytearray | None = None
    while line := out.readline(_LONGEST):
        if line.startswith(mark):
            word = line[len(mark) :].strip().decode()
            if word:
                if found is not None:
                    yield found
                found, message = PastChange(word, ""), bytearray()
            elif found is not None and message is not None:
                found = PastChange(found.commit, parse_commit_message(message.decode(errors="replace"), "")[0])
                message = None
        elif message is not None:
            message += line[: _LONGEST - len(message)]
        elif found is not None and (match := _RECORD.fullmatch(line)):
            before, after = (None if each.strip(_NOTHING) == b"" else each.decode() for each in match.groups()[:2])
            found.records.append(ChangedRecord(match[3].decode(), match[4].decode(), before, after))
            if len(found.records) > MOST_PATHS:
                raise StorageError(
                    f"The commit {found.commit[:12]} changed more than {MOST_PATHS:,} records.",
                    "An index has not as many: `wharf index check` tells more.",
                )
    if found is not None:
        yield found
