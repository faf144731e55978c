"""What an uploader may write: by the limits of a wharf token, and by what the index says of the GitHub token that writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from wharf.operations.upload_rights import AllOf, GitHubRights, KeptAnswers, TokenLife, TokenLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.github.api import GitHub
    from wharf.index.guarded_change import Check
    from wharf.repository.opening import Repository
    from wharf.server.access.access_protocol import Uploader


class UploaderRights:
    """Those of one server. Its own GitHub token, if it has one, asks who is in a team; else the token of whoever uploads."""

    def __init__(self, github: GitHub | None, clock: Callable[[], float]) -> None:
        self._asks = github if github is not None and github.source is not None else None
        self._kept = KeptAnswers(clock)

    def of(self, repository: Repository, uploader: Uploader) -> Check:
        """The check for an upload to a repository, which acts with the uploader's token if there is one."""
        checks: list[Check] = []
        if uploader.is_good is not None:
            checks.append(TokenLife(uploader.name, uploader.is_good))
        if uploader.projects is not None:
            scope: Literal["publish", "manage"] = "manage" if uploader.may_manage else "publish"
            checks.append(TokenLimits(uploader.name, uploader.projects, repository.branch.index, scope))
        if repository.github is not None:
            checks.append(GitHubRights(repository.github, asks=self._asks, kept=self._kept))
        return AllOf(tuple(checks))
