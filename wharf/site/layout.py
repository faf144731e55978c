"""Where the pages and the files of a static site lie, and the pages themselves as bytes. Pure."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from wharf.distribution.file_names import Name
from wharf.errors import InvalidDistributionError
from wharf.index import asset_location
from wharf.model import is_filename, is_sha256
from wharf.pages import document, page_format
from wharf.pages.page_format import Format
from wharf.text_formats import toml_and_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from wharf.model import File, Project

PAGES: Final = {Format.JSON: "index.v1_json", Format.PLAIN_HTML: "index.html"}
"""The file of each format; both kinds of HTML have the same bytes. A web server tells the content type by the suffix."""

_LONGEST_NAME = 255  # bytes of a file's name


def file_path(file: File) -> str:
    """Where a site that has the files keeps one, below `files/`."""
    return f"{file.sha256}/{file.filename}"


def with_metadata(path: str) -> tuple[str, ...]:
    """A file's path below `files/`, and that of its core metadata, where such a name can be."""
    beside = asset_location.metadata_name(path)
    return (path, beside) if len(beside.partition("/")[2]) <= _LONGEST_NAME else (path,)


def is_file_path(path: str) -> bool:
    """Whether a text can be the path of a file below `files/`."""
    sha256, _, filename = path.partition("/")
    return is_sha256(sha256) and is_filename(filename)


def files_of(page: bytes, project: str) -> Iterator[str]:
    """The project's files that its JSON page in a site names."""
    try:
        found: Any = toml_and_json.json_value(page)
        entries = [(each["hashes"]["sha256"], each["filename"]) for each in found["files"]]
    except (ValueError, KeyError, TypeError):
        return  # the page was damaged by somebody: what it linked to stays where it is
    for sha256, filename in entries:
        path = f"{sha256}/{filename}"
        with contextlib.suppress(InvalidDistributionError):
            if is_file_path(path) and Name.parse(filename).project == project:
                yield path


def project_pages(project: Project, link: Callable[[File], str]) -> dict[str, bytes]:
    """The pages of a project by file name; `link` gives the address of a file."""
    made = document.project(project, link)
    return {name: page_format.render(made, form, negotiated=False) for form, name in PAGES.items()}  # as on GitHub Pages


def list_pages(names: Iterable[str]) -> dict[str, bytes]:
    """The pages of the list of projects."""
    made = document.projects(names)
    return {name: page_format.render(made, form) for form, name in PAGES.items()}
