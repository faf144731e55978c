"""The objects of a commit: the files that it changes, the folders above them, and the commit itself ("gitdatamodel").

Only folders on the way to a change are read and made again. Each is read whole and checked by its id, so that a new folder
never stands on a damaged one.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wharf.index import wharf_toml
from wharf.index.small_pack import NewObject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.index.change import Outcome
    from wharf.index.commit_message import CommitMessage
    from wharf.index.git_objects import GitObjects

ZERO: Final = "0" * 40
"""The id that stands for no commit."""

_FOLDER, _FILE = b"40000", b"100644"


@dataclass(slots=True)
class _Folder:
    """A folder to change: what files of it become (None: they go), the folders in it, and its entries as git has them."""

    files: dict[bytes, bytes | None] = field(default_factory=dict)
    folders: dict[bytes, _Folder] = field(default_factory=dict)
    entries: list[bytes] = field(default_factory=list)


def edits_of(tip: str | None, outcome: Outcome) -> dict[str, bytes | None]:
    """What a commit on `tip` puts where; the first one of an index brings its settings too."""
    return {**({wharf_toml.PATH: wharf_toml.NEW} if tip is None else {}), **outcome.edits}


def make(
    objects: GitObjects, tip: str | None, edits: Mapping[str, bytes | None], message: CommitMessage, text: str, moment: int
) -> list[NewObject]:
    """A commit on `tip` with these bytes by path (None: the path goes), and all that is new in it; the commit is the last one.

    `text` is its whole message, and `moment`, in seconds since 1970, when it is made. Raises StorageError for damage.
    """
    top = _nested(edits)
    _read(objects, top, tip)
    made: list[NewObject] = []
    root = _made(top, made) or NewObject.of("tree", b"")
    who, email = (re.sub(r"[<>\s]+", " ", each).strip() for each in (message.actor or "", message.email))
    signature = f"{who or 'unknown'} <{email}> {moment} +0000"
    lines = [f"tree {root.id}", *([f"parent {tip}"] if tip else []), f"author {signature}", f"committer {signature}", "", text]
    return [*made, root, NewObject.of("commit", "\n".join(lines).encode())]


def _nested(edits: Mapping[str, bytes | None]) -> _Folder:
    """The edits as folders in folders."""
    top = _Folder()
    for path, data in edits.items():
        *above, name = path.encode().split(b"/")
        if not {b"", b".", b"..", b".git"}.isdisjoint((*above, name)) or b"\0" in path.encode():
            raise ValueError(f"no path of a file: {path!r}")
        folder = top
        for each in above:
            folder = folder.folders.setdefault(each, _Folder())
        folder.files[name] = data
    return top


def _read(objects: GitObjects, top: _Folder, tip: str | None) -> None:
    """Read the entries of all folders that change, those of each depth at once."""
    level = [(top, f"{tip}^{{tree}}")] if tip else []
    while level:
        found = objects.must(name for _, name in level)
        below = []
        for (folder, _), each in zip(level, found, strict=True):
            folder.entries = [*objects.entries(each)]
            for name, inner in folder.folders.items():
                at = _place(folder.entries, name + b"/")
                if at is not None:
                    below.append((inner, folder.entries[at][-20:].hex()))
        level = below


def _made(folder: _Folder, made: list[NewObject]) -> NewObject | None:
    """The folder as it becomes, after all that is new in it was added to `made`; None: nothing is left in it."""
    entries = folder.entries
    for name, inner in folder.folders.items():
        tree = _made(inner, made)
        if tree is not None:
            made.append(tree)
        if tree is not None or _place(entries, name + b"/") is not None:  # what goes below a file leaves the file alone
            _put(entries, name, _FOLDER, tree)
    for name, data in folder.files.items():
        blob = None if data is None else NewObject.of("blob", data)
        if blob is not None:
            made.append(blob)
        _put(entries, name, _FILE, blob)
    return NewObject.folder(entries) if entries else None


def _put(entries: list[bytes], name: bytes, mode: bytes, new: NewObject | None) -> None:
    """Put an object in the place of whatever has the name; None: it goes."""
    for key in (name, name + b"/"):
        at = _place(entries, key)
        if at is not None:
            del entries[at]
    if new is not None:
        entry = b"%b %b\0%b" % (mode, name, bytes.fromhex(new.id))
        entries.insert(bisect_left(entries, _key(entry), key=_key), entry)


def _place(entries: list[bytes], key: bytes) -> int | None:
    at = bisect_left(entries, key, key=_key)
    return at if at < len(entries) and _key(entries[at]) == key else None


def _key(entry: bytes) -> bytes:
    """What git sorts by: the name, that of a folder with a slash behind it."""
    mode, _, rest = entry[:-21].partition(b" ")
    return rest + b"/" if mode == _FOLDER else rest
