"""cache clear: delete what is kept of upstreams, or of one project of theirs, also beside a server that uses it.

Only files that wharf keeps there are deleted, by their names, and none that is being written. Links are not followed.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.errors import OddFileError
from wharf.model import is_name, is_sha256
from wharf.operations.open_upstream import FILES
from wharf.sources.upstream_page_store import DIGESTS, METADATA, PAGES, PageStore
from wharf.system import regular_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from wharf.sources.upstream_project import UpstreamFile

_UPSTREAM = re.compile(r"[0-9a-f]{16}", re.ASCII)


@dataclass(slots=True)
class Cleared:
    """What was deleted: pages of projects, files (core metadata among them), and the bytes of all."""

    pages: int = 0
    files: int = 0
    size: int = 0


def clear(folder: Path, project: str | None = None) -> Cleared:
    """Delete what `folder` keeps of a project (PEP 503 form), or all of it. Raises OSError where the disk refuses.

    `folder` is that of all upstreams of a repository. What is not there counts as deleted.
    """
    cleared = Cleared()
    for upstream in _upstreams(folder):
        pages, metadata = upstream / PAGES, upstream / METADATA
        if project is None:
            cleared.files += _delete_all(metadata, is_sha256, cleared)
            _delete_all(upstream / DIGESTS, is_sha256, cleared)  # notes about files that stay where they are
        else:
            for file in _files_of(pages, project):
                cleared.files += _delete(folder / FILES / file.sha256, cleared)
                if file.core_metadata is not None:
                    cleared.files += _delete(metadata / file.core_metadata, cleared)
        # The page goes last: it says what the project has, so that whoever was interrupted can begin again.
        cleared.pages += _delete_all(pages, is_name, cleared) if project is None else _delete(pages / project, cleared)
    if project is None:
        cleared.files += _delete_all(folder / FILES, is_sha256, cleared)
    return cleared


def _upstreams(folder: Path) -> Iterator[Path]:
    """The folders of the upstreams."""
    with contextlib.suppress(FileNotFoundError):
        for path in sorted(folder.iterdir()):
            if _UPSTREAM.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
                yield path


def _files_of(pages: Path, project: str) -> tuple[UpstreamFile, ...]:
    page = PageStore(pages).read(project)
    return () if page is None else page.project.files


def _delete_all(folder: Path, is_ours: Callable[[str], bool], cleared: Cleared) -> int:
    """Delete the files with such names; how many."""
    try:
        names = [path.name for path in folder.iterdir() if is_ours(path.name)]
    except (FileNotFoundError, NotADirectoryError):
        return 0
    return sum(_delete(folder / name, cleared) for name in names)


def _delete(path: Path, cleared: Cleared) -> bool:
    """Delete a file, and count its bytes. False: there is none."""
    try:
        size = regular_file.status_of(path).st_size
        regular_file.delete(path)
    except (FileNotFoundError, OddFileError):
        return False
    cleared.size += size
    return True
