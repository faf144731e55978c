"""The paths that differ between two commits of index branches, as one git tells them: it walks only through what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from wharf.errors import DamagedError
from wharf.index.branch_contents import LONGEST_PATH, MOST_PATHS, Entry, TooManyPathsError
from wharf.index.git import watch_stderr

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from wharf.index.git import Git

_PIECE = 1 << 16


class ChangedPath(NamedTuple):
    """A path, and the file there before and after; None: there is no file."""

    path: str
    before: Entry | None
    after: Entry | None


def changed_paths(program: Git, one: str, other: str) -> Iterator[ChangedPath]:
    """What differs from the first commit to the second one, in git's order. Nothing here is trusted.

    Raises TooManyPathsError for more than MOST_PATHS paths, and DamagedError if git cannot read a folder.
    """
    plainly = ("--no-ext-diff", "--no-textconv", "--no-renames", "--no-abbrev")
    process = program.start("diff-tree", "-r", "-z", "--raw", *plainly, one, other, "--")
    listener, heard = watch_stderr(process)
    process.stdin.close()
    try:
        yield from _pairs(process.stdout, other)
    finally:
        process.stdout.close()  # a git that still writes ends of it
        status = process.proc.wait() if process.proc is not None else None
        listener.join()
    if status:
        raise DamagedError(
            f"The commits {one[:12]} and {other[:12]} in {program.git_dir} cannot be compared: "
            f"{heard.decode(errors='replace')[-300:].strip()}",
            "`git fsck` in the repository tells whether it is sound.",
        )


def _pairs(out: BinaryIO, commit: str) -> Iterator[ChangedPath]:
    """The entries and paths that git prints by turns, within the bounds."""
    rest, count = b"", 0
    about: bytes | None = None
    while piece := out.read1(_PIECE):  # type: ignore[attr-defined]  # a pipe of Popen has it
        *words, rest = (rest + piece).split(b"\0")
        count += len(words)
        if count > 2 * MOST_PATHS or max(map(len, (*words, rest))) > LONGEST_PATH:
            raise TooManyPathsError(
                f"More than {MOST_PATHS:,} paths differ up to {commit[:12]}, or one has more than {LONGEST_PATH} bytes.",
                "An index has no such paths: `wharf index check` tells more.",
            )
        for word in words:
            if about is None:
                about = word
            else:
                yield _changed(about, word)
                about = None


def _changed(about: bytes, path: bytes) -> ChangedPath:
    """`:100644 100644 ID ID M` and a path."""
    old, new, before, after, _ = about.decode().lstrip(":").split(" ")
    return ChangedPath(path.decode(errors="replace"), _entry(old, before), _entry(new, after))


def _entry(mode: str, id_: str) -> Entry | None:
    return Entry(mode, id_) if mode.strip("0") else None
