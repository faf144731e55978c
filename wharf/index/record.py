"""Records: a Release as the bytes of `release.json`, and a project's own state as `project.json`.

The format is docs/index-format.md: a PEP 691 project document (api-version 1.4) limited to one release, in canonical bytes,
so that equal content has an equal blob id. What is read here may have been written by anyone who can push to the branch:
so everything is checked that goes into a page or a path.
"""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from wharf.distribution.file_names import Name, plain
from wharf.distribution.requirements import is_specifier
from wharf.errors import InvalidDistributionError, RecordError
from wharf.model import STATUSES, File, Release, Status, is_sha256, same_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wharf.model import Json

MAX_BYTES = 8 << 20
"""A larger record is not read: 1,000 files with every key are under 1 MB."""

API_VERSION = "1.4"


class _Entry(BaseModel):
    """One value of `files` (PEP 691, "Project Detail"; PEP 700, 714)."""

    model_config = ConfigDict(strict=True, extra="allow")

    filename: str
    url: str
    hashes: dict[str, str]
    size: Annotated[int, Field(ge=0, lt=1 << 53)]
    upload_time: Annotated[str, Field(alias="upload-time")]
    requires_python: Annotated[str | None, Field(alias="requires-python")] = None
    yanked: bool | str = False
    core_metadata: Annotated[bool | dict[str, str], Field(alias="core-metadata")] = False
    location: Annotated[dict[str, JsonValue], Field(alias="_wharf")] = {}


class _Private(BaseModel):
    """The key `_wharf` at the top: what the standard has no key for."""

    model_config = ConfigDict(strict=True, extra="allow")

    removed: dict[str, str] = {}


