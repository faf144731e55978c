"""The asset store in a folder: `assets/<sha256>/<filename>`, filled by rename from `staging/`.

Publishers hold a lock together; whoever deletes bytes holds it alone, so that it never deletes what a publisher
stored and has not yet named on the branch.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import stat
from concurrent import futures
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from wharf.assets.shared_files import SharedFiles
from wharf.assets.staged_publish import StagedPublish
from wharf.assets.store_folders import inside, is_folder, told, told_of_gone
from wharf.assets.store_lock import READ_ONLY, StoreLock
from wharf.errors import OddFileError, StorageError
from wharf.index.change import Named
from wharf.model import File, is_filename, is_sha256
from wharf.system import disk_sync, regular_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from wharf.assets.asset_store import Progress
    from wharf.model import Release

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds to wait for publishers at work before bytes are left to `wharf verify --repair`."""

_CHUNK = 1 << 20
_DEPTH = 3  # parts of an asset's path below the store's folder, which is the person's: assets, digest, file name
_SYNCS_AT_ONCE = 4
_OPEN = 24  # files of a publish whose folders may all be open at the same time


@dataclass(frozen=True, slots=True)
class _Ready:
    """A staged file that is about to be kept: its handle (None: its bytes are on the disk), its place, and its folder there."""

    staged: Path
    handle: int | None
    target: Path
    folder: int


