"""The distributions of a site that has them: fetched as far as they are not there, and each compared with its digest."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Final

from wharf.assets.folder_store import FolderStore
from wharf.errors import NotFoundError, OddFileError, StorageError
from wharf.site import layout
from wharf.site.output_folder import STAGING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from wharf.model import File
    from wharf.repository.opening import Repository

AT_ONCE: Final = 6
"""Files that are fetched at the same time."""
TRIES: Final = 3
"""How often a file is fetched whose bytes do not come as they should."""

_CHUNK = 1 << 20


class _LostError(Exception):
    """The bytes of a file are missing, for everybody."""


def bring(repository: Repository, files: Sequence[File], out: Path, advance: Callable[[int], None]) -> dict[str, str]:
    """Stage files for the site in `out`. Those whose bytes are gone, or are not those of the record, with the reasons.

    Raises StorageError where the store cannot be reached; what came whole stays for the next time.
    """
    stop = threading.Event()
    lost: dict[str, str] = {}

    def one(file: File) -> None:
        try:
            _bring_one(repository, file, out / STAGING / "files" / layout.file_path(file), stop)
        except _LostError as error:
            lost[layout.file_path(file)] = str(error)
        advance(1)

    pool = ThreadPoolExecutor(AT_ONCE, "fetch")
    try:
        done, _ = wait([pool.submit(one, file) for file in files], return_when=FIRST_EXCEPTION)
        for each in done:
            each.result()
    except BaseException:
        stop.set()  # after an error nobody waits for the other files, or for limits
        with repository.github.interrupted() if repository.github else contextlib.nullcontext():
            pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()
    return lost


def _bring_one(repository: Repository, file: File, target: Path, stop: threading.Event) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    for left in range(TRIES - 1, -1, -1):
        try:
            _copy(_chunks(repository, file), file, part, stop)
            break
        except (_LostError, StorageError):
            part.unlink(missing_ok=True)
            if not left or stop.is_set():
                raise
    part.replace(target)


def _copy(chunks: Iterator[bytes], file: File, part: Path, stop: threading.Event) -> None:
    digest, count = hashlib.sha256(), 0
    with part.open("wb") as copy:
        for chunk in chunks:
            if stop.is_set():
                raise StorageError("The fetching was stopped.", "Run the same command again: it continues there.")
            count += len(chunk)
            if count > file.size:
                break
            digest.update(chunk)
            copy.write(chunk)
    if count != file.size or digest.hexdigest() != file.sha256:
        raise _LostError("its stored bytes are not those of its record (`wharf verify` tells more)")


def _chunks(repository: Repository, file: File) -> Iterator[bytes]:
    assets = repository.assets
    try:
        if isinstance(assets, FolderStore):
            with assets.open(file.sha256, file.filename) as stored:
                yield from iter(partial(stored.read, _CHUNK), b"")
        else:
            with assets.fetch(assets.place(file)) as download:
                yield from download.chunks
    except (FileNotFoundError, NotFoundError, OddFileError) as error:
        raise _LostError("its bytes are not in the store (`wharf verify` tells more)") from error
