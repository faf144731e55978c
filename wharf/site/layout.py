"""The static site: where its pages lie, which files it can link to, and what it remembers of how it was built. Pure."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wharf.distribution.file_names import Name, plain
from wharf.errors import InvalidDistributionError, StorageError, UsageError
from wharf.index import asset_location
from wharf.model import is_filename, is_name, is_sha256
from wharf.pages import document, page_format
from wharf.pages.page_format import Format
from wharf.text_formats import parsing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wharf.model import File, Json, Project
    from wharf.repository_address import Address

STATE: Final = "wharf-site.json"
FORMAT: Final = 1
"""The format of that file which this version reads and writes."""
PAGES: Final = {Format.JSON: "index.v1_json", Format.PLAIN_HTML: "index.html"}
"""The file of each format; both kinds of HTML have the same bytes. A web server tells the content type by the suffix."""
MAX_STATE: Final = 64 << 20
"""Bytes of a state that are read: a project takes some 100."""

_LONGEST_NAME = 255  # bytes of a file's name
_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)

_Pair = Annotated[list[str], Field(min_length=2, max_length=2)]
LeftOut = tuple[str, str]
"""What a page does not show, and why."""


class State(BaseModel):
    """What a site was built from.

    `origin` and `index` say of which index it is; `commit` is where that was. `key` stands for all else that the pages depend
    on. `trees` has the git id of each project's folder as its pages show it, `left_out` what they do not show. `gone` are
    files (`<sha256>/<filename>`) that are still to be deleted by who finishes a build that died.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    format: int = FORMAT
    origin: str
    index: str
    commit: str | None
    key: str
    trees: dict[str, str] = {}
    left_out: Annotated[dict[str, list[_Pair]], Field(alias="left-out")] = {}
    gone: list[str] = []


def parse(data: bytes, where: str) -> State:
    """The state of the site at `where`. Raises UsageError for what is no state of wharf's, or one of a newer format."""
    try:
        found: Any = parsing.json_value(data)
        if isinstance(found, dict) and isinstance(found.get("format"), int) and found["format"] > FORMAT:
            raise UsageError(
                f"The site in {where} has the format {found['format']}; this version knows {FORMAT} only.",
                "Update wharf, or name a new folder.",
            )
        state = State.model_validate_json(data)
    except (ValueError, ValidationError) as error:
        raise not_ours(where, f"its {STATE} is not wharf's") from error
    names = all(is_name(name) and _ID.fullmatch(tree) for name, tree in state.trees.items())
    if not names or not all(map(_is_file, state.gone)) or state.format != FORMAT:
        raise not_ours(where, f"its {STATE} is not wharf's")
    return state


def not_ours(where: str, why: str) -> UsageError:
    """The refusal of a folder that somebody else made."""
    return UsageError(f"{where} is not a wharf site ({why}), and is not touched.", "Name a folder that is not there yet.")


def render_state(state: State) -> bytes:
    """The bytes of a state: the same for the same. Raises StorageError for one that is too long to be read again."""
    document: Json = state.model_dump(mode="json", by_alias=True)
    data = json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    if len(data) >= MAX_STATE:
        raise StorageError(
            f"The index is too large for one site: its {STATE} would have {len(data)} bytes.", "Split the index."
        )
    return data


def file_path(file: File) -> str:
    """Where a site that has the files keeps one, below `files/`."""
    return f"{file.sha256}/{file.filename}"


def with_metadata(path: str) -> tuple[str, ...]:
    """A file's path below `files/`, and that of its core metadata, where such a name can be."""
    beside = asset_location.metadata_name(path)
    return (path, beside) if len(beside.partition("/")[2]) <= _LONGEST_NAME else (path,)


def _is_file(path: str) -> bool:
    sha256, _, filename = path.partition("/")
    return is_sha256(sha256) and is_filename(filename)


def files_of(page: bytes, project: str) -> Iterator[str]:
    """The project's files that its JSON page in a site names."""
    try:
        found: Any = parsing.json_value(page)
        entries = [(each["hashes"]["sha256"], each["filename"]) for each in found["files"]]
    except (ValueError, KeyError, TypeError):
        return  # the page was damaged by somebody: what it linked to stays where it is
    for sha256, filename in entries:
        path = f"{sha256}/{filename}"
        with contextlib.suppress(InvalidDistributionError):
            if _is_file(path) and Name.parse(filename).project == project:
                yield path


@dataclass(frozen=True, slots=True)
class Direct:
    """Links to the files where they lie: `address` is the repository, `others` those that records may place files in."""

    address: Address
    others: frozenset[str] = frozenset()

    def link(self, file: File) -> str:
        """The public address of a file. Raises StorageError for what has none."""
        place = asset_location.place(file, self.others)
        address = self.address if place.repository is None else self.address.moved(place.repository)
        return address.download(place.tag, place.name)

    def check(self, file: File) -> File:
        """The file as far as it can be reached: by its own name, its metadata beside it. Raises StorageError."""
        place = asset_location.place(file, self.others)
        if place.name != file.filename:
            # Installers take the last part of an address for the file's name.
            raise StorageError(f"GitHub stores it as {place.name!r}, and installers want it under its own name", "")
        return file if place.metadata is not None else dataclasses.replace(file, core_metadata=None)


@dataclass(frozen=True, slots=True)
class Own:
    """Links to the files in the site itself. `others` is as for `Direct` (None: a store that has one place alone).

    `lost` has the files (`<sha256>/<filename>`) whose bytes are not to be had, with the reasons.
    """

    others: frozenset[str] | None = None
    lost: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def link(self, file: File) -> str:
        """The address of a file, seen from its project's page."""
        return document.relative_link(file)

    def check(self, file: File) -> File:
        """The file as far as the site can have it. Raises StorageError."""
        if self.others is not None:
            asset_location.place(file, self.others)
        if (why := self.lost.get(file_path(file))) is not None:
            raise StorageError(why, "")
        return file if len(with_metadata(file_path(file))) > 1 else dataclasses.replace(file, core_metadata=None)


Reach: TypeAlias = Direct | Own


def reachable(project: Project, reach: Reach) -> tuple[Project, list[LeftOut]]:
    """The project with what a site can show of it, and what it cannot."""
    if project.status.marker == "quarantined":
        return project, []  # of which no page offers any file
    left_out: list[LeftOut] = []
    releases = []
    for release in project.releases:
        files = []
        for file in release.files:
            try:
                files.append(reach.check(file))
            except StorageError as error:
                left_out.append(leaving_out(file.filename, error.message))
        releases.append(dataclasses.replace(release, files=tuple(files)))
    return dataclasses.replace(project, releases=tuple(releases)), left_out


def leaving_out(name: str, why: str) -> LeftOut:
    """What is told of something that is left out: records may hold anything, of any length."""
    return plain(name), plain(why)


def project_pages(project: Project, reach: Reach) -> dict[str, bytes]:
    """The pages of a project by file name."""
    made = document.project(project, reach.link)
    return {name: page_format.render(made, form, chosen=False) for form, name in PAGES.items()}  # as on GitHub Pages


def list_pages(names: Iterable[str]) -> dict[str, bytes]:
    """The pages of the list of projects."""
    made = document.projects(names)
    return {name: page_format.render(made, form) for form, name in PAGES.items()}
