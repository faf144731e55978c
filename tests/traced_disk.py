"""The system calls of a program on one folder, recorded with strace and played into a disk that forgets what was not synced.

`record(trace, command)` runs a command. `Replay` then has each moment of it: `replay.disk.cut(folder)` writes what a power cut
would have left then. A program that asks whether `/mark/NAME` is there (`mark`) leaves that name among the calls: so it says
what it knows to be done.

A trace that lacks something would make promises look kept, or broken. So `Replay.check` compares the disk at the end with the
real folder, byte for byte.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.forgetful_model import ForgetfulModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.forgetful_model import Node

RULES: Final[Mapping[str, Mapping[str, bool]]] = {
    "folder": {"by_journal": False},
    "journal": {"by_journal": True},
    "worst": {"by_journal": False, "gone_at_once": True},
}
"""What makes a name survive: see `ForgetfulModel`."""

_MARK = "/mark/"
_ROOT = Path(__file__).parents[1]
_CALLS: Final = (
    *("open", "openat", "openat2", "creat", "write", "pwrite64", "writev", "pwritev", "pwritev2", "lseek", "truncate"),
    *("ftruncate", "fallocate", "copy_file_range", "sendfile", "splice", "fsync", "fdatasync", "sync", "syncfs", "msync"),
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "mkdir", "mkdirat"),
    *("rmdir", "chmod", "fchmod", "fchmodat", "dup", "dup2", "dup3", "fcntl", "access", "faccessat", "faccessat2"),
)
_OF_FILES: Final = {"write", "pwrite64", "lseek", "ftruncate", "fallocate", "fsync", "fdatasync", "fchmod"}
_OF_NAMES: Final[dict[str, Callable[[Call], list[str]]]] = {
    **dict.fromkeys(("open", "rmdir", "unlink", "mkdir", "chmod"), lambda call: [call.path(0)]),
    **dict.fromkeys(("openat", "unlinkat", "mkdirat", "fchmodat"), lambda call: [call.path(1, 0)]),
    **dict.fromkeys(("rename", "link"), lambda call: [call.path(0), call.path(1)]),
    **dict.fromkeys(("renameat", "renameat2", "linkat"), lambda call: [call.path(1, 0), call.path(3, 2)]),
}
"""The paths that a call is about. The last one is that of a name that comes or goes."""
_UMASK = 0o022
_UNNAMED = re.compile(r"/proc/self/fd/(\d+)")
_LINE = re.compile(r"(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)")
_RESULT = re.compile(r"\) += (-?\d+|\?)(.*)$")
_TEXT = re.compile(r'^"((?:\\x[0-9a-f]{2})*)"$')
_HANDLE = re.compile(r"^(-?\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>(\(deleted\))?$")
_LONGEST = 1 << 24  # bytes of one write that are recorded


def works() -> bool:
    """Whether there is strace here, and may look at other programs."""
    return (
        shutil.which("strace") is not None
        and subprocess.run(["strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "true"], capture_output=True).returncode == 0
    )


def need() -> None:
    """Skip the test if that is not so; fail where `CI` is set."""
    if not works():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            "strace is not there, or may not trace (Debian: apt install strace)"
        )


def mark(name: str) -> None:
    """Leave a name in the trace of this program."""
    os.access(f"{_MARK}{name}", os.F_OK)


def record(trace: Path, command: Sequence[str]) -> None:
    """Run a command, and write its system calls, and those of all that it starts, to a file."""
    chosen = ",".join(f"?{name}" for name in _CALLS)
    strace = ["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", str(_LONGEST), "-o", str(trace)]
    subprocess.run([*strace, "-e", f"trace={chosen}", "--", *command], cwd=_ROOT, check=True, timeout=300)


@dataclass(slots=True)
class Call:
    """A system call. `handles` are the paths of its arguments that are open files, by their place."""

    name: str
    words: list[str]
    result: str = "?"
    made: str = ""
    """What is said behind the result: the path of a file that was opened."""

    def number(self, place: int) -> int:
        return int(self.words[place], 0)

    def text(self, place: int) -> bytes:
        found = _TEXT.match(self.words[place])
        assert found is not None, f"{self.name}: {self.words[place][:80]} is no text"
        return bytes.fromhex(found[1].replace("\\x", ""))

    def path(self, place: int, folder: int | None = None) -> str:
        """The path in an argument, below the folder in another one if it is a relative one."""
        path = os.fsdecode(self.text(place))
        return path if folder is None else os.path.join(self.handle(folder), path)

    def handle(self, place: int) -> str:
        """The path of an open file; of one that has no name, what stands for it."""
        found = _HANDLE.match(self.words[place])
        return "" if found is None else os.fsdecode(bytes.fromhex(found[2].replace("\\x", "")))

    @property
    def failed(self) -> bool:
        return self.result.startswith(("-", "?"))


def _calls(trace: Path) -> Iterator[tuple[Call, bool]]:
    """Each call twice: when it begins, and with True when it is over, in the order in which that happened."""
    waiting: dict[str, tuple[Call, str]] = {}
    for line in trace.read_text().splitlines():
        found = _LINE.match(line)
        if found is None:
            continue  # a program ended
        process, resumed, begun, rest = found.groups()
        if resumed is not None:
            call, before = waiting.pop(process)
            call.words, call.result, call.made = _parsed(f"{before}{rest}")
            yield call, True
        elif rest.endswith("<unfinished ...>"):
            before = rest.removesuffix("<unfinished ...>").rstrip()
            call = Call(begun, _words(before))
            waiting[process] = call, before
            yield call, False
        else:
            call = Call(begun, *_parsed(rest))
            yield call, False
            yield call, True


def _parsed(text: str) -> tuple[list[str], str, str]:
    found = _RESULT.search(text)
    assert found is not None, f"strace said {text[-200:]}"
    return _words(text[: found.start()]), found[1], found[2]


def _words(text: str) -> list[str]:
    """The arguments. Texts and paths are in hex, so that no comma is in them."""
    return [each.strip() for each in re.split(r", ?(?![^\[{]*[\]}])", text)]


class Replay:
    """Plays a trace into a disk, which begins with what is in a copy of the folder, all of it synced.

    A sync keeps what there was when it began, from when it is over. All else counts from when it is over, too; only a name that
    somebody else saw before that comes earlier.
    """

    def __init__(self, trace: Path, folder: Path, before: Path, rule: Mapping[str, bool]) -> None:
        self.disk = ForgetfulModel(**rule)
        self.marks: list[str] = []
        self._folder = str(folder)
        self._calls = [*_calls(trace)]
        self._positions: dict[Node, int] = {}  # of whoever writes: two never write one file at a time
        self._appends: set[Node] = set()
        self._unnamed: dict[str, Node] = {}  # by what /proc calls them
        self._handles: dict[str, str] = {}  # by their numbers, the paths of what was opened or named last
        self._targets: dict[int, Node] = {}  # of calls that began
        self._began: dict[int, tuple[bytes, dict[str, Node]]] = {}  # what a sync found
        self._pending: list[Call] = []
        for path in sorted(before.rglob("*")):
            mode = path.lstat().st_mode
            node = self.disk.new(mode)
            node.data.extend(b"" if stat.S_ISDIR(mode) else path.read_bytes())
            self.disk.put(f"/{path.relative_to(before)}", node)
        self.disk.settle()

    def moments(self) -> Iterator[str]:
        """The name of each call that changed something or is a mark, when it is over."""
        for call, over in self._calls:
            if call.failed and not call.name.endswith(("access", "accessat")):
                continue
            if not over:
                self._begin(call)
            elif self._end(call):
                yield call.name

    def check(self) -> None:
        """Raise AssertionError if the disk is not what the folder is by now."""
        mine = {path: None if node.is_folder else bytes(node.data) for path, node in _paths(self.disk.root)}
        real = {
            str(path.relative_to(self._folder)): None if path.is_dir() else path.read_bytes()
            for path in Path(self._folder).rglob("*")
        }
        differ = sorted(path for path in {*mine, *real} if mine.get(path, b"?") != real.get(path, b"?"))
        assert not differ, differ

    def _begin(self, call: Call) -> None:
        for each in call.words:
            if (found := _HANDLE.match(each)) is not None:
                self._handles[found[1]] = _plain(found[2])
        if call.name in _OF_FILES and self._has_place(call, 0):
            node = self._targets[id(call)] = self._at(call.handle(0))
            if call.name in {"fsync", "fdatasync"}:
                self._began[id(call)] = bytes(node.data), dict(node.names)
        elif call.name in _OF_NAMES:
            self._pending.append(call)

    def _has_place(self, call: Call, place: int) -> bool:
        path = call.handle(place)
        return path in self._unnamed or (self._inside(path) and "(deleted)" not in call.words[place])

    def _inside(self, path: str) -> bool:
        return path == self._folder or path.startswith(f"{self._folder}/")

    def _at(self, path: str) -> Node:
        return self._unnamed[path] if path in self._unnamed else self._seen(lambda: self.disk.find(self._below(path)))

    def _below(self, path: str) -> str:
        return os.path.normpath(path).removeprefix(self._folder)

    def _seen(self, find: Callable[[], Node]) -> Node:
        """What somebody found: if it is not there yet, whoever makes it has not told so."""
        try:
            return find()
        except FileNotFoundError:
            self._hurry()
            return find()

    def _free(self, put: Callable[[], None]) -> None:
        """Give a name that somebody found to be free: if it is not, whoever takes it away has not told so."""
        try:
            put()
        except FileExistsError:
            self._hurry()
            put()

    def _hurry(self) -> None:
        """Carry out what has begun."""
        for call in [*self._pending]:
            self._name(call)

    def _end(self, call: Call) -> bool:
        """Whether it changed anything."""
        if call.name in _OF_NAMES:
            return self._name(call)
        if call.name.endswith(("access", "accessat", "accessat2")):
            path = call.path(1 if call.name.startswith("f") else 0)
            self.marks += [path.removeprefix(_MARK)] if path.startswith(_MARK) else []
            return path.startswith(_MARK)
        node = self._targets.pop(id(call), None)
        if node is not None:
            getattr(self, f"_{call.name}")(call, node)
        return node is not None and call.name != "lseek"

    # Files

    def _write(self, call: Call, node: Node) -> None:
        at = len(node.data) if node in self._appends else self._positions.get(node, 0)
        node.write(call.text(1)[: int(call.result)], at)
        self._positions[node] = at + int(call.result)

    def _pwrite64(self, call: Call, node: Node) -> None:
        node.write(call.text(1)[: int(call.result)], call.number(3))

    def _lseek(self, call: Call, node: Node) -> None:
        self._positions[node] = int(call.result)

    def _ftruncate(self, call: Call, node: Node) -> None:
        node.truncate(call.number(1))

    def _fallocate(self, call: Call, node: Node) -> None:
        node.truncate(max(len(node.data), call.number(2) + call.number(3)))

    def _fsync(self, call: Call, node: Node) -> None:
        self.disk.sync(node, *self._began.pop(id(call)))

    _fdatasync = _fsync

    def _fchmod(self, call: Call, node: Node) -> None:
        node.mode = stat.S_IFMT(node.mode) | int(call.words[1], 8)

    # Names

    def _name(self, call: Call) -> bool:
        if call not in self._pending:
            return True  # somebody saw it before
        self._pending.remove(call)
        paths = _OF_NAMES[call.name](call)
        if call.name.startswith("open"):
            return self._opened(call, paths[0])
        if not self._inside(paths[-1]):
            return False
        path = self._below(paths[-1])
        if call.name.startswith("rename"):
            self._seen(lambda: self.disk.find(self._below(paths[0])))
            self.disk.rename(self._below(paths[0]), path)
        elif call.name.startswith("link"):
            source = paths[0]
            if (open_file := _UNNAMED.fullmatch(source)) is not None:
                source = self._handles[open_file[1]]
            node = self._at(source)
            self._free(lambda: self.disk.link(node, path))
        elif call.name.startswith("mkdir"):
            self._free(lambda: self.disk.put(path, self.disk.new(stat.S_IFDIR | int(call.words[-1], 8))))
        elif call.name == "rmdir" or "AT_REMOVEDIR" in call.words:
            self.disk.rmdir(path)
        elif call.name.startswith("unlink"):
            self._seen(lambda: self.disk.find(path))
            self.disk.unlink(path)
        else:
            node = self._at(paths[-1])
            node.mode = stat.S_IFMT(node.mode) | int(call.words[-1 if call.name == "chmod" else 2], 8)
        return True

    def _opened(self, call: Call, path: str) -> bool:
        flags = next(each.split("|") for each in call.words if each.startswith("O_"))
        made = re.match(r"<((?:\\x[0-9a-f]{2})*)>", call.made)
        if not self._inside(path) or made is None:
            return False
        self._handles[call.result] = _plain(made[1])
        if "O_TMPFILE" in flags:
            self._unnamed[_plain(made[1])] = self.disk.new(stat.S_IFREG | int(call.words[-1], 8))
            return True
        if "O_RDONLY" in flags and "O_CREAT" not in flags:
            return False
        try:
            node = self.disk.find(self._below(path)) if "O_EXCL" not in flags else None
        except FileNotFoundError:
            node = None
        if node is None and "O_CREAT" in flags:
            node = self.disk.new(stat.S_IFREG | int(call.words[-1], 8) & ~_UMASK)
            self._free(partial(self.disk.put, self._below(path), node))
        elif node is None:
            node = self._at(path)
        if "O_TRUNC" in flags:
            node.truncate(0)
        self._positions[node] = 0
        (self._appends.add if "O_APPEND" in flags else self._appends.discard)(node)
        return True


def _plain(text: str) -> str:
    return os.fsdecode(bytes.fromhex(text.replace("\\x", "")))


def _paths(node: Node, above: str = "") -> Iterator[tuple[str, Node]]:
    for name, each in node.names.items():
        yield f"{above}{name}", each
        yield from _paths(each, f"{above}{name}/")
