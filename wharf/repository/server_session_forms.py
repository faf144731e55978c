"""What a server answers about upload sessions (PEP 694, the draft of 2026-07-29), by its types: as much as its client reads."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from wharf.repository.server_answers import Many, bounded


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")


class SessionLinks(_Answer):
    """Where the session is, and what can be done with it now."""

    session: str | None = None
    upload: str | None = None
    publish: str | None = None
    stage: str | None = None
    batch: Annotated[str | None, Field(alias="_wharf_batch")] = None


class SessionFile(_Answer):
    """A file of a session."""

    status: str
    link: str | None = None
    size: int | None = None
    hashes: Annotated[dict[str, str], BeforeValidator(bounded)] | None = None


class SessionAnswer(_Answer):
    """A session. `commit` is told in the answer to its publish."""

    status: str
    links: SessionLinks = SessionLinks()
    files: Annotated[dict[str, SessionFile], BeforeValidator(bounded)] = {}
    expires: Annotated[str, Field(alias="expires-at")] = ""
    notices: Many[str] | None = None
    commit: Annotated[str | None, Field(alias="_wharf_commit")] = None


class FileLinks(_Answer):
    """Where a file is, and where it is completed."""

    complete: str | None = None
    upload: Annotated[str | None, Field(alias="file-upload-session")] = None


class FileMechanism(_Answer):
    """Where the bytes of a file go."""

    file_url: str | None = None


class FileAnswer(_Answer):
    """A file on its way into a session."""

    status: str | None = None
    links: FileLinks = FileLinks()
    mechanism: FileMechanism = FileMechanism()
    notices: Many[str] | None = None
