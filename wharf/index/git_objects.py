"""The objects of a git repository: commits, folders (trees) and the bytes of files (blobs), read in bulk.

One `git cat-file --batch` gives them all, which is several times quicker than a process or a GitPython object for each.
"""

from __future__ import annotations

import functools
import hashlib
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wharf.errors import DamagedError
from wharf.index.git import Git, Process, watch_stderr
from wharf.index.small_pack import object_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import BinaryIO

    from wharf.index.small_pack import NewObject

MOST_KEPT: Final = 1 << 20
"""Bytes of folders that are kept; what is in them takes some ten times as many."""
LARGEST_KEPT: Final = 256 << 10
"""Bytes of one folder beyond which it is not kept."""

_FOR_EVER = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?(?:\^\{tree\})?")  # an id, or the folder of a commit: that never changes

_FSCK = "`git fsck` there tells whether the repository is sound."
_MAX_OBJECT = 64 << 20  # bytes of one object that are kept in memory; the rest is read and thrown away
_ID = re.compile("[0-9a-f]{40}(?:[0-9a-f]{24})?")
_ENTRY = re.compile(rb"[0-7]{5,6} [^/\0]+\0[\s\S]{20}")  # mode, name, id
_ENTRIES = {2 * width: re.compile(rb"([^ \0]+) ([^\0]+)\0([\s\S]{%d})" % width) for width in (20, 32)}
_FEW = 50  # objects: who asks for more at once reads an index, of which nothing is worth keeping
# Bytes of names that are asked for at once. They fit into a pipe, or each side could wait for the other for ever. Linux gives
# a page only to each pipe of a user who has very many ("pipe(7)").
_WINDOW = 4096


