"""A flat folder of wheels and sdists as an upstream. Nobody says when its files were uploaded."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wharf.distribution import wheel
from wharf.distribution.file_names import Name
from wharf.errors import InvalidDistributionError, OddFileError, StorageError
from wharf.model import is_filename, normalize
from wharf.sources.upstream_answers import Answered
from wharf.sources.upstream_files import version_in
from wharf.sources.upstream_page import MOST_FILES, UPSTREAM_FAILED
from wharf.sources.upstream_page_store import sealed, unsealed
from wharf.sources.upstream_project import LeftOut, UpstreamFile, UpstreamProject
from wharf.system import disk_remedies, regular_file
from wharf.text_formats import toml_and_json
from wharf.transport.http_client import Download

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from wharf.sources.upstream_page_store import KeptPage, PageStore

FRESH: Final = 2.0
"""Seconds for which the list of the files in the folder holds."""

_PIECE = 1 << 20
_LARGEST_NOTE = 1 << 20


@dataclass(frozen=True, slots=True)
class _Found:
    """A file in the folder: its size, and its time of change in nanoseconds."""

    filename: str
    size: int
    changed: int


class FolderUpstream:
    """The folder. `notes` keeps the digest of each file by its name, size and time of change. Safe in several threads."""

    def __init__(self, folder: Path, notes: PageStore, clock: Callable[[], float]) -> None:
        self._folder = folder
        self._notes = notes
        self._clock = clock
        self._lock = threading.Lock()
        self._list: dict[str, list[_Found]] = {}
        self._until = 0.0

    def ask(self, name: str, kept: KeptPage | None) -> Answered:
        """The files of a project that are in the folder now."""
        found = sorted(
            (each for start, files in self._listed().items() if name.startswith(start) for each in files),
            key=lambda each: each.filename,
        )
        mine = [each for each in found if version_in(name, each.filename) is not None]
        if not mine:
            return Answered(FRESH)
        stamp = hashlib.sha256(repr(mine).encode()).hexdigest()
        if kept is not None and kept.etag == stamp:
            return Answered(FRESH, same=True)
        files: list[UpstreamFile] = []
        left: list[LeftOut] = []
        for each in mine:
            try:
                files.append(self._file(name, each))
            except InvalidDistributionError as error:
                left.append(LeftOut(each.filename, error.message))
            except (OSError, OddFileError) as error:
                left.append(LeftOut(each.filename, f"it cannot be read: {getattr(error, 'strerror', None) or error}"))
        return Answered(FRESH, UpstreamProject(name=name, files=tuple(files), left_out=tuple(left)), etag=stamp)

    def core_metadata(self, file: UpstreamFile) -> bytes:
        """The METADATA in the wheel."""
        try:
            with self._opened(file.filename) as opened:
                return wheel.metadata(opened, file.filename, Name.parse(file.filename))[0]
        except (OSError, OddFileError, InvalidDistributionError) as error:
            raise self.error(f"has no core metadata of {file.filename} any more") from error

    @contextmanager
    def open(self, file: UpstreamFile) -> Iterator[Download]:
        """The bytes of the file."""
        try:
            opened = os.fdopen(regular_file.handle_of(self._folder / file.filename, 1), "rb")
        except (OSError, OddFileError) as error:
            raise self.error(f"has no {file.filename} any more") from error
        with opened:
            yield Download(os.fstat(opened.fileno()).st_size, self._pieces(opened, file.filename))

    def error(self, why: str) -> StorageError:
        """The error that says what is wrong with the folder."""
        return StorageError(f"The upstream {self._folder} {why}.", "Look into that folder.", told=UPSTREAM_FAILED)

    def close(self) -> None:
        """There is nothing to close."""

    def _pieces(self, file: io.BufferedReader, filename: str) -> Iterator[bytes]:
        try:
            while data := file.read(_PIECE):
                yield data
        except OSError as error:
            raise self.error(f"cannot be read at {filename}: {error.strerror or error}") from error

    def _opened(self, filename: str) -> io.BufferedReader:
        return os.fdopen(regular_file.handle_of(self._folder / filename, 1), "rb")

    def _listed(self) -> dict[str, list[_Found]]:
        """The wheels and sdists, by the first word of their names in its normal form."""
        with self._lock:
            if self._clock() >= self._until:
                self._list = self._look()
                self._until = self._clock() + FRESH
            return self._list

    def _look(self) -> dict[str, list[_Found]]:
        found: dict[str, list[_Found]] = {}
        count = 0
        try:
            with os.scandir(self._folder) as entries:
                for each in entries:
                    if not is_filename(each.name) or "-" not in each.name:
                        continue
                    with suppress(FileNotFoundError):
                        about = each.stat(follow_symlinks=False)
                        if stat.S_ISREG(about.st_mode):
                            start = normalize(each.name.partition("-")[0])
                            found.setdefault(start, []).append(_Found(each.name, about.st_size, about.st_mtime_ns))
                            count += 1
                    if count > MOST_FILES:
                        raise self.error(f"has more than {MOST_FILES} files")
        except OSError as error:
            why = f"The upstream {self._folder} cannot be read: {error.strerror or error}."
            raise StorageError(why, disk_remedies.hint(error), told=UPSTREAM_FAILED) from error
        return found

    def _file(self, name: str, found: _Found) -> UpstreamFile:
        """The file with what was noted of it, or what is noted now. Raises what `_read` raises."""
        key = hashlib.sha256(repr(found).encode()).hexdigest()
        noted = self._noted(key)
        if noted is None:
            noted = self._read(found)
            self._notes.write(key, sealed(json.dumps(noted).encode()))
        sha256, core, python = noted
        return UpstreamFile(
            filename=found.filename,
            version=version_in(name, found.filename) or "",
            url=(self._folder / found.filename).as_uri(),
            sha256=sha256,
            size=found.size,
            core_metadata=core,
            requires_python=python,
        )

    def _noted(self, key: str) -> tuple[Any, Any, Any] | None:
        data = self._notes.read_bytes(key, _LARGEST_NOTE)
        body = None if data is None else unsealed(data)
        with suppress(ValueError):
            noted = None if body is None else toml_and_json.json_value(body)
            if isinstance(noted, list) and len(noted) == 3:
                return noted[0], noted[1], noted[2]
        return None

    def _read(self, found: _Found) -> tuple[str, str | None, str | None]:
        """The sha256 of the file, and of a wheel the sha256 of its core metadata and the Python that it requires.

        Raises InvalidDistributionError, OSError or OddFileError.
        """
        with self._opened(found.filename) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            core = python = None
            if found.filename.endswith(".whl"):
                data, about = wheel.metadata(file, found.filename, Name.parse(found.filename))
                core, python = hashlib.sha256(data).hexdigest(), about.requires_python
            after = os.fstat(file.fileno())
        if (after.st_size, after.st_mtime_ns) != (found.size, found.changed):
            raise OSError(f"{found.filename} is being written")
        return digest, core, python
