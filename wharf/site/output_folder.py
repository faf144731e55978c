"""The folder of a static site: everything new is written beside it first, then put in its place, file by file.

So a full disk, or a build that dies while it writes, leaves the old site as it was. A web server may read all the while.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wharf.errors import OddFileError, StorageError, UsageError
from wharf.pages.page_format import Format
from wharf.site import build_state, layout
from wharf.system import disk_remedies, regular_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

STAGING: Final = ".wharf-staging"
_PAGES = "pages-"
_FOLDERS = ("simple", "files")


class SiteFolder:
    """The site in `out`. `state` is that of the site that is there (None: there is none).

    `installing`: the new is being put into the place of the old.

    - A folder that is not a wharf site is not touched, nor is what lies beyond the folder: links in it lead to no change.
    - One build at a time has the folder.
    - Nothing of the site changes before all that is new lies in its staging folder. From then on there are only renames and
      deletions.
    - While the site changes, its state says which pages and files may be in between: so the next build completes it.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.staging = out / STAGING
        # A new name: a process of a build that was killed may still be writing.
        self.pages = self.staging / f"{_PAGES}{secrets.token_hex(8)}"
        self.state: build_state.BuildState | None = None
        self.installing = False

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Take the folder for one build. It is made if it is missing, and deleted again if the build made nothing.

        Raises UsageError for one that is not a wharf site, which is not touched, or that another build is writing to;
        StorageError if it cannot be written.
        """
        try:
            self.state = self._read_state()
            self.out.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.out, os.O_RDONLY | os.O_DIRECTORY)
            try:
                with self._alone(handle), self._cleared():
                    yield
            finally:
                os.close(handle)
                with contextlib.suppress(OSError):  # not empty: then it is a site, or was there before
                    self.out.rmdir()
        except OSError as error:
            place = f" ({error.filename})" if error.filename else ""
            left = "Run it again: it continues there." if self.installing else "The old one is as it was."
            hint = f"{disk_remedies.hint(error)} {left}".strip()
            raise StorageError(f"The site cannot be written: {error.strerror or error}{place}.", hint) from error

    @contextlib.contextmanager
    def _alone(self, handle: int) -> Iterator[None]:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"Another build is writing to {self.out}.", "Wait for its end.") from error
        self.state = self._read_state()
        yield

    @contextlib.contextmanager
    def _cleared(self) -> Iterator[None]:
        """At the beginning, staging has at most whole files of a build that died. At the end it is gone, if all went well.

        Whatever else happens, pages go; files stay for the next time, unless the disk is full.
        """
        self._clear_pages()
        try:
            self.pages.mkdir(parents=True)
            yield
        except OSError:
            shutil.rmtree(self.staging, ignore_errors=True)  # the first failure is the one to report
            raise
        except BaseException:
            self._clear_pages()
            raise
        shutil.rmtree(self.staging, ignore_errors=True)  # the site is ready; the next build deletes what is left here

    def _clear_pages(self) -> None:
        for path in self.staging.glob(f"{_PAGES}*"):
            shutil.rmtree(path)
        with contextlib.suppress(OSError):  # not empty: files to continue with
            self.staging.rmdir()

    def _read_state(self) -> build_state.BuildState | None:
        if not self.out.exists():
            return None
        if not self.out.is_dir():
            raise build_state.not_ours(str(self.out), "it is not a folder")
        for name in (STAGING, *_FOLDERS, build_state.STATE):
            self._check_own(self.out / name)
        path = self.out / build_state.STATE
        if path.is_file():
            with path.open("rb") as file:
                return build_state.parse(file.read(build_state.MAX_STATE), str(self.out))
        others = [path.name for path in self.out.iterdir() if path.name != STAGING and not _is_begun(path)]
        if others:
            raise build_state.not_ours(str(self.out), f"it holds {sorted(others)[0]} and no {build_state.STATE}")
        return None

    def _check_own(self, path: Path) -> None:
        """Raise UsageError for what leads out of the folder, or lies on another file system: nothing can be renamed into it."""
        if path.is_symlink() or (path.exists() and path.stat().st_dev != self.out.stat().st_dev):
            raise UsageError(
                f"{path} is a link, or another file system. A site is one folder, and wharf touches nothing beyond it.",
                "Name a folder that is not there yet.",
            )

    def prepare(self, projects: Iterable[str], files: Iterable[str], gone: Iterable[str]) -> None:
        """Make the folders that files go into, and see that none leads elsewhere, before anything is replaced.

        Raises UsageError, or OSError if there is no room.
        """
        for name in projects:
            self._check_own(self.out / "simple" / name)
        for path in gone:
            self._check_own((self.out / "files" / path).parent)
        (self.out / "simple").mkdir(exist_ok=True)
        for path in files:
            folder = (self.out / "files" / path).parent
            self._check_own(folder)
            folder.mkdir(parents=True, exist_ok=True)

    def stage(self, folder: str, files: Mapping[str, bytes]) -> None:
        """Write files to be installed in `folder` of the site (relative, may be empty)."""
        stage(self.pages, folder, files)

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
        (self.pages / staged / build_state.STATE).replace(self.out / build_state.STATE)

    def install_project(self, project: str) -> None:
        """Put the pages of a project into their place: the whole folder if it is new, else file by file."""
        source, target = (root / "simple" / project for root in (self.pages, self.out))
        if not target.exists():
            source.rename(target)
            return
        for name in layout.PAGES.values():
            (source / name).replace(target / name)

    def install_own(self, folder: str, names: Iterable[str]) -> None:
        """Put what was staged as `own/<folder>` into that folder of the site."""
        (self.out / folder).mkdir(exist_ok=True)
        for name in names:
            (self.pages / "own" / folder / name).replace(self.out / folder / name)

    def install_files(self, paths: Iterable[str]) -> None:
        """Put those distributions, with their metadata, into their place, as far as they were staged; others are left there."""
        for path in paths:
            for name in layout.with_metadata(path):
                source, target = self.staging / "files" / name, self.out / "files" / name
                if source.exists():
                    source.replace(target)

    def missing(self, paths: Iterable[str]) -> set[str]:
        """Those of some files below `files/` that the site does not have yet."""
        return {path for path in paths if not regular_file.is_regular(self.out / "files" / path)}

    def old_files(self, project: str) -> set[str]:
        """The files that a project's page in the site links to."""
        path = self.out / "simple" / project / layout.PAGES[Format.JSON]
        return set(layout.files_of(path.read_bytes(), project)) if path.is_file() else set()

    def has(self, path: str, size: int) -> bool:
        """Whether the site, or what is staged for it, has a file of that size below `files/`."""
        for root in (self.out, self.staging):
            with contextlib.suppress(FileNotFoundError, OddFileError):  # a link's bytes are not in the site
                if regular_file.status_of(root / "files" / path).st_size == size:
                    return True
        return False

    def drop_project(self, project: str) -> None:
        """Delete a project's pages; what somebody else put beside them stays."""
        folder = self.out / "simple" / project
        for name in layout.PAGES.values():
            (folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            folder.rmdir()

    def drop_file(self, path: str) -> None:
        """Delete a file below `files/`, with its metadata."""
        for name in layout.with_metadata(path):
            (self.out / "files" / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            (self.out / "files" / path).parent.rmdir()


def _is_begun(path: Path) -> bool:
    """Whether it is a folder that a first build had made when it died: one of a site, and without any file."""
    if path.name not in _FOLDERS or path.is_symlink() or not path.is_dir():
        return False
    return not any(files or any(Path(where, name).is_symlink() for name in folders) for where, folders, files in os.walk(path))


def stage(pages: Path, folder: str, files: Mapping[str, bytes]) -> None:
    """Write pages into a folder of staged pages, to be installed in `folder` of the site."""
    target = pages / folder
    target.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (target / name).write_bytes(data)


def stage_metadata(out: Path, path: str, data: bytes) -> None:
    """Write the core metadata of a file, to be installed beside it, unless the site has it."""
    name = f"files/{path}.metadata"
    there, target = out / name, out / STAGING / name
    if not there.is_file() or there.read_bytes() != data:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