class GitObjects:
    """Reads objects through one `git cat-file --batch` that lives as long as the value. Safe to use from several threads.

    `bring` is for a clone that lacks objects: it gets the ids of the missing ones, and may fetch them.
    """

    def __init__(self, program: Git, bring: Callable[[list[str]], None] | None = None) -> None:
        self._program = program
        self._bring = bring
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._kept = KeptTrees()

    @property
    def is_partial(self) -> bool:
        """Whether objects may be missing here, and are fetched when they are read."""
        return self._bring is not None

    def read(self, names: Iterable[str]) -> list[GitObject | None]:
        """Each object, in order; None where there is none of that name."""
        asked = list(names)
        found = self._read(asked) if len(asked) > _FEW else self._read_few(asked)
        missing = [name for name, each in zip(asked, found, strict=True) if each is None and _ID.fullmatch(name)]
        if self._bring is None or not missing:
            return found
        self._bring(missing)
        again = iter(self._read(missing))
        return [next(again) if each is None and _ID.fullmatch(name) else each for name, each in zip(asked, found, strict=True)]

    def _read_few(self, names: Sequence[str]) -> list[GitObject | None]:
        """The same, without asking git for folders that were read or written lately."""
        found = [self._kept.get(name) for name in names]
        lacking = [name for name, each in zip(names, found, strict=True) if each is None]
        fresh = iter(self._read(lacking) if lacking else ())
        found = [next(fresh) if each is None else each for each in found]
        for name, each in zip(names, found, strict=True):
            if each is not None:
                self._kept.put(name, each)
        return found

    def bring(self, names: Iterable[str]) -> None:
        """Have objects at hand that a clone lacks, all at once: who then reads them one by one does not fetch each of them."""
        asked = "".join(f"{name}\n" for name in names)
        if self._bring is not None and asked:
            said = self._program.run("cat-file", "--batch-check", stdin=asked.encode(errors="surrogateescape")).decode(
                errors="replace"
            )
            missing = [line.removesuffix(" missing") for line in said.splitlines() if line.endswith(" missing")]
            if missing:
                self._bring(missing)

    def _read(self, names: Iterable[str]) -> list[GitObject | None]:
        found: list[GitObject | None] = []
        with self._lock:
            try:
                for window in _windows(names):
                    found.extend(self._window(window))
            except BaseException as error:
                self._process = None  # the next question must not get answers that nobody read
                if isinstance(error, OSError):
                    raise DamagedError(f"git cat-file ended in {self._program.git_dir}: {error}.", _FSCK) from error
                raise
        return found

    def one(self, name: str) -> GitObject | None:
        """One object, or None."""
        return self.read([name])[0]

    def must(self, names: Iterable[str]) -> list[GitObject]:
        """Objects that a ref or a tree names: one that is not there is damage, never absence. Raises StorageError."""
        asked = list(names)
        found = []
        for name, each in zip(asked, self.read(asked), strict=True):
            if each is None:
                raise DamagedError(f"The git object {name} in {self._program.git_dir} is missing or damaged.", _FSCK)
            found.append(each)
        return found

    def trees(self, names: Iterable[str]) -> list[Tree]:
        """The trees of those ids, all of which must be there. They are shared: nobody changes them. Raises StorageError."""
        return [self._parsed(each) for each in self.must(names)]

    def _parsed(self, found: GitObject) -> Tree:
        tree = self._kept.parsed(found.id)
        if tree is None:
            entries = self._kept.entries(found.id)
            tree = parse_tree(found) if entries is None else _tree(entries)
            self._kept.put_parsed(found.id, tree)
        return tree

    def entries(self, found: GitObject) -> Sequence[bytes]:
        """The entries of a folder as git has them. Raises StorageError for what is no folder, or not the one of that id."""
        entries = self._kept.entries(found.id)
        if entries is None:
            entries = _ENTRY.findall(found.data)
            whole = sum(map(len, entries)) == len(found.data) and object_id("tree", found.data) == found.id
            if found.kind != "tree" or not whole:
                raise DamagedError(f"The git object {found.id} is not a whole tree.", _FSCK)
            self._kept.put_entries(found.id, entries)
        return entries

    def keep(self, commit: str, root: str, written: Iterable[NewObject]) -> None:
        """Have folders at hand that were just written: those of a commit, whose own one is `root`."""
        for each in written:
            found = GitObject(id=each.id, kind=each.kind, data=each.data)
            for name in (each.id, f"{commit}^{{tree}}") if each.id == root else (each.id,):
                self._kept.put(name, found)
            if each.entries:
                self._kept.put_entries(each.id, each.entries)

    def knows(self, commit: str) -> bool:
        """Whether the folder of a commit is at hand: the commit was read or written here, and is there."""
        return self._kept.get(f"{commit}^{{tree}}") is not None

    def paths(self, tree: str) -> list[str]:
        """The paths of all blobs below a tree."""
        return self._program.run("ls-tree", "-r", "-z", "--name-only", tree).decode(errors="replace").split("\0")[:-1]

    def close(self) -> None:
        """End the process."""
        with self._lock:
            if self._process is not None:
                self._process.communicate()
                self._process = None

    def _window(self, names: list[str]) -> Iterator[GitObject | None]:
        if any("\n" in name for name in names):
            raise ValueError("an object's name holds a line break")
        if self._process is None or self._process.poll() is not None:
            self._process = self._program.start("cat-file", "--batch")
            watch_stderr(self._process)
        self._process.stdin.write("".join(f"{name}\n" for name in names).encode(errors="surrogateescape"))
        self._process.stdin.flush()
        for _ in names:
            yield self._answer(self._process.stdout)

    def _answer(self, stdout: BinaryIO) -> GitObject | None:
        header = stdout.readline()
        words = header.split()
        if len(words) != 3 or not words[2].isdigit():
            if header.endswith((b" missing\n", b" ambiguous\n")):
                return None
            raise DamagedError(f"git cat-file ended in {self._program.git_dir}.", _FSCK)
        size = int(words[2])
        data = stdout.read(min(size, _MAX_OBJECT) + 1)  # with the line break behind it, or with more of a large one
        if len(data) <= min(size, _MAX_OBJECT):  # git told its size and then found that it is damaged
            raise DamagedError(f"git cat-file ended in {self._program.git_dir}.", _FSCK)
        left, data = size + 1 - len(data), data[:-1]
        while left:
            left -= len(stdout.read(min(left, 1 << 20))) or left
        return GitObject(id=words[0].decode(), kind=words[1].decode(), data=data)


