"""How the answers to a request are made, from what an address shows: the page, the files and the core metadata of a project."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, TypeAlias

from wharf.errors import LostRecordError, StorageError
from wharf.model import Project
from wharf.pages import document, page_format
from wharf.pages.etag import metadata_etag, page_etag
from wharf.pages.page_format import Format
from wharf.server.http import answer
from wharf.server.json_pages.json_template import json_template, versions_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from packaging.version import Version

    from wharf.index.policy import Hidden
    from wharf.model import File
    from wharf.server.files.github_file import GitHubFile
    from wharf.server.http.answer import Answer, FileAnswer
    from wharf.server.json_pages.json_template import JsonTemplate
    from wharf.sources.layers import Layers

LIST = ""
"""The key of the list of projects: no project has that name."""

Variant = tuple[Format, bool]
"""A format, and whether it is compressed."""

SETTLED: Final = "settled"
"""A mark before the validator of what is of the past, and cannot change any more."""
YOUNG: Final = "young"
"""The same of what is of the past, where a commit may still come that counts then."""

_FOREVER = "max-age=31536000, immutable"

AnswerOfFile: TypeAlias = "Callable[[File, str], FileAnswer | GitHubFile]"
"""How a file of the index is answered, given its Cache-Control. Raises StorageError."""

MadeJson: TypeAlias = "tuple[frozenset[Version | str], JsonTemplate | None]"
"""The versions that a project shows, and the page that was asked for."""

log = logging.getLogger("wharf")


class AnswerMaker:
    """Makes the answers of a source. All of it may run in any thread.

    A validator may have a mark before it, and a space between: then the source is of the past.

    `private`: no cache on the way may keep an answer for others. `copied`: what is read is a copy of what is on GitHub. What is
    missing in it is raised, and not left out.
    """

    def __init__(self, answer_of_file: AnswerOfFile, *, private: bool, copied: bool) -> None:
        self._answer_of_file = answer_of_file
        self._scope = "private" if private else "public"
        self._copied = copied

    def page(self, name: str, variant: Variant, source: Layers, validator: str) -> Answer:
        """The page of a project or of the list. `validator` stands for what it is made of; the list has its own."""
        form, zipped = variant
        mark, _, validator = validator.rpartition(" ")
        if name == LIST:
            value, validator = document.projects(source.names()), source.list_validator()
        else:
            value = document.project(self._project(source, name) or Project(name=name))
            if hidden := source.hidden_files(name):
                value["_hidden"] = document.hidden(hidden)
        return answer.page(
            page_format.render(value, form),
            content_type=form.content_type,
            etag=page_etag(validator, form, zipped=zipped),
            cache_control=f"{self._scope}, {_FOREVER if mark == SETTLED else 'no-cache'}",
            vary="Accept, Accept-Encoding",
            zipped=zipped,
        )

    def _project(self, source: Layers, name: str) -> Project | None:
        """One project; records that do not parse are logged by name and left out."""
        found, broken = next(iter(source.projects([name])), (None, ()))
        for each in broken:
            if self._copied and isinstance(each, LostRecordError):
                raise each
            log.warning("left out: %s", each.message)
        return found

    def json_page(self, name: str, version: str | None, source: Layers, validator: str) -> MadeJson:
        """The versions that a project shows, and its JSON page or that of a version; None: there is no such page."""
        project = self._project(source, name) or Project(name=name)
        return versions_of(project), json_template(project, source, version, validator, scope=self._scope)

    def files(self, name: str, source: Layers, validator: str) -> dict[str, FileAnswer | GitHubFile]:
        """The answers for the files of a project, by `sha256/filename`."""
        project = self._project(source, name)
        if project is None or project.status.marker == "quarantined":
            return {}
        cache_control = self._for_files(source, name, validator)
        found = {}
        for file in project.files:
            try:
                found[f"{file.sha256}/{file.filename}"] = self._answer_of_file(file, cache_control)
            except StorageError as error:
                log.warning("left out: %s", error.message)
        return found

    def hidden(self, name: str, source: Layers, _validator: str) -> dict[str, Hidden]:
        """What a policy hides of a project, by filename."""
        return {each.filename: each for each in source.hidden_files(name)}

    def _for_files(self, source: Layers, name: str, validator: str) -> str:
        """How long a file may be kept on its way: not for long if a policy may hide it tomorrow.

        At an address of the past neither: that obeys what holds today.
        """
        return f"{self._scope}, {'no-cache' if ' ' in validator or source.may_hide(name) else _FOREVER}"

    def metadata(self, name: str, filename: str, zipped: bool, source: Layers, validator: str) -> Answer | None:
        """The core metadata of a file that the index names; None where it is not announced."""
        data = source.core_metadata(name, filename)
        if data is None:
            return None
        return answer.page(
            data,
            content_type="text/plain; charset=utf-8",
            etag=metadata_etag(data, zipped=zipped),
            cache_control=self._for_files(source, name, validator),
            vary="Accept-Encoding",
            zipped=zipped,
        )
