"""The answers of the management API, by their types: what a server promises, and all that its client takes.

They describe what `operations.result_documents` makes; the tests hold one against the other.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urljoin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

T = TypeVar("T")

MOST_KEYS: Final = 100_000
"""Keys of one object in which they are names, as those of files are."""


def bounded(found: object) -> object:
    """An object with not too many keys, in it and in the objects in it: each of them may be one more error."""
    if isinstance(found, dict):
        count = len(found) + sum(len(each) for each in found.values() if isinstance(each, dict))
        if count > MOST_KEYS:
            raise ValueError(f"it has more than {MOST_KEYS} keys")
    return found


Many = Annotated[list[T], Field(fail_fast=True)]
"""A list that is given up at the first thing in it which is wrong: one of millions would be as many errors."""
Digests = Annotated[dict[str, dict[str, str]], BeforeValidator(bounded)]


class _Answer(BaseModel):
    """A server gives no other keys. A client ignores those of a newer server."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"additionalProperties": False})


def _is_time(text: str) -> str:
    try:
        aware = datetime.fromisoformat(text).astimezone(UTC).year and datetime.fromisoformat(text).tzinfo is not None
    except (ValueError, OverflowError):
        aware = False
    if not aware:
        raise ValueError("it is not a time with its zone")
    return text


def _is_link(text: str) -> str:
    urljoin("https://host/", text)  # raises ValueError
    return text


Time = Annotated[str, AfterValidator(_is_time)]
Link = Annotated[str, AfterValidator(_is_link)]
Size = Annotated[int, Field(ge=0, lt=1 << 63)]


class Problem(BaseModel):
    """What is wrong (RFC 9457). `code` is a word for programs, `hint` the part of `detail` that says what to do."""

    model_config = ConfigDict(extra="allow")

    type: Literal["about:blank"]
    title: str
    status: int
    detail: str
    code: str
    hint: str | None = None
    errors: list[dict[str, Any]] | None = None


class IndexEntry(_Answer):
    """An index that may be read. `problem` says that it cannot be shown just now."""

    name: str
    commit: str | None
    default: bool
    bases: Many[str] | None
    problem: str | None


class IndexList(_Answer):
    """The indexes of the repository that may be read."""

    indexes: Many[IndexEntry]


class IndexDetail(_Answer):
    """An index: its bases, in which order it and they are looked at, and how many projects it has itself."""

    index: str
    commit: str | None
    default: bool
    bases: Many[str]
    order: Many[str]
    base_of: Many[str]
    projects: Size


class ProjectEntry(_Answer):
    """A project with its versions, oldest first."""

    name: str
    versions: Many[str]


class ProjectList(_Answer):
    """Projects that the index has itself. `next` is the value of `after` for what comes next."""

    index: str
    commit: str | None
    projects: Many[ProjectEntry]
    next: str | None


class Hashes(_Answer):
    """Digests as hexadecimal."""

    sha256: str


class PageFile(_Answer):
    """A file as installers read it (PEP 691, 700, 714)."""

    filename: str
    url: Link
    hashes: Hashes
    size: Size
    upload_time: Annotated[str, Field(alias="upload-time")]
    requires_python: Annotated[str, Field(alias="requires-python")] = ""
    yanked: bool | str = False
    core_metadata: Annotated[bool | Hashes, Field(alias="core-metadata")] = False


class PageMeta(_Answer):
    """The version of the form of a page."""

    api_version: Annotated[str, Field(alias="api-version")]


class PageStatus(_Answer):
    """The status of a project (PEP 792)."""

    status: str
    reason: str = ""


class ProjectPage(_Answer):
    """A project as installers read it, the index's own files only; and what was removed, by version and file name."""

    index: str
    commit: str | None
    meta: PageMeta
    name: str
    project_status: Annotated[PageStatus, Field(alias="project-status")]
    versions: Many[str]
    files: Many[PageFile]
    removed: Annotated[Digests, Field(alias="_removed")]


class ReleaseName(_Answer):
    """A release. The version is empty where only the project itself changed."""

    project: str
    version: str


class LogEntry(_Answer):
    """One commit: who changed what, when and why. Not `whole`: it touched more than was read."""

    commit: str
    time: Time
    actor: str
    verb: str
    what: str
    releases: Many[ReleaseName]
    whole: bool
    reason: str
    run: str


class Log(_Answer):
    """The history of an index, newest first. `next` is the value of `before` for what comes next."""

    index: str
    commit: str | None
    entries: Many[LogEntry]
    next: str | None


class FileEntry(_Answer):
    """A file of a release."""

    project: str
    version: str
    filename: str
    sha256: str
    size: Size


class Changed(_Answer):
    """The `commit` that a verb made, or the one that the index is at; null in a dry run."""

    index: str
    commit: str | None


class YankResult(Changed):
    """Which files changed, and which were so before."""

    changed: Many[FileEntry]
    unchanged: Many[FileEntry]


class GoneFile(_Answer):
    """A file that had left before."""

    project: str
    version: str
    filename: str
    sha256: str


class RemovalResult(Changed):
    """What left. `kept`: files whose bytes are still stored."""

    removed: Many[FileEntry]
    gone: Many[GoneFile]
    younger: Many[ReleaseName]
    kept: Many[FileEntry]


class StatusResult(Changed):
    """The status of a project now, and whether that is new."""

    project: str
    status: str
    reason: str | None
    changed: bool


class Dependency(_Answer):
    """A release that comes along, because `of` requires it."""

    project: str
    version: str
    requirement: str
    of: str


class LeftRequirement(_Answer):
    """A requirement that other indexes have to meet."""

    requirement: str
    of: str


class PromotionResult(Changed):
    """What came into the index."""

    source: Annotated[str, Field(alias="from")]
    promoted: Many[FileEntry]
    unchanged: Many[FileEntry]
    dependencies: Many[Dependency]
    left: Many[LeftRequirement]
    not_announced: Many[str]
    otherwise_yanked: Many[str]
    proposal: None


class RestoredMoment(_Answer):
    """A moment as it was written, and the commit that the index was at."""

    moment: str
    commit: str


class ChangedFile(FileEntry):
    """A file, and why it is yanked (null: it is not)."""

    yanked: str | None


class LostFile(FileEntry):
    """A file that cannot come back, and why."""

    reason: str


class RestorationResult(Changed):
    """What came back, what left, what changed, and what is lost."""

    to: RestoredMoment
    back: Many[FileEntry]
    left: Many[FileEntry]
    changed: Many[ChangedFile]
    lost: Many[LostFile]
    unread: Many[str]
    not_announced: Many[str]


class _TokenTerms(_Answer):
    """What a token may, where, and until when."""

    name: str
    scope: str
    expires: Time | None
    indexes: Many[str] | None
    projects: Many[str] | None
    owner: str | None
    note: str | None


class MadeToken(_TokenTerms):
    """A token. It is shown this once."""

    token: str


class TokenEntry(_TokenTerms):
    """What a token may, and when it was made, ends and was used last."""

    created: str
    last_used: str | None


class TokenList(_Answer):
    """The token that asks, and those that it made."""

    tokens: Many[TokenEntry]


class RevokedToken(_Answer):
    """The name of the token that ended."""

    revoked: str
