"""The history of an index: who did what to which releases, when and why, as the commits of its branch tell it.

Commits come one by one out of a git that runs, so whoever wants ten of them reads no more. Nothing here is trusted: a commit
that somebody pushed can have any message, name, date and number of paths.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from wharf.errors import RecordError, StorageError
from wharf.index import record
from wharf.index.commit_message import parse_commit_message, summed_up
from wharf.index.git import watch_stderr
from wharf.model import version_key

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator
    from typing import BinaryIO

    from wharf.index.git import Git
    from wharf.index.git_objects import GitObjects
    from wharf.index.moment import Moment

LONGEST_COMMIT: Final = 8 << 20
"""Bytes of a commit that are read: its message, and about 40,000 paths that it changed. The rest of it is passed over."""
LONGEST_MESSAGE: Final = 64 << 10
"""Characters that are kept of a message, and of each of its trailers."""

_PIECE = 1 << 16
_AT_ONCE = 20  # commits whose records are fetched together
_PLAINLY = ("--no-ext-diff", "--no-textconv", "--no-renames", "--raw", "--no-abbrev", "-r")  # no program of a configuration
_AWAY = (*_PLAINLY, "--first-parent", "-m", "--diff-filter=D")
_NOTHING = "0" * 40


class Change(NamedTuple):
    """A path that a commit changed, with the git ids of the file before and after it (40 zeros: it was not there)."""

    before: str
    after: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One commit of the history, with the releases (project, version) that it touched.

    `time` is in seconds since 1970, UTC, as the commit says it; `run` is as in a CommitMessage. `message` has no trailers.
    `releases` may name a project alone (its state changed), and is empty where only the settings changed. If not `whole`, it
    touched more than is read.
    """

    commit: str
    time: int
    actor: str
    verb: str
    releases: tuple[tuple[str, str], ...]
    message: str
    run: str = ""
    whole: bool = True
    changes: tuple[Change, ...] = ()

    @property
    def reason(self) -> str:
        """Why it was made: what the message says below its first line; of a commit that wharf did not make, all of it."""
        return self.message if self.verb in {"edit", "merge"} else self.message.partition("\n")[2].strip()

    @property
    def what(self) -> str:
        """What it touched, summed up; the file, if it says that it is about one."""
        if not self.releases:
            return "the index's settings" if self.changes else "nothing"
        subject = self.message.partition("\n")[0]
        file = f" ({subject.rpartition('(')[2]}" if subject.endswith(")") and self.verb not in {"edit", "merge"} else ""
        return ("" if self.whole else "at least ") + summed_up(self.releases) + (file if len(self.releases) == 1 else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wants to know: all, or what was done to a project, a version of it (in any spelling), a file of that.

    `since`: nothing that counts from before that moment; if it names a commit, what came after that one. `most`: not more
    commits than that. `at`: as it was at that commit of the index. `skip`: without the first ones that there are.
    """

    project: str | None = None
    version: str | None = None
    filename: str | None = None
    since: Moment | None = None
    most: int | None = None
    at: str | None = None
    skip: int = 0


ALL: Final = Asked()
"""The whole history."""

Entries: TypeAlias = "Generator[HistoryEntry, None, None]"


def read(program: Git, objects: GitObjects, ref: str, asked: Asked, after: str | None) -> Entries:
    """An entry for each commit of that ref, newest first. The commit `after` and those below it are left out.

    A merge, as of a pull request, is an entry by whoever merged it, for what it brought into the index. What it merged has
    entries, too: they say who did it. Closing the iterator ends git.
    """
    # A merge keeps its parents, and is there also where one side is like it.
    words = [*_PLAINLY, "--full-history", "--show-pulls", ref, *([f"^{after}"] if after else []), "--"]
    if asked.project is None:
        bounds = [*([f"--max-count={asked.most}"] if asked.most else []), *([f"--skip={asked.skip}"] if asked.skip else [])]
        entries = _entries(program, [*bounds, *words])
    else:
        entries = _with_changes(_entries(program, [*words, record.folder(asked.project)]))
    if asked.version is not None:
        entries = _of_version(entries, asked.project or "", asked.version)
    if asked.filename is not None:
        entries = _of_file(objects, entries, asked)
    with contextlib.closing(entries):
        skip = asked.skip if asked.project is not None else 0  # otherwise git did that
        yield from itertools.islice(entries, skip, None if asked.most is None else skip + asked.most)


def removals(program: Git, since: str, tip: str, paths: Collection[str] | None = None) -> dict[str, HistoryEntry]:
    """The paths that commits after `since` and up to `tip` took away, each with the last of these commits; those of `paths`.

    Only first parents count: commits that were the tip. Every file of a release has its core metadata beside the record, so
    that path tells of a file. It looks at folders only, so that a clone without files does as well. Raises StorageError.
    """
    found: dict[str, HistoryEntry] = {}
    whole = True
    for entry in _entries(program, [*_AWAY, tip, f"^{since}", "--", "projects"]):
        whole = whole and entry.whole
        for change in entry.changes:
            if paths is None or change.path in paths:
                found.setdefault(change.path, entry)
    if not whole and paths is not None:  # a commit took away more than is read: ask for each path
        asked = {path: removal(program, since, tip, path) for path in paths}
        return {path: entry for path, entry in asked.items() if entry is not None}
    return found


def removal(program: Git, since: str, tip: str, path: str) -> HistoryEntry | None:
    """The last commit that took one path away, as `removals` finds it. Raises StorageError."""
    with contextlib.closing(_entries(program, [*_AWAY, "--max-count=1", tip, f"^{since}", "--", path])) as entries:
        return next(entries, None)


def _entries(program: Git, words: list[str]) -> Entries:
    mark = secrets.token_hex(16)
    limits = words[words.index("--") :]
    process = program.start("--literal-pathspecs", "log", f"--format={mark}%H%x00%ct%x00%P%x00%an%x00%B%x00", *words)
    listener, heard = watch_stderr(process)
    process.stdin.close()
    ended = False
    try:
        for block, whole in _blocks(process.stdout, mark.encode()):
            told = block.decode(errors="replace").split("\0", 5)
            commit, moment, parents, author, text, raw = [*told, *[""] * (6 - len(told))]
            changes = list(_changes(raw))
            if " " in parents and "-m" not in words:  # `git log` names no path for a merge
                asked = ("--literal-pathspecs", "diff-tree", *_PLAINLY, parents.split()[0], commit, *limits)
                out, all_there = program.beginning(LONGEST_COMMIT, *asked)
                changes = list(_changes(out.decode(errors="replace")))
                whole = whole and all_there
            yield _entry(commit, moment, author, text, changes, is_merge=" " in parents, whole=whole)
        ended = True
    finally:
        if process.proc is not None and not ended:
            process.proc.terminate()  # it may go through the whole history before it writes again
        process.stdout.close()
        status = process.proc.wait() if process.proc is not None else None
        listener.join()
    if ended and status:
        raise StorageError(
            f"git log failed in {program.git_dir}: {heard.decode(errors='replace')[-300:].strip()}",
            f"`git --git-dir={program.git_dir} fsck` tells whether the repository is sound.",
        )


def _blocks(out: BinaryIO, mark: bytes) -> Iterator[tuple[bytes, bool]]:
    """What git prints between the marks, each with whether all of it is there: at most LONGEST_COMMIT bytes of one are kept."""
    kept, begun, whole = bytearray(), False, True
    while piece := out.read1(_PIECE):  # type: ignore[attr-defined]  # a pipe of Popen has it
        start = max(0, len(kept) - len(mark) + 1)
        kept += piece
        while (at := kept.find(mark, start)) >= 0:
            if begun:
                yield _bounded(kept[:at], whole=whole)
            begun, whole, start = True, True, 0
            del kept[: at + len(mark)]
        if len(kept) > LONGEST_COMMIT + len(mark):
            del kept[LONGEST_COMMIT : -len(mark)]  # the end stays, as a mark may have begun in it
            whole = False
    if begun:
        yield _bounded(kept, whole=whole)


def _bounded(block: bytearray, *, whole: bool) -> tuple[bytes, bool]:
    if whole and len(block) <= LONGEST_COMMIT:
        return bytes(block), True
    return bytes(block[:LONGEST_COMMIT].rpartition(b"\n")[0]), False


def _changes(raw: str) -> Iterator[Change]:
    for line in raw.split("\n"):
        about, tab, path = line.partition("\t")
        words = about.split(" ")
        if tab and len(words) == 5 and words[0].startswith(":"):
            yield Change(words[2], words[3], path)


def _entry(
    commit: str, moment: str, author: str, text: str, changes: list[Change], *, is_merge: bool, whole: bool
) -> HistoryEntry:
    # The whole text, as its end says who did what: without it a removal for ever would count as an edit.
    verb, actor, run, message = (each[:LONGEST_MESSAGE] for each in parse_commit_message(text, author))
    touched = dict.fromkeys(_release_of(change.path) for change in changes)
    releases = [release for release in touched if release[1]] or [release for release in touched if release[0]]
    return HistoryEntry(
        commit=commit,
        time=int(moment) if moment.isdecimal() else 0,
        actor=actor,
        verb="merge" if is_merge and verb == "edit" else verb,
        releases=tuple(releases),
        message=message,
        run=run,
        whole=whole,
        changes=tuple(changes),
    )


def _release_of(path: str) -> tuple[str, str]:
    """Project and version that a path on the branch belongs to; empty where it belongs to none."""
    parts = path.split("/")
    if parts[0] != "projects" or len(parts) < 4:
        return "", ""
    return parts[2], parts[3] if len(parts) > 4 else ""


def _with_changes(entries: Entries) -> Entries:
    """The entries without merges that brought nothing of what was asked for."""
    with contextlib.closing(entries):
        yield from (entry for entry in entries if entry.changes or not entry.whole)


def _of_version(entries: Entries, project: str, version: str) -> Entries:
    """The entries that touched a version, in whatever spelling."""
    wanted = version_key(version)
    with contextlib.closing(entries):
        for entry in entries:
            if any(name == project and version_key(each) == wanted for name, each in entry.releases):
                yield entry


def _of_file(objects: GitObjects, entries: Entries, asked: Asked) -> Entries:
    """The entries in which a file came, went, or changed in the record of its release."""
    with contextlib.closing(entries):
        while some := list(itertools.islice(entries, _AT_ONCE)):
            wanted = {entry.commit: list(_records(entry.changes, asked)) for entry in some}
            objects.bring({id_ for each in wanted.values() for change in each for id_ in change[:2]} - {_NOTHING})
            yield from (entry for entry in some if _touched(objects, entry.changes, wanted[entry.commit], asked))


def _records(changes: Iterable[Change], asked: Asked) -> Iterator[Change]:
    """The changes of the record of the version that is asked for."""
    wanted = version_key(asked.version or "")
    for change in changes:
        name, version = _release_of(change.path)
        if name == asked.project and version_key(version) == wanted and change.path.endswith("/release.json"):
            yield change


def _touched(objects: GitObjects, changes: Iterable[Change], records: Iterable[Change], asked: Asked) -> bool:
    if any(change.path.endswith(f"/{asked.filename}.metadata") for change in changes):
        return True
    return any(_in_record(objects, change, 0, asked) != _in_record(objects, change, 1, asked) for change in records)


def _in_record(objects: GitObjects, change: Change, side: int, asked: Asked) -> object:
    """What a record says of a file, before the change or after it. One that cannot be read is like no other."""
    if change[side] == _NOTHING:
        return None, None
    found = objects.must([change[side]])[0]
    name, version = _release_of(change.path)
    try:
        release = record.parse(found.data, project=name, version=version)
    except RecordError:
        return change[side]
    filename = asked.filename or ""
    return release.file(filename), release.removed.get(filename)
