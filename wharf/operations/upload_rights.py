"""Who may write which projects of an index, as checks for its changes: by the limits of a wharf token, and by `[upload]`.

`[upload]` of an index is about the GitHub token that writes: it names accounts, teams and, for tokens of jobs and apps, the
repository that a token is for. A store in a folder knows no GitHub tokens: whoever may write to the folder may write all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from wharf.errors import MayNotWriteError, NotAllowedError
from wharf.index import name_globs, wharf_toml
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable

    from wharf.github.api import GitHub
    from wharf.index.guarded_change import Check
    from wharf.index.wharf_toml import IndexSettings
    from wharf.repository.opening import Repository

T = TypeVar("T")

HOLDS: Final = 60.0
"""Seconds for which an answer of GitHub about an account or a team is kept."""

_MOST = 4096  # answers that are kept
_BOT = "[bot]"  # the end of an app's name
_ROLE = "query($owner: String!, $name: String!) { repository(owner: $owner, name: $name) { viewerPermission } }"
_MAY_SET = frozenset({"ADMIN", "MAINTAIN"})


class KeptAnswers:
    """What GitHub said within the last `HOLDS` seconds. An error is not kept."""

    def __init__(self, clock: Callable[[], float] = elapsed) -> None:
        self._clock = clock
        self._kept: dict[Hashable, tuple[float, object]] = {}

    def get(self, key: Hashable, ask: Callable[[], T]) -> T:
        """The answer to a question, which `ask` asks if nobody did lately. Raises what that raises."""
        now = self._clock()
        until, answer = self._kept.get(key, (0.0, None))
        if now < until:
            return answer  # type: ignore[return-value] # a key stands for one question
        found = ask()
        if len(self._kept) >= _MOST:
            self._kept.clear()
        self._kept[key] = (now + HOLDS, found)
        return found


@dataclass(frozen=True, slots=True)
class AllOf:
    """Several checks: each of them has to agree. Without any, everything may be written."""

    checks: tuple[Check, ...] = ()

    def __call__(self, settings: IndexSettings, projects: Collection[str]) -> None:
        """Raise what the first one raises that does not agree."""
        for check in self.checks:
            check(settings, projects)

    def of_settings(self, settings: IndexSettings, keys: Collection[str]) -> None:
        """Raise what the first one raises that does not agree."""
        for check in self.checks:
            check.of_settings(settings, keys)


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """What a wharf token may write to an index: the projects whose names match one of its globs, and no settings.

    `scope` is what it may do there.
    """

    name: str
    projects: tuple[str, ...]
    index: str
    scope: Literal["publish", "manage"] = "publish"

    def __call__(self, settings: IndexSettings, projects: Collection[str]) -> None:
        """Raise MayNotWriteError for the first project that it may not write."""
        del settings
        scope = "" if self.scope == "publish" else f" --scope {self.scope}"
        for each in projects:
            if not name_globs.matches(self.projects, each):
                raise MayNotWriteError(
                    f"The token {self.name!r} may write {', '.join(self.projects)}, and not {each}.",
                    f"`wharf token create NAME{scope} --index {self.index} --project {each}` makes one that may.",
                )

    def of_settings(self, settings: IndexSettings, keys: Collection[str]) -> None:
        """Raise MayNotWriteError."""
        del settings
        raise MayNotWriteError(f"The token {self.name!r} may write projects, and not {', '.join(keys)} in {wharf_toml.PATH}.")


@dataclass(frozen=True, slots=True)
class TokenLife:
    """That a wharf token is still good: it may end while the bytes of an upload come, or while others are published."""

    name: str
    is_good: Callable[[], bool]

    def __call__(self, settings: IndexSettings, projects: Collection[str]) -> None:
        """Raise MayNotWriteError if it has ended: it is not GitHub that refuses then."""
        del settings, projects
        if not self.is_good():
            raise MayNotWriteError(f"The token {self.name!r} has ended.", "Use another token.")

    def of_settings(self, settings: IndexSettings, keys: Collection[str]) -> None:
        """Raise MayNotWriteError if it has ended."""
        self(settings, keys)


class GitHubRights:
    """What `[upload]` lets the token of a client of GitHub write. `asks` asks who is in a team (None: the same client).

    - Nothing is asked where `[upload]` has no rule for a project.
    - Who could not be asked about may not write. The error says what could not be asked.
    - A token is "of a repository" if GitHub says that it is one of an app or a job, and that it is for that repository alone:
      such a token is no person's, and the one of a job is for its own repository alone.
    - Whoever has the role maintain or admin on GitHub may change the settings that decide rights, where there is `[upload]`
      or the settings cannot be read.
    """

    def __init__(self, github: GitHub, *, asks: GitHub | None = None, kept: KeptAnswers | None = None) -> None:
        self._github = github
        self._asks = asks or github
        self._kept = kept or KeptAnswers()

    def __call__(self, settings: IndexSettings, projects: Collection[str]) -> None:
        """Raise MayNotWriteError for the first project that the token may not write, and what asking GitHub raises."""
        known: set[tuple[str, ...]] = set()
        for project in projects:
            uploaders = settings.uploaders(project)
            if uploaders is None or uploaders in known:
                continue
            login = self._login()
            if not self._is_one_of(uploaders, login):
                who = login or "this token, whose account GitHub does not tell"
                names = ", ".join(uploaders) or "nobody"
                raise MayNotWriteError(
                    f"{who} may not write {project} here: by [upload] in {wharf_toml.PATH}, {names} may.",
                    "Ask somebody with the role maintain or admin to change [upload], or one of those who may.",
                )
            known.add(uploaders)

    def of_settings(self, settings: IndexSettings, keys: Collection[str]) -> None:
        """Raise MayNotWriteError if the index has `[upload]`, and the token's account is no maintainer of the repository."""
        if not settings.upload:
            return
        address = self._github.address
        found = self._github.graphql(_ROLE, {"owner": address.owner, "name": address.name}).get("repository")
        role = found.get("viewerPermission") if isinstance(found, dict) else None
        if role not in _MAY_SET:
            why = f"its {wharf_toml.PATH} cannot be read" if settings is wharf_toml.UNREAD else "the index has [upload]"
            raise MayNotWriteError(
                f"{', '.join(keys)} in {wharf_toml.PATH} may be changed by the roles maintain and admin of {address} only, "
                f"because {why}.",
                "Ask somebody who has one of these roles, or let it be changed by a pull request.",
            )

    def _digest(self, github: GitHub) -> str:
        token = github.token
        return "" if token is None else token.sha256()

    def _login(self) -> str | None:
        """The token's account; an app's ends with `[bot]`. None: GitHub does not tell."""
        return self._kept.get(("login", self._digest(self._github)), self._ask_login)

    def _ask_login(self) -> str | None:
        login = self._github.rest.user() if self._github.source is not None else None
        if login is not None:
            return login
        account = self._github.account()
        if account is None:
            raise MayNotWriteError(
                f"GitHub does not tell whose token this is, and [upload] in {wharf_toml.PATH} says who may write.",
                "Set a token, or try again.",
            )
        return account.login

    def _is_one_of(self, uploaders: Collection[str], login: str | None) -> bool:
        names = {each.lower() for each in uploaders}
        if login is not None and login.lower() in names:
            return True
        teams = sorted(each for each in names if each.startswith("@"))
        if login is not None and not login.endswith(_BOT):
            return self._is_in_one_of(teams, login.lower())
        if not any(each.startswith("repo:") for each in names):
            return False
        repository = self._kept.get(("repository", self._digest(self._github)), self._ask_repository)
        return repository is not None and f"repo:{repository.lower()}" in names

    def _ask_repository(self) -> str | None:
        """The repository that the token is for, of which GitHub says that it is for no other one."""
        try:
            return self._github.rest.only_repository()
        except NotAllowedError:  # it is none of an app or a job
            return None

    def _is_in_one_of(self, teams: Collection[str], login: str) -> bool:
        """Whether an account is in one of the teams. Raises MayNotWriteError if that depends on one that cannot be asked."""
        unknown: MayNotWriteError | None = None
        asks = self._digest(self._asks)
        for team in teams:
            org, _, slug = team[1:].partition("/")
            try:
                if self._kept.get((team, login, asks), partial(self._asks.rest.is_member, org, slug, login)):
                    return True
            except NotAllowedError as error:
                unknown = MayNotWriteError(
                    f"Whether {login} is in {team} cannot be asked: {error.message}",
                    f"The token that asks needs the permission of the organisation to read its members (classic: read:org). "
                    f"{login} may also be named in [upload] itself.",
                )
        if unknown is not None:
            raise unknown
        return False


NO_LIMITS: Final = AllOf()
"""Of a store in a folder."""


def rights_of(repository: Repository) -> Check:
    """What the token that a repository is opened with may write there. It asks GitHub when that is needed, and not before."""
    return NO_LIMITS if repository.github is None else GitHubRights(repository.github)
