"""A publish into the store in a folder: its files before they have their names there."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias

from wharf.assets.store_folders import told
from wharf.system import unnamed_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from wharf.assets.asset_store import Incoming, Opener, Progress, Recorded, Refuse
    from wharf.index.change import Named
    from wharf.model import File

    Put: TypeAlias = Callable[[Sequence[tuple[Path, File, bool]]], Callable[[], object]]

_CHUNK: Final = 1 << 20


class StagedPublish:
    """One publish into the folder: files are copied to where no index names them, checked there, and renamed into the store.

    Until then the name of each begins with that of `scratch`: a folder for them would cost as much as a small file. `folder`
    is a handle of the folder that it lies in.
    """

    def __init__(self, put: Put, scratch: Path, folder: int, progress: Progress) -> None:
        self._put = put
        self._scratch = scratch
        self._folder = folder
        self._progress = progress
        self._paths: dict[Opener, Path] = {}
        self._durable: set[Path] = set()
        self._put_paths: set[Path] = set()
        self._settled: set[Path] = set()

    @contextlib.contextmanager
    def take(self, opener: Opener, limit: int, *, sealed: bool = False) -> Iterator[tuple[BinaryIO, Opener]]:
        """A copy of the file, so that what is checked is what is kept; or the file, if nobody else can change it.

        Raises StorageError, as for a full disk.
        """
        path = self._scratch.with_name(f"{self._scratch.name}-{len(self._paths)}")

        def again() -> BinaryIO:
            return path.open("rb")

        self._paths[again] = path
        with opener() as file:
            if sealed and unnamed_file.give_name(file, path.name, self._folder):
                if os.fstat(file.fileno()).st_nlink > 1:  # it had a name: then a session has brought its bytes to the disk
                    self._durable.add(path)
                yield file, again
                return
            with told(path.parent), path.open("x+b") as copy:
                self._copy(file, copy, limit)
                yield copy, again

    @staticmethod
    def _copy(file: BinaryIO, copy: BinaryIO, limit: int) -> None:
        left = limit + 1
        while left and (chunk := file.read(min(_CHUNK, left))):
            copy.write(chunk)
            left -= len(chunk)
        copy.seek(0)

    def put(
        self,
        new: Sequence[Incoming],
        known: Sequence[Incoming],
        recorded: Recorded,
        tip: str | None,
        refuse: Refuse | None = None,
    ) -> tuple[Sequence[Named], Callable[[], object]]:
        """Keep the files, also those that are in the index already: so lost or damaged bytes are stored again.

        Disks wait side by side: meanwhile the objects of the commit are written.
        """
        del recorded, tip, refuse
        staged = [(self._paths[each.open], each.named.file) for each in (*new, *known)]
        files = [(path, file, path in self._durable) for path, file in staged]
        self._put_paths = {path for path, _ in staged}
        return [each.named for each in new], self._put(files)

    def end(self) -> None:
        """Delete what was not put."""
        for path in {*self._paths.values()} - self._settled:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    def published_before(self) -> str | None:
        """Always None: a folder has no trace of an index that is missing."""
        return None

    def settle(self, committed: Sequence[Named]) -> None:
        """Nobody deletes anything while publishers share the lock. What was put has another name by now."""
        self._settled = self._put_paths