class FolderStore:
    """The bytes of distributions in a folder on this machine.

    - A file lies at `assets/<sha256>/<filename>`, and gets that name only when its bytes are on the disk.
    - Bytes are written in `staging/`, which no index names, and renamed from there.
    - Publishers share the lock, from the first byte staged to the commit. Whoever deletes bytes holds it alone.
    - What is read or deleted as a file is a regular file, in real folders of the store. A link or a device there is an
      OddFileError.
    """

    def __init__(self, root: Path) -> None:
        self._assets = root / "assets"
        self._staging = root / "staging"
        self._lock = StoreLock(root / "lock")
        self._pool: futures.ThreadPoolExecutor | None = None

    def create(self, *, is_new: bool = True) -> None:
        """Make the folders that are not there. Raises OddFileError for a link: what is deleted in them would lie elsewhere.

        A store that is not new may lack one where it may only be read: whoever writes is refused when it takes the lock.
        """
        for folder in (self._assets, self._staging):
            if folder.is_symlink():
                raise OddFileError(folder, "a symbolic link", "folder")
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                if is_new or error.errno not in READ_ONLY:
                    raise

    @contextlib.contextmanager
    def intake(self, progress: Progress) -> Iterator[StagedPublish]:
        """Begin a publish. Publishers share a lock from the first byte staged to the commit; what was not `put` is deleted."""
        scratch = self.scratch()
        with self._lock.shared(), ExitStack() as stack:
            with told_of_gone(self._staging):
                folder = stack.enter_context(regular_file.folder_of(scratch, 1))
            publish = StagedPublish(self.put, scratch, folder, progress)
            try:
                yield publish
            finally:
                publish.end()

    @contextlib.contextmanager
    def reuse(self) -> Iterator[SharedFiles]:
        """Begin a promotion. It shares the lock of publishers: what an index names by now is not deleted before it ends."""
        with self._lock.shared():
            yield SharedFiles(self.size)

    def erase(
        self,
        files: Sequence[Named],
        named: Callable[[], Sequence[Named]],
        dealt_with: Callable[[int], None] = lambda _files: None,
    ) -> tuple[Sequence[Named], str]:
        """Delete the bytes of files that left the index, unless an index names them. Returns what is still stored, and why."""
        with self.alone(PATIENCE) as alone:
            if not alone:
                return files, "a publish is under way; `wharf verify --repair` deletes the bytes later"
            still = named()
            held = {(each.file.sha256, each.file.filename) for each in still}
            for each in files:
                dealt_with(1)
                if (each.file.sha256, each.file.filename) in held:
                    continue
                try:
                    self.delete(each.file.sha256, each.file.filename)
                except OddFileError as error:
                    return files, error.message
        return still, "another index or record may name them" if still else ""

    def left_of(self, releases: Sequence[Release]) -> Sequence[Named]:
        """Those files in `removed` of the releases whose bytes are still stored."""
        now, found = datetime.now(UTC), []
        for each in releases:
            for name, sha256 in each.removed.items():
                if (size := self.size(sha256, name)) is not None:
                    file = File(filename=name, sha256=sha256, size=size, upload_time=now)
                    found.append(Named(project=each.project, version=each.version, file=file))
        return found

    def alone(self, patience: float) -> AbstractContextManager[bool]:
        """Hold the lock without any publisher; False if one is still at work after `patience` seconds."""
        return self._lock.alone(patience)

    def alone_to_read(self, patience: float) -> AbstractContextManager[bool | None]:
        """The same for whoever changes nothing. None: in a store that may only be read, it cannot be held."""
        return self._lock.alone_to_read(patience)

    def put(self, staged: Sequence[tuple[Path, File, bool]]) -> Callable[[], object]:
        """Begin to keep staged files, each with whether its bytes are on the disk; what waits for it, as often as it is called.

        What waits raises StorageError.
        After that, bytes and names are on the disk. Files are synced side by side: a file system writes its journal once for
        all who wait, so that many small files cost a fraction of as many syncs. Doing it again changes nothing.
        """
        alone = len(staged) == 1  # then one thread does it all: to wake another one takes as long as a sync
        with ExitStack() as stack:
            with told_of_gone(self._assets):
                assets = stack.enter_context(regular_file.folder_of(self._assets / "digest", _DEPTH - 1))
            # A thread waits for the interpreter after each call of the system: so of a few files it gets what is open already.
            ready = [self._ready(each, assets, stack) for each in staged] if len(staged) <= _OPEN else []
            begun: list[futures.Future[None]] = []
            stack.callback(futures.wait, begun)  # before what they use is closed
            begun.extend(self._syncing().submit(self._put_ready, share, alone) for share in _shares(ready))
            begun.extend(self._syncing().submit(self._put_some, share, assets) for share in _shares([] if ready else staged))
            handles = stack.pop_all()
        named = [alone or not staged]

        def wait() -> None:
            handles.close()
            for each in begun:
                each.result()
            if not named[0]:
                self._sync_names()
                named[0] = True

        return wait

    def _sync_names(self) -> None:
        with told(self._assets):
            disk_sync.sync(self._assets)

    def _syncing(self) -> futures.ThreadPoolExecutor:
        """The threads for that, which are started once."""
        if self._pool is None:
            self._pool = futures.ThreadPoolExecutor(_SYNCS_AT_ONCE, "sync")
        return self._pool

    def _put_ready(self, share: Sequence[_Ready], alone: bool) -> None:
        for each in share:
            self._put_one(each, alone)

    def _put_some(self, share: Sequence[tuple[Path, File, bool]], assets: int) -> None:
        for each in share:
            with ExitStack() as stack:
                self._put_one(self._ready(each, assets, stack))

    def _ready(self, each: tuple[Path, File, bool], assets: int, stack: ExitStack) -> _Ready:
        """Open what it takes to keep a file, and check its size. `assets` is the handle of that folder."""
        staged, file, is_durable = each
        target = self.path(file.sha256, file.filename)
        with told_of_gone(target.parent):
            handle = None
            if not is_durable:
                handle = os.open(staged, os.O_RDONLY | os.O_CLOEXEC)
                stack.callback(os.close, handle)
            size = (staged.stat() if handle is None else os.fstat(handle)).st_size
            if size != file.size:
                raise StorageError(
                    f"{file.filename} was stored with {size} bytes instead of {file.size}.", "Run the same command again."
                )
            with contextlib.suppress(FileExistsError):  # if it is not a folder, the next call says so
                os.mkdir(file.sha256, dir_fd=assets)
            folder = stack.enter_context(regular_file.inner_folder_of(target, assets, _DEPTH))
        return _Ready(staged, handle, target, folder)

    def _put_one(self, ready: _Ready, alone: bool = False) -> None:
        with told_of_gone(ready.target.parent):
            if ready.handle is not None:  # a name never stands for bytes that a power cut can take away
                os.fsync(ready.handle)
            os.replace(ready.staged, ready.target.name, dst_dir_fd=ready.folder)
            os.fsync(ready.folder)
        if alone:
            self._sync_names()

    def public_address(self, file: File) -> str | None:
        """None: only a server or a static site gives the files of a folder an address."""
        return None

    def path(self, sha256: str, filename: str) -> Path:
        """Where the bytes lie, or would lie. Raises ValueError for what cannot be a digest or a file name."""
        if not is_sha256(sha256) or not is_filename(filename):
            raise ValueError(f"no place for {filename!r}")
        return self._assets / sha256 / filename

    def size(self, sha256: str, filename: str) -> int | None:
        """The size in bytes as stored, or None where nothing is. Raises OddFileError for what is no regular file."""
        try:
            return regular_file.status_of(self.path(sha256, filename), _DEPTH).st_size
        except FileNotFoundError:
            return None

    def open(self, sha256: str, filename: str) -> BinaryIO:
        """The bytes as stored. Raises FileNotFoundError, and OddFileError for what is no regular file."""
        path = self.path(sha256, filename)
        with told(path.parent):
            return os.fdopen(regular_file.handle_of(path, _DEPTH), "rb", buffering=0)

    def digest(self, sha256: str, filename: str) -> str | None:
        """The sha256 of the bytes as stored, or None where nothing is. Raises OddFileError for what is no regular file."""
        found = hashlib.sha256()
        try:
            with told(self.path(sha256, filename).parent), self.open(sha256, filename) as file:
                while chunk := file.read(_CHUNK):
                    found.update(chunk)
        except FileNotFoundError:
            return None
        return found.hexdigest()

    def assets(self) -> Iterator[tuple[str, str]]:
        """The digest (the name of the folder) and the file name of all stored files."""
        for file in self._places():
            if regular_file.is_regular(file, _DEPTH):
                yield file.parent.name, file.name

    def odd(self) -> list[Path]:
        """What stands in the place of a file, or of the folder of a digest, and is something else."""
        folders = [path for path in inside(self._assets) if is_sha256(path.name) and not is_folder(path)]
        return sorted([*folders, *(file for file in self._places() if not stat.S_ISREG(file.lstat().st_mode))])

    def leftovers(self) -> list[Path]:
        """Temporary files, of publishers at work or of dead ones; and what in `assets/` does not have the name of an asset."""
        found = inside(self._staging)
        for path in inside(self._assets):
            if not is_sha256(path.name):
                found.append(path)
            elif is_folder(path):
                found += [file for file in inside(path) if not is_filename(file.name)]
        return sorted(found)

    def _places(self) -> Iterator[Path]:
        """What has the name of an asset, in a folder that has the name of a digest."""
        for folder in inside(self._assets):
            if is_sha256(folder.name) and is_folder(folder):
                yield from (file for file in inside(folder) if is_filename(file.name))

    def scratch(self) -> Path:
        """A path in `staging/` that nothing has yet, for what is made elsewhere and renamed into its place."""
        return self._staging / secrets.token_hex(16)

    def delete(self, sha256: str, filename: str) -> None:
        """Delete stored bytes that no index names. To be called while `alone`."""
        path = self.path(sha256, filename)
        with told(path.parent), contextlib.suppress(FileNotFoundError):
            regular_file.delete(path, _DEPTH)
            with contextlib.suppress(OSError):  # other names of the same bytes may be there
                path.parent.rmdir()

    def delete_temporary(self) -> list[Path]:
        """Delete what publishers that died left in `staging/`; what was deleted. To be called while `alone`."""
        found = inside(self._staging)
        for path in found:
            if is_folder(path):
                shutil.rmtree(path)
            else:
                path.unlink()
        return found


def _shares(each: Sequence[T]) -> list[Sequence[T]]:
    """Parts of about the same size, for threads."""
    return [share for number in range(_SYNCS_AT_ONCE) if (share := each[number::_SYNCS_AT_ONCE])]
