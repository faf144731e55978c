"""The folder of a static site: everything new is written beside it first, then put in its place, file by file.

So a full disk, or a build that dies while it writes, leaves the old site as it was. A web server may read all the while.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from typing import TYPE_CHECKING, Final

from wharf import site
from wharf.errors import StorageError, UsageError
from wharf.pages import Format

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

STAGING: Final = ".wharf-staging"


class SiteFolder:
    """The site in `out`. `state` is that of the site that is there (None: there is none).

    `installing`: the new is being put into the place of the old.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.staging = out / STAGING
        self.state: site.State | None = None
        self.installing = False

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Take the folder for one build; it is made if need be, and goes again if nothing came of it.

        Raises UsageError for one that is no site of wharf's, which is not touched, or that another build is writing to.
        """
        try:
            self.state = self._read_state()
            self.out.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.out, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise StorageError(f"{self.out} cannot be written: {error.strerror}.", "Name another folder.") from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UsageError(f"Another build is writing to {self.out}.", "Wait for its end.") from error
            self.state = self._read_state()
            with self._cleared():
                yield
        finally:
            os.close(handle)

    @contextlib.contextmanager
    def _cleared(self) -> Iterator[None]:
        """Staging is empty at the beginning but for whole files of a build that died, and gone at the end, whatever happens."""
        self._clear_pages()
        try:
            (self.staging / "pages").mkdir(parents=True)
            yield
        except OSError as error:
            shutil.rmtree(self.staging, ignore_errors=True)  # what failed first is what is told
            place = f" ({error.filename})" if error.filename else ""
            left = "Run it again: it goes on from there." if self.installing else "The old one is as it was."
            raise StorageError(f"The site cannot be written: {error.strerror or error}{place}.", left) from error
        except BaseException:
            self._clear_pages()
            raise
        else:
            shutil.rmtree(self.staging)
        finally:
            with contextlib.suppress(OSError):  # not empty: then it is a site, or was there before
                self.out.rmdir()

    def _clear_pages(self) -> None:
        if (self.staging / "pages").exists():
            shutil.rmtree(self.staging / "pages")
        with contextlib.suppress(OSError):  # not empty: files to go on with
            self.staging.rmdir()

    def _read_state(self) -> site.State | None:
        if not self.out.exists():
            return None
        if not self.out.is_dir():
            raise site.not_ours(str(self.out), "it is no folder")
        path = self.out / site.STATE
        if path.is_file():
            with path.open("rb") as file:
                return site.parse(file.read(site.MAX_STATE), str(self.out))
        others = [path.name for path in self.out.iterdir() if path.name != STAGING]
        if others:
            raise site.not_ours(str(self.out), f"it holds {sorted(others)[0]} and no {site.STATE}")
        return None

    def stage(self, folder: str, files: Mapping[str, bytes]) -> None:
        """Write files to be installed in `folder` of the site (relative, may be empty)."""
        stage(self.staging, folder, files)

    def differs(self, folder: str, name: str, data: bytes) -> bool:
        """Whether a file of the site has other bytes, or is not there."""
        path = self.out / folder / name
        return not path.is_file() or path.stat().st_size != len(data) or path.read_bytes() != data

    def begin(self, staged: str) -> None:
        """From here on the site says what may be in between: the state that was staged under that name."""
        self.installing = True
        self._replace_state(staged)

    def end(self, staged: str) -> None:
        """The site is what it says from here on."""
        self._replace_state(staged)

    def _replace_state(self, staged: str) -> None:
        (self.staging / "pages" / staged / site.STATE).replace(self.out / site.STATE)

    def install_project(self, project: str) -> None:
        """Put the pages of a project into their place: the whole folder if it is new, else file by file."""
        source, target = (root / "simple" / project for root in (self.staging / "pages", self.out))
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            source.rename(target)
            return
        for name in site.PAGES.values():
            (source / name).replace(target / name)

    def install_own(self, folder: str, names: Iterable[str]) -> None:
        """Put what was staged as `own/<folder>` into that folder of the site."""
        (self.out / folder).mkdir(exist_ok=True)
        for name in names:
            (self.staging / "pages" / "own" / folder / name).replace(self.out / folder / name)

    def install_files(self, paths: Iterable[str]) -> None:
        """Put those distributions, with their metadata, into their place, as far as they were staged; others are left there."""
        for path in paths:
            for name in (path, f"{path}.metadata"):
                source, target = self.staging / "files" / name, self.out / "files" / name
                if source.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    source.replace(target)

    def old_files(self, project: str) -> set[str]:
        """The files that a project's page in the site links to."""
        path = self.out / "simple" / project / site.PAGES[Format.JSON]
        return set(site.files_of(path.read_bytes())) if path.is_file() else set()

    def has(self, path: str, size: int) -> bool:
        """Whether the site, or what is staged for it, has a file of that size below `files/`."""
        for root in (self.out, self.staging):
            with contextlib.suppress(FileNotFoundError):
                if (root / "files" / path).stat().st_size == size:
                    return True
        return False

    def drop_project(self, project: str) -> None:
        """Delete a project's pages; what somebody else put beside them stays."""
        folder = self.out / "simple" / project
        for name in site.PAGES.values():
            (folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()

    def drop_file(self, path: str) -> None:
        """Delete a file below `files/`, with its metadata."""
        target = self.out / "files" / path
        for each in (target, target.with_name(f"{target.name}.metadata")):
            each.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            target.parent.rmdir()


def stage(staging: Path, folder: str, files: Mapping[str, bytes]) -> None:
    """Write pages into a staging folder, to be installed in `folder` of the site."""
    target = staging / "pages" / folder
    target.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (target / name).write_bytes(data)


def stage_metadata(staging: Path, path: str, data: bytes) -> None:
    """Write the core metadata of a file, to be installed beside it."""
    target = staging / "files" / f"{path}.metadata"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


def has_metadata(out: Path, path: str, sha256: str) -> bool:
    """Whether the site has core metadata with that digest beside a file."""
    target = out / "files" / f"{path}.metadata"
    return target.is_file() and hashlib.sha256(target.read_bytes()).hexdigest() == sha256