class _Meta(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    api_version: Annotated[str, Field(alias="api-version", pattern=r"^1\.4$")]


class _Document(BaseModel):
    """`release.json` as a whole."""

    model_config = ConfigDict(strict=True, extra="allow")

    meta: _Meta
    name: str
    versions: list[str]
    files: list[_Entry]
    private: Annotated[_Private, Field(alias="_wharf", default_factory=_Private)]


class _ProjectState(BaseModel):
    """`project.json`: the keys of a project document that belong to no release (PEP 792)."""

    model_config = ConfigDict(strict=True, extra="allow")

    class State(BaseModel):
        model_config = ConfigDict(strict=True, extra="allow")

        status: str
        reason: str | None = None

    status: Annotated[State | None, Field(alias="project-status")] = None


def folder(project: str) -> str:
    """The folder of a project on the branch, without a slash at its end."""
    return f"projects/{project[:2]}/{project}"


def path(project: str, version: str) -> str:
    """The path of a release's record."""
    return f"{folder(project)}/{version}/release.json"


def state_path(project: str) -> str:
    """The path of a project's own state."""
    return f"{folder(project)}/project.json"


def metadata_path(project: str, version: str, filename: str) -> str:
    """The path of a file's core metadata."""
    return f"{folder(project)}/{version}/{filename}.metadata"


def parse(data: bytes, *, project: str, version: str) -> Release:
    """The release that `data` records at the path of `project` and `version`.

    Raises RecordError, which names the record, for anything that docs/index-format.md does not allow.
    """
    where = path(project, version)
    try:
        document = _Document.model_validate_json(_bounded(data))
        if document.name != project or document.versions != ([version] if document.files else []):
            raise ValueError("name or versions do not agree with its path and files")
        files = tuple(_file(entry, project, version) for entry in document.files)
        names = {Name.parse(file.filename) for file in files}
        if len(names) != len(files):
            raise ValueError("a file is there twice, maybe under two names")
        for filename, sha256 in document.private.removed.items():
            if not is_sha256(sha256):
                raise ValueError("an entry of removed is not a file name with a sha256")
            if Name.parse(filename) in names:
                raise ValueError(f"{filename!r} is both there and removed")
    except (ValidationError, ValueError, InvalidDistributionError) as error:
        raise _broken(where, error) from error
    return Release(
        project=project,
        version=version,
        files=tuple(sorted(files, key=lambda file: file.filename)),
        removed=document.private.removed,
        origin=document.private.model_extra or {},
        extra=document.model_extra or {},
    )


def parse_status(data: bytes, *, project: str) -> Status:
    """The status in a `project.json`. Raises RecordError."""
    try:
        state = _ProjectState.model_validate_json(_bounded(data)).status
        if state is not None and state.status not in STATUSES:
            raise ValueError(f"{state.status!r} is not a status; those are {', '.join(STATUSES)}")
    except (ValidationError, ValueError) as error:
        raise _broken(state_path(project), error) from error
    return Status() if state is None else Status(marker=state.status, reason=state.reason)


def with_status(data: bytes | None, status: Status) -> bytes | None:
    """A `project.json` with another status, and all else that it says; None where nothing is left to say.

    What cannot be read (or None: no file) says nothing else.
    """
    rest: dict[str, Json] = {}
    if data is not None:
        with contextlib.suppress(ValueError):  # a ValidationError is one
            rest = dict(_ProjectState.model_validate_json(_bounded(data)).model_extra or {})
    if status != Status():
        reason: dict[str, Json] = {} if status.reason is None else {"reason": status.reason}
        rest["project-status"] = {"status": status.marker, **reason}
    return canonical(rest) if rest else None


def check(path: str, data: bytes) -> None:
    """Read what will be written to a path of the branch. Raises RecordError for what no reader would take."""
    parts = path.split("/")
    if parts[-1] == "release.json":
        parse(data, project=parts[-3], version=parts[-2])
    elif parts[-1] == "project.json":
        parse_status(data, project=parts[-2])
    elif parts[-1].endswith(".metadata") and len(data) > MAX_BYTES:
        raise RecordError(path, f"it is larger than {MAX_BYTES >> 20} MiB")


def render(release: Release) -> bytes:
    """The canonical bytes of a release's record."""
    private: dict[str, Json] = {**release.origin}
    if release.removed:
        private["removed"] = dict(release.removed)
    document: dict[str, Json] = {
        **release.extra,
        "meta": {"api-version": API_VERSION},
        "name": release.project,
        "versions": [release.version] if release.files else [],
        "files": [entry(file) for file in sorted(release.files, key=lambda file: file.filename)],
    }
    if private:
        document["_wharf"] = private
    return canonical(document)


def canonical(document: Mapping[str, Json]) -> bytes:
    """A document as canonical bytes: a sorted key a line, and in `files` an entry a line."""
    lines = []
    for key in sorted(document):
        value = document[key]
        if key == "files" and isinstance(value, list) and value:
            text = "[\n" + ",\n".join(map(_dumps, value)) + "\n]"
        else:
            text = _dumps(value)
        lines.append(f"{_dumps(key)}:{text}")
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def entry(file: File) -> dict[str, Json]:
    """A file as an entry of `files`, with its name as the url."""
    value: dict[str, Json] = {
        **file.extra,
        "filename": file.filename,
        "url": file.filename,
        "hashes": {"sha256": file.sha256},
        "size": file.size,
        "upload-time": format_time(file.upload_time),
        "core-metadata": {"sha256": file.core_metadata} if file.core_metadata else False,
    }
    if file.requires_python is not None:
        value["requires-python"] = file.requires_python
    if file.yanked is not None:
        value["yanked"] = file.yanked or True
    if file.location:
        value["_wharf"] = dict(file.location)
    return value


def format_time(moment: datetime) -> str:
    """`yyyy-mm-ddThh:mm:ss.ffffffZ` (PEP 700, "Specification")."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def is_upload_time(moment: datetime) -> bool:
    """Whether a file can have been uploaded then. Clocks that were never set say 1970, and 9000 leaves room for every zone."""
    return 1980 <= moment.year <= 9000


def _file(value: _Entry, project: str, version: str) -> File:
    name = Name.parse(value.filename)
    if name.project != project or not same_version(str(name.version), version):
        raise ValueError(f"{value.filename!r} does not belong to this release")
    if value.url != value.filename:
        raise ValueError(f"the url of {value.filename!r} is not its file name")
    sha256 = value.hashes.get("sha256", "")
    announced = value.core_metadata.get("sha256", "") if isinstance(value.core_metadata, dict) else None
    if not is_sha256(sha256) or not (announced is None or is_sha256(announced)):
        raise ValueError(f"{value.filename!r} has no sha256 of 64 lower-case hex digits")
    if value.requires_python is not None and not is_specifier(value.requires_python):
        raise ValueError(f"the requires-python of {value.filename!r} does not parse")
    return File(
        filename=value.filename,
        sha256=sha256,
        size=value.size,
        upload_time=_time(value.upload_time),
        requires_python=value.requires_python,
        yanked=value.yanked if isinstance(value.yanked, str) else ("" if value.yanked else None),
        core_metadata=announced,
        location=value.location,
        extra=value.model_extra or {},
    )


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if not is_upload_time(moment):
        raise ValueError(f"the time {text!r} cannot be")
    if moment.tzinfo is None:
        raise ValueError(f"the time {text!r} has no zone")
    return moment.astimezone(UTC)


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES >> 20} MiB")
    return data


def _broken(where: str, error: Exception) -> RecordError:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        reason = f"{'.'.join(map(str, first['loc'])) or 'document'}: {first['msg']}"
    else:
        reason = str(error)
    return RecordError(where, plain(reason))


def _dumps(value: Json | Iterable[Json]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
