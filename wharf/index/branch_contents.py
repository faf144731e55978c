"""All paths of an index branch at one commit, as git has them, and their bytes: for whoever checks what was written to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from wharf.errors import DamagedError, StorageError
from wharf.index.git import watch_stderr

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from wharf.index.git import Git
    from wharf.index.git_objects import GitObjects

MOST_PATHS: Final = 1_000_000
"""Paths of a branch that are read. An index of 100,000 files has about 200,000."""
LONGEST_PATH: Final = 4096
"""Bytes of a path. That of the longest record has about 700."""

_PIECE = 1 << 16
_FSCK = "`git fsck` in the repository tells whether it is sound."


class TooManyPathsError(StorageError):
    """A branch with more paths, or longer ones, than are read: folders that hold each other can stand for any number."""

    code = "too-many-paths"


class Entry(NamedTuple):
    """A file of the branch: its mode as git writes it (`100644`), and its git id."""

    mode: str
    id: str

    @property
    def is_file(self) -> bool:
        """Whether it is a file, and not a symbolic link or a submodule."""
        return self.mode.startswith("100")


class BranchContents:
    """What is on the branch at `commit`. Nothing here is trusted: it may be the commit of a pull request.

    - Paths come one by one, in git's order, and never more than MOST_PATHS, folders included.
    - A folder with two entries of one name, of which every reader might take another one, is damage.
    - One object is in memory at a time, and of a larger one only a part (git_objects).
    """

    def __init__(self, program: Git, objects: GitObjects, commit: str) -> None:
        self.commit = commit
        self._program = program
        self._objects = objects

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Each path with its entry. Raises TooManyPathsError, and DamagedError if git cannot read a folder."""
        # Folders too: without files in them, any number of folders in folders would be walked through in silence.
        process = self._program.start("ls-tree", "-r", "-t", "-z", "--full-tree", self.commit)
        listener, heard = watch_stderr(process)
        process.stdin.close()
        try:
            yield from self._listed(process.stdout)
        finally:
            process.stdout.close()  # a git that still writes ends of it
            status = process.proc.wait() if process.proc is not None else None
            listener.join()
        if status:
            raise DamagedError(
                f"The commit {self.commit[:12]} in {self._program.git_dir} cannot be listed: "
                f"{heard.decode(errors='replace')[-300:].strip()}",
                _FSCK,
            )

    def _listed(self, out: BinaryIO) -> Iterator[tuple[str, Entry]]:
        """The entries that git prints, within the bounds."""
        rest, count, last = b"", 0, b""
        while piece := out.read1(_PIECE):  # type: ignore[attr-defined]  # a pipe of Popen has it
            *lines, rest = (rest + piece).split(b"\0")
            count += len(lines)
            if count > MOST_PATHS or max(map(len, (*lines, rest))) > LONGEST_PATH:
                raise TooManyPathsError(
                    f"The commit {self.commit[:12]} has more than {MOST_PATHS:,} paths, or one of more than {LONGEST_PATH} "
                    "bytes: it is not checked any further.",
                    "Do not merge it. An index has no such paths.",
                )
            for line in lines:
                entry, key = _entry(line)
                if key <= last:
                    raise DamagedError(f"The commit {self.commit[:12]} has folders that are out of order.", _FSCK)
                last = key
                if entry is not None:
                    yield entry

    def bring(self, ids: Iterable[str]) -> None:
        """Have these objects at hand, all at once, where a clone lacks them."""
        self._objects.bring(ids)

    def read(self, id_: str) -> bytes | None:
        """The bytes of a file, cut off after 64 MiB; None if the object is missing or is no file."""
        found = self._objects.one(id_)
        return found.data if found is not None and found.kind == "blob" else None


def _entry(line: bytes) -> tuple[tuple[str, Entry] | None, bytes]:
    """A line of `ls-tree` as path and entry (None: it is a folder), and what git sorts it by: a folder with a slash."""
    about, _, path = line.partition(b"\t")
    mode, kind, id_ = about.decode().split(" ")
    if kind == "tree":
        return None, path + b"/"
    return (path.decode(errors="replace"), Entry(mode, id_)), path