def _windows(names: Iterable[str]) -> Iterator[list[str]]:
    """The names, in parts that can be asked for at once."""
    some: list[str] = []
    size = 0
    for name in names:
        length = 1 + (len(name) if name.isascii() else 4 * len(name))
        if size + length > _WINDOW and some:
            yield some
            some, size = [], 0
        some.append(name)
        size += length
    if some:
        yield some


@dataclass(frozen=True, slots=True, kw_only=True)
class GitObject:
    """An object of the repository: its id in hex, its kind (blob, tree, …), and its content, cut off after 64 MiB."""

    id: str
    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder: the ids of the folders and of the files in it, by name."""

    folders: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


def parse_tree(found: GitObject) -> Tree:
    """A tree's content (git's format: mode, blank, name, NUL, the id's 20 or 32 bytes). Submodules are left out.

    Raises StorageError for what is not a tree, and for a broken one.
    """
    tree, size = Tree(), 0
    for mode, name, id_ in _ENTRIES[len(found.id)].findall(found.data) if found.kind == "tree" else ():
        size += len(mode) + len(name) + len(id_) + 2
        if mode == b"40000":
            tree.folders[name.decode(errors="replace")] = id_.hex()
        elif mode.startswith(b"100"):
            tree.files[name.decode(errors="replace")] = id_.hex()
    if found.kind != "tree" or size != len(found.data):
        raise DamagedError(f"The git object {found.id} is not a whole tree.", _FSCK)
    return tree


def _tree(entries: Iterable[bytes]) -> Tree:
    """The same of entries that were checked. All but a few of them were there before the last commit."""
    tree = Tree()
    for mode, name, id_ in map(_fields, entries):
        if mode == b"40000":
            tree.folders[name] = id_
        elif mode.startswith(b"100"):
            tree.files[name] = id_
    return tree


@functools.lru_cache(maxsize=1 << 13)
def _fields(entry: bytes) -> tuple[bytes, str, str]:
    """The mode, the name and the id of an entry."""
    mode, _, name = entry[:-21].partition(b" ")
    return mode, name.decode(errors="replace"), entry[-20:].hex()


def joint_id(parts: Iterable[str]) -> str:
    """One id (40 hex digits) for several ids or names in their order: it changes when, and only when, one of them does."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:40]


class KeptTrees:
    """Folders by the names that they were asked for by, within a bound of bytes. Safe to use from several threads.

    What was looked up least lately goes first. Nothing but a whole id counts as a name: a ref may lead elsewhere by now.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[str, GitObject] = OrderedDict()
        self._parsed: dict[str, Tree] = {}  # by id, of those that are kept
        self._entries: dict[str, Sequence[bytes]] = {}  # as well
        self._size = 0

    def get(self, name: str) -> GitObject | None:
        """The folder of that name, if it is kept."""
        with self._lock:
            found = self._found.get(name)
            if found is not None:
                self._found.move_to_end(name)
            return found

    def put(self, name: str, found: GitObject) -> None:
        """Keep a folder, if that is what it is, and its name is one for ever."""
        if found.kind != "tree" or len(found.data) > LARGEST_KEPT or not _FOR_EVER.fullmatch(name):
            return
        with self._lock:
            if name in self._found:
                return
            self._found[name] = found
            self._size += len(found.data)
            while self._size > MOST_KEPT:
                _, gone = self._found.popitem(last=False)
                self._size -= len(gone.data)
                self._parsed.pop(gone.id, None)
                self._entries.pop(gone.id, None)

    def parsed(self, id_: str) -> Tree | None:
        """What is in a folder that is kept, if that was put here."""
        return self._parsed.get(id_)

    def put_parsed(self, id_: str, tree: Tree) -> None:
        """Keep what is in a folder for as long as the folder is kept."""
        with self._lock:
            if id_ in self._found:
                self._parsed[id_] = tree

    def entries(self, id_: str) -> Sequence[bytes] | None:
        """The entries of a folder that is kept, if they were put here."""
        return self._entries.get(id_)

    def put_entries(self, id_: str, entries: Sequence[bytes]) -> None:
        """Keep the entries of a folder for as long as the folder is kept."""
        with self._lock:
            if id_ in self._found:
                self._entries[id_] = entries
