"""The distributions of a site that has them: fetched as far as they are not there, and each compared with its digest."""

from __future__ import annotations

import hashlib
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Final

from wharf import site
from wharf.errors import StorageError
from wharf.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from wharf.model import File
    from wharf.repository import Repository

AT_ONCE: Final = 6
"""Files that are fetched at the same time."""
TRIES: Final = 3
"""How often a file is fetched whose bytes do not come whole."""

_CHUNK = 1 << 20


def bring(repository: Repository, files: Sequence[File], staging: Path, advance: Callable[[int], None]) -> None:
    """Put files below `files/` of the staging folder. Raises StorageError: those that came whole stay for the next time."""
    with ThreadPoolExecutor(AT_ONCE, "fetch") as pool:
        futures = [pool.submit(_bring_one, repository, file, staging, advance) for file in files]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        pool.shutdown(cancel_futures=True)
    for each in done:
        each.result()


def _bring_one(repository: Repository, file: File, staging: Path, advance: Callable[[int], None]) -> None:
    target = staging / "files" / site.file_path(file)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    for tries in range(TRIES):
        try:
            _copy(_chunks(repository, file), file, part)
            break
        except StorageError:
            part.unlink(missing_ok=True)
            if tries + 1 == TRIES:
                raise
    part.replace(target)
    advance(1)


def _copy(chunks: Iterator[bytes], file: File, part: Path) -> None:
    digest, count = hashlib.sha256(), 0
    with part.open("wb") as copy:
        for chunk in chunks:
            count += len(chunk)
            if count > file.size:
                break
            digest.update(chunk)
            copy.write(chunk)
    if count != file.size or digest.hexdigest() != file.sha256:
        raise StorageError(f"The stored bytes of {file.filename} are not those of its record.", "`wharf verify` tells more.")


def _chunks(repository: Repository, file: File) -> Iterator[bytes]:
    assets = repository.assets
    if isinstance(assets, Folder):
        try:
            with assets.path(file.sha256, file.filename).open("rb") as stored:
                yield from iter(partial(stored.read, _CHUNK), b"")
        except FileNotFoundError as error:
            raise StorageError(f"The bytes of {file.filename} are not in the store.", "`wharf verify` tells more.") from error
        return
    with assets.fetch(assets.place(file)) as download:
        yield from download.chunks
