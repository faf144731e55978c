"""What the simulator knows: repositories with their releases, tokens with their rights, requests, and the time."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulator.hub import Hub

KINDS = ("classic", "fine-grained", "actions", "installation")
LEVELS = {"none": 0, "read": 1, "write": 2, "maintain": 3, "admin": 4}


_now = time.time  # also while a test has the clock of this process go wrong


class Clock:
    """The simulator's time, in seconds since 1970, which a test can move on, and can keep from going by itself."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._still: float | None = None

    def now(self) -> float:
        return (_now() if self._still is None else self._still) + self.ahead

    def stop(self) -> None:
        """Move no more but by `forward`."""
        self._still = _now()

    def forward(self, seconds: float) -> None:
        self.ahead += seconds

    def text(self) -> str:
        return datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(kw_only=True)
class Token:
    """`rights` by repository in lower case; one without `contents` sees the repository and nothing in it.

    `ends` is when it is known no more; `installation` that of the app that it was made for.
    """

    login: str
    rights: dict[str, str]
    kind: str = "classic"
    secret: str = field(repr=False)
    contents: bool = True
    scopes: str = "repo"
    ends: float | None = None
    installation: int | None = None
    members: bool = False  # whether one that is not classic may ask who is in a team

    @property
    def integration(self) -> bool:
        return self.kind in {"actions", "installation"}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request. `status` 0: it was not answered."""

    kind: str
    method: str
    path: str
    login: str | None
    status: int
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Asset:
    id: int
    name: str
    label: str | None
    state: str
    size: int
    digest: str | None
    data: Path
    content_type: str
    uploader: str
    created_at: str
    downloads: int = 0


@dataclass(kw_only=True)
class Release:
    id: int
    tag_name: str
    target_commitish: str
    author: str
    created_at: str
    updated_at: str = ""
    name: str | None = None
    body: str | None = None
    draft: bool = True
    prerelease: bool = False
    immutable: bool = False
    latest: bool = True
    published_at: str | None = None
    assets: list[Asset] = field(default_factory=list)


@dataclass(kw_only=True)
class Pull:
    """A pull request. `last` is the head's commit when it was closed, `parted` where the branches parted when it was merged."""

    id: int
    number: int
    title: str
    body: str | None
    head: str
    base: str
    author: str
    created_at: str
    updated_at: str
    state: str = "open"
    closed_at: str | None = None
    merged_at: str | None = None
    merged_by: str | None = None
    merge_commit: str | None = None
    last: str | None = None
    parted: str | None = None


@dataclass(kw_only=True)
class Repo:
    hub: Hub
    id: int
    slug: str
    private: bool
    git_dir: Path
    immutable: bool
    created_at: str
    pushed_at: str
    description: str | None = None
    fork: bool = False
    archived: bool = False
    digests: bool = True
    sparse: bool = False  # whether its releases leave out what they may leave out
    protected: set[str] = field(default_factory=set)
    signed: set[str] = field(default_factory=set)
    releases: list[Release] = field(default_factory=list)
    pulls: list[Pull] = field(default_factory=list)
    numbers: int = 0
    burned: set[str] = field(default_factory=set)
    closed_tags: set[str] = field(default_factory=set)  # which a ruleset lets nobody create
    publishing: set[str] = field(default_factory=set)
    verified: set[str] = field(default_factory=set)
    hooks: list[tuple[str, bytes]] = field(default_factory=list)
    size: int = 1
    dispatches: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    @property
    def owner(self) -> str:
        return self.slug.partition("/")[0]

    @property
    def name(self) -> str:
        return self.slug.partition("/")[2]

    @property
    def default_branch(self) -> str:
        return (self.git_dir / "HEAD").read_text().strip().removeprefix("ref: refs/heads/")

    def visible(self, *, drafts: bool) -> list[Release]:
        """The newest first, by `created_at`: which is, for one that is published, the date of its commit."""
        found = [release for release in self.releases if drafts or not release.draft]
        return sorted(found, key=lambda release: (release.created_at, release.id), reverse=True)

    def latest(self) -> Release | None:
        return next((each for each in self.visible(drafts=False) if each.latest and not each.prerelease), None)

    def rename(self, to: str) -> None:
        """The old name redirects from now on; tokens keep their rights."""
        with self.hub.lock:
            old = self.slug.lower()
            del self.hub.repos[old]
            self.hub.moved[old] = self
            self.hub.moved.pop(to.lower(), None)
            self.hub.repos[to.lower()] = self
            self.slug = to
            for token in self.hub.tokens.values():
                if old in token.rights:
                    token.rights[to.lower()] = token.rights[old]

    def delete(self) -> None:
        with self.hub.lock:
            self.hub.repos.pop(self.slug.lower(), None)
            for old in [old for old, repo in self.hub.moved.items() if repo is self]:
                del self.hub.moved[old]


def new_secret(kind: str) -> str:
    """As GitHub makes them. Those of apps and of Actions jobs are signed values of some 520 characters since 2026."""
    if kind == "classic":
        return f"ghp_{secrets.token_hex(18)}"
    if kind == "fine-grained":
        return f"github_pat_{secrets.token_hex(11)}_{secrets.token_hex(29)}"
    return f"ghs_1234567_{secrets.token_urlsafe(27)}.{secrets.token_urlsafe(96)}-_.{secrets.token_urlsafe(255)}"
