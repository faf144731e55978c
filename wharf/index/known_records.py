"""Records of large projects from one commit to the next: of a thousand versions, an upload changes one."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from wharf.model import Release

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.errors import RecordError
    from wharf.index.git_objects import Tree

LARGE: Final = 50
"""Versions from which on a project is large."""
MOST_RECORDS: Final = 4000
"""Records that are known at most, or those of one project: some ten megabytes."""


class KnownRecords:
    """Parsed records by project and version, each with the id of the version's folder. Safe to use from several threads.

    - A record is known only of a folder with that very id, in which nothing can differ.
    - What cannot be read is not known: it is read again each time.
    - The project that was asked for least lately goes first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[str, dict[str, tuple[str, Release]]] = OrderedDict()
        self._count = 0

    def of(self, name: str, folder: Tree) -> dict[str, Release]:
        """The known records of a project whose folder is this one, by version."""
        with self._lock:
            known = self._found.get(name)
            if known is None:
                return {}
            self._found.move_to_end(name)
        ids = folder.folders
        return {version: release for version, (id_, release) in known.items() if ids.get(version) == id_}

    def put(self, name: str, folder: Tree, read: Mapping[str, Release | RecordError]) -> None:
        """Know records that were just read, and no others of that project than this folder has."""
        if len(folder.folders) < LARGE or not read:
            return
        ids = folder.folders
        with self._lock:
            before = self._found.pop(name, {})
            fresh = {version: (ids[version], each) for version, each in read.items() if isinstance(each, Release)}
            now = {**{version: each for version, each in before.items() if ids.get(version) == each[0]}, **fresh}
            self._found[name] = now
            self._count += len(now) - len(before)
            while self._count > MOST_RECORDS and len(self._found) > 1:
                _, gone = self._found.popitem(last=False)
                self._count -= len(gone)
