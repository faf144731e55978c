"""The bodies of requests, by their types. What is not named here is refused: a mistyped key must not change what is done."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from wharf.repository.tokens import Moment  # noqa: TC001 - pydantic reads it

MOST_NAMES = 1000
"""Releases or projects in one request."""

_Text = Annotated[str, Field(max_length=2000)]
_Name = Annotated[str, Field(min_length=1, max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Yank(_Body):
    """Why a release should not be chosen any more; in one line, and it may be empty."""

    reason: _Text = ""


class ProjectStatus(_Body):
    """How a project is kept (PEP 792)."""

    status: Literal["active", "archived", "quarantined", "deprecated"]
    reason: _Text | None = None


class LeavingRelease(_Body):
    """A release that is removed, or one file of it."""

    project: _Name
    version: _Name
    file: Annotated[str, Field(min_length=1, max_length=250)] | None = None


class Removal(_Body):
    """Releases that are removed for ever with one commit, all or none."""

    releases: Annotated[list[LeavingRelease], Field(min_length=1, max_length=MOST_NAMES)]
    reason: _Text = ""
    dry_run: bool = False


class WantedRelease(_Body):
    """A release, and the extras whose requirements count where dependencies come along."""

    project: _Name
    version: _Name
    extras: Annotated[list[_Name], Field(max_length=100)] = []


class Promotion(_Body):
    """Releases of another index that come into this one, all or none."""

    source: Annotated[str, Field(alias="from", min_length=1, max_length=100)]
    releases: Annotated[list[WantedRelease], Field(min_length=1, max_length=MOST_NAMES)]
    with_dependencies: bool = False
    dry_run: bool = False


class Restoration(_Body):
    """The moment that an index, or some projects of it, is brought back to: a date, a time in UTC, or a commit."""

    to: Annotated[str, Field(min_length=1, max_length=100)]
    projects: Annotated[list[_Name], Field(max_length=MOST_NAMES)] = []
    dry_run: bool = False


class WantedToken(_Body):
    """A token that is made by the one that asks, and never may more. What is not given is as in that one."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    scope: Literal["read", "publish", "manage"] = "publish"
    expires: Moment | None = None
    indexes: Annotated[list[_Name], Field(min_length=1, max_length=100)] | None = None
    projects: Annotated[list[_Name], Field(min_length=1, max_length=100)] | None = None
    owner: Annotated[str, Field(max_length=100)] | None = None
    note: Annotated[str, Field(max_length=300)] | None = None
