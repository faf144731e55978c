"""init: the repository, a first commit on its default branch, and the index, each made only where it is not there."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from wharf.errors import ConflictError, NotAllowedError, NotFoundError, RejectedError, StorageError, UncertainError, UsageError
from wharf.index.commit_message import CommitMessage
from wharf.index.wharf_toml_change import TurnOnMetadataAssets

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.github.api import GitHub
    from wharf.github.rest_calls import About
    from wharf.repository.opening import Repository
    from wharf.repository_address import Address

Step: TypeAlias = Literal["repository", "first-commit", "index", "metadata-assets", "workflow"]

_LOOKS = 5  # at a repository that was made a moment ago: its first commit may come after the answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Initialised:
    """What was made, in order; nothing if all was there. `private` is None for a folder, which has no default branch either."""

    made: tuple[Step, ...] = ()
    private: bool | None = None
    default_branch: str = ""
    warnings: tuple[str, ...] = ()


def initialise(
    repository: Repository,
    *,
    private: bool | None,
    actor: str | None = None,
    site: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Initialised:
    """Make what an index needs. `private`: of a repository to be made (None: yes), and expected of one that is there.

    Raises ConflictError for a branch `wharf`, NotAllowedError if a token or a right is missing, RejectedError or StorageError;
    with `site`, for which everybody must be able to read it, UsageError if not everybody can.
    """
    if repository.github is None:
        warnings = () if private is None else ("A folder is neither private nor public: its rights say who may read it.",)
        done = Initialised(warnings=warnings)
    else:
        done = _on_github(repository.github, repository.branch.index, private, sleep, site=site)
    repository.branch.fetch()
    if repository.branch.tip() is None:
        if repository.github is not None:
            _need_token(repository.github)
        if repository.branch.begin(actor) is not None:
            return replace(done, made=(*done.made, "index"))
        if repository.branch.tip() is None:
            raise StorageError(f"The index was not made in {repository.where}.", "Run the same command again.")
    repository.branch.sync_tip()
    return done


def for_a_site(repository: Repository, actor: str | None = None) -> bool:
    """Have core metadata stored beside the files from now on, where the readers of a site look for it; False: it was so."""
    change = TurnOnMetadataAssets()
    if not change.apply(repository.branch.prepared(change)).edits:
        return False
    if repository.github is not None:
        _need_token(repository.github)
    return repository.branch.commit(change, CommitMessage(verb="settings", actor=actor)).commit is not None


def _on_github(github: GitHub, index: str, private: bool | None, sleep: Callable[[float], None], *, site: bool) -> Initialised:
    """All but the index."""
    made: list[Step] = []
    about = _about(github)
    if site and (private is not False if about is None else about.private):
        raise UsageError(
            f"A site on GitHub Pages is public, and {github.address} {'would be' if about is None else 'is'} private.",
            "Leave --site out: `wharf run --fall-through -- pip install ...` and `wharf serve` are the ways to read a private "
            "index." + (" Or make it public: --public." if about is None else ""),
        )
    if about is None:
        if github.source is None:
            raise NotAllowedError(f"GitHub shows no repository {github.address} without a token.", _log_in(github))
        about, ours = _create(github, private=private is not False)
        made += ["repository"] if ours else []
        _settle(github, about.default_branch, sleep)
    blocked = _is_blocked(github)
    if blocked:
        raise _in_the_way(github.address, index, default=about.default_branch == "wharf")
    if blocked is None and _first_commit(github, index):
        made.append("first-commit")
    default, is_private = about.default_branch, about.private
    warnings = []
    if private is not None and is_private != private:
        there, wanted = ("private", "public") if is_private else ("public", "private")
        warnings.append(f"{github.address} is {there}, not {wanted}, and stays so: only its settings on GitHub change that.")
    if default.startswith("wharf/"):
        warnings.append(
            f"{default} is the default branch of {github.address}: whoever clones it gets the index. "
            "Make another branch, and make that the default one in the settings on GitHub."
        )
    return Initialised(made=tuple(made), private=is_private, default_branch=default, warnings=tuple(warnings))


def _about(github: GitHub) -> About | None:
    """What GitHub says of the repository, or None if it shows none."""
    try:
        return github.rest.about()
    except NotFoundError:
        return None


def _is_blocked(github: GitHub) -> bool | None:
    """Whether there is a branch named `wharf`; None where the repository is empty."""
    try:
        return github.rest.ref("heads/wharf") is not None
    except RejectedError as error:
        if error.status != 409:
            raise
        return None


def _create(github: GitHub, *, private: bool) -> tuple[About, bool]:
    """Make the repository ("Create a repository for the authenticated user", "Create an organization repository").

    What GitHub says of it, and whether it was made here: somebody else may do so at this moment.
    """
    address = github.address
    login = github.rest.user()
    if login is None:
        raise NotAllowedError(
            f"GitHub shows no repository {address}, and a token of an app or an Actions job cannot make one.",
            f"Make it on GitHub with a README, and let the token reach it; or `wharf init {address}` with your own token.",
        )
    try:
        return github.rest.create_repository(login, private=private), True
    except (RejectedError, UncertainError) as error:
        about = _about(github)
        if about is not None:
            return about, isinstance(error, UncertainError)
        if isinstance(error, RejectedError) and "already exists" in error.message:
            raise NotAllowedError(
                f"{address} is there, but the token does not reach it.", "Give the token access to that repository."
            ) from error
        raise
    except NotAllowedError as error:
        if "single sign-on" in error.hint:
            raise
        raise NotAllowedError(
            f"GitHub shows no repository {address} to this token, which may not make one for {address.owner} either: "
            f"{error.message}",
            f"If it is there, give the token access to it. If not: {address.owner} must be {login} or an organisation where "
            "you may make repositories, and the token needs `Administration: write` (classic tokens: `repo`); or make it on "
            "GitHub with a README, and init again.",
        ) from error


def _settle(github: GitHub, default: str, sleep: Callable[[float], None]) -> None:
    """Wait until a new repository shows its first commit; not for ever: without one it is handled as an empty one."""
    for again in range(_LOOKS):
        with contextlib.suppress(RejectedError):
            if github.rest.ref(f"heads/{default}") is not None:
                return
        sleep(0.25 * 2**again)


def _first_commit(github: GitHub, index: str) -> bool:
    """Give an empty repository a README, so that the index branch never becomes the default one. False: it is not empty."""
    _need_token(github)
    name = github.address.name
    text = f"# {name}\n\nA Python package index, kept by wharf: files at its releases, records on the branch `wharf/{index}`.\n"
    try:
        github.rest.create_file("README.md", text, "Add a README")
    except RejectedError as error:
        if _is_blocked(github) is None:
            raise StorageError(
                f"{github.address} is empty, and GitHub takes no first commit: {error.message}",
                "Add a file to it on GitHub, and run the same command again.",
            ) from error
        return False
    return True


def _need_token(github: GitHub) -> None:
    if github.source is None:
        raise NotAllowedError(
            f"wharf must make something in {github.address}, and no token for {github.address.host} was found.",
            _log_in(github),
        )


def _log_in(github: GitHub) -> str:
    return f"Set WHARF_TOKEN, or log in: gh auth login --hostname {github.address.host}"


def _in_the_way(address: Address, index: str, *, default: bool) -> ConflictError:
    rename = f"Rename it on GitHub ({address.web}/branches)"  # the default branch can be renamed, and not deleted
    return ConflictError(
        f"{address} has a branch named `wharf`: git allows no branch wharf/{index} beside it.",
        f"{rename}." if default else f"{rename}, or delete it: git push {address.git} :wharf",
    )
