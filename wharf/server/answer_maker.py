"""How an answer of the index is made: a page, the files of a project, the core metadata of a file."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias

from wharf.distribution.file_names import Name
from wharf.errors import LostRecordError, StorageError
from wharf.model import Project, same_version
from wharf.pages import document, page_format
from wharf.pages.etag import metadata_etag, page_etag
from wharf.pages.page_format import Format
from wharf.server.http import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.index.snapshot import Snapshot
    from wharf.model import File
    from wharf.server.files.github_file import GitHubFile
    from wharf.server.http.answer import Answer, FileAnswer

LIST = ""
"""The key of the list of projects: no project has that name."""

Variant = tuple[Format, bool]
"""A format, and whether it is compressed."""

AnswerOfFile: TypeAlias = "Callable[[File, str], FileAnswer | GitHubFile]"
"""How a file of the index is answered, given its Cache-Control. Raises StorageError."""

log = logging.getLogger("wharf")


class AnswerMaker:
    """Makes the answers of one index. All of it may run in any thread.

    `private`: no cache on the way may keep an answer for others. `copied`: what is read is a copy of what is on GitHub. What is
    missing in it is raised, and not left out.
    """

    def __init__(self, answer_of_file: AnswerOfFile, *, private: bool, copied: bool) -> None:
        self._answer_of_file = answer_of_file
        self._scope = "private" if private else "public"
        self._copied = copied

    def page(self, name: str, variant: Variant, snapshot: Snapshot, tree: str) -> Answer:
        """The page of a project or of the list, whose git id is `tree`."""
        form, zipped = variant
        if name == LIST:
            value = document.projects(snapshot.names())
        else:
            value = document.project(self._project(snapshot, name) or Project(name=name))
        return answer.page(
            page_format.render(value, form),
            content_type=form.content_type,
            etag=page_etag(tree, form, zipped=zipped),
            cache_control=f"{self._scope}, no-cache",
            vary="Accept, Accept-Encoding",
            zipped=zipped,
        )

    def _project(self, snapshot: Snapshot, name: str) -> Project | None:
        """One project; records that do not parse are logged by name and left out."""
        found, broken = next(iter(snapshot.projects([name])), (None, ()))
        for each in broken:
            if self._copied and isinstance(each, LostRecordError):
                raise each
            log.warning("left out: %s", each.message)
        return found

    def files(self, name: str, snapshot: Snapshot, _tree: str) -> dict[str, FileAnswer | GitHubFile]:
        """The answers for the files of a project, by `sha256/filename`."""
        project = self._project(snapshot, name)
        if project is None or project.status.marker == "quarantined":
            return {}
        cache_control = f"{self._scope}, max-age=31536000, immutable"
        found = {}
        for file in project.files:
            try:
                found[f"{file.sha256}/{file.filename}"] = self._answer_of_file(file, cache_control)
            except StorageError as error:
                log.warning("left out: %s", error.message)
        return found

    def metadata(self, name: str, filename: str, zipped: bool, snapshot: Snapshot, _tree: str) -> Answer | None:
        """The core metadata of a file that the index names; None where it is not announced."""
        version = str(Name.parse(filename).version)  # the index names the file: make_file said so
        for spelled in snapshot.versions(name):
            release = snapshot.release(name, spelled) if same_version(spelled, version) else None
            file = release.file(filename) if release else None
            data = snapshot.metadata(name, spelled, filename) if file and file.core_metadata else None
            if data is not None:
                return answer.page(
                    data,
                    content_type="text/plain; charset=utf-8",
                    etag=metadata_etag(data, zipped=zipped),
                    cache_control=f"{self._scope}, max-age=31536000, immutable",
                    vary="Accept-Encoding",
                    zipped=zipped,
                )
        return None
