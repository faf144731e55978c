"""A repository: the branch that holds the index, the store that holds the bytes, and the tokens, as one thing to open."""

from __future__ import annotations

import functools
import shlex
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wharf.assets.folder_store import FolderStore
from wharf.assets.session_folder import FolderSessions
from wharf.errors import (
    NoIndexError,
    NotAllowedError,
    NotFoundError,
    OddFileError,
    StorageError,
    UsageError,
    WharfError,
    did_you_mean,
)
from wharf.index.branch import Branch
from wharf.index.index_name import DEFAULT_INDEX, NOT_TO_BE_MADE
from wharf.repository.tokens import Tokens
from wharf.system import disk_remedies

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from wharf.assets.session_store import SessionStore
    from wharf.github.api import GitHub
    from wharf.github.clone import Depth
    from wharf.github.release_store import Releases
    from wharf.github.remote_branch import RemoteBranch
    from wharf.repository.settings import Settings
    from wharf.repository_address import Address
    from wharf.secret import Secret

Fetch = Literal["must", "may", "later"]
"""Whether opening a repository on GitHub brings its tip: it must; it may fail if an older one is here; it is fetched later."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told what happens: warnings, waits (reason and seconds), and notes about what was chosen and why."""

    warn: Callable[[str], None] = lambda _text: None
    wait: Callable[[str, float], None] = lambda _reason, _seconds: None
    note: Callable[[str], None] = lambda _text: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """An index and its files. `where` names it for people; `github` is None for a store in a folder, `folder` for the others.

    `made`: opening it made the store.
    """

    where: str
    branch: Branch
    assets: FolderStore | Releases
    tokens: Tokens
    folder: Path | None = None
    github: GitHub | None = field(default=None, repr=False)
    made: bool = False

    @property
    def address(self) -> str:
        """Where it is by now, for people and scripts: on GitHub it may have learned a new name since it was opened."""
        return str(self.github.address) if self.github else self.where

    @property
    def sessions(self) -> SessionStore:
        """The upload sessions of all indexes."""
        if isinstance(self.assets, FolderStore):
            return _folder_sessions((self.folder or Path(self.where)).absolute())
        return self.assets.sessions(self.branch)

    @contextmanager
    def every_index(self) -> Iterator[list[Branch]]:
        """A branch per index of the repository, also of each removed one: assets are shared by all of them.

        One that is removed or restored at this moment may have no commit when it is read. Then it is among them, too.
        """
        there, removed = self.branch.all_names()
        yield [*map(self.branch.sibling, there), *(self.branch.sibling(name, removed=True) for name in removed)]

    def of_index(self, index: str) -> Repository:
        """The same repository with another index of it, which is not looked for here."""
        assets = self.assets if isinstance(self.assets, FolderStore) else self.assets.of_index(index)
        return replace(self, branch=self.branch.sibling(index), assets=assets)

    def remembering(self) -> Repository:
        """The same repository for a process that publishes again and again: what it knows of the store it asks less often."""
        return self if isinstance(self.assets, FolderStore) else replace(self, assets=self.assets.remembering())

    @contextmanager
    def acting_as(self, token: Secret) -> Iterator[Repository]:
        """The same repository on GitHub, asked and written to with another token."""
        from wharf.github.release_store import Releases
        from wharf.github.remote_branch import RemoteBranch

        if self.github is None or not isinstance(self.branch, RemoteBranch) or not isinstance(self.assets, Releases):
            raise TypeError("a store in a folder knows no GitHub tokens")

        github = self.github.with_token(token)
        with self.branch.acting_as(github) as branch:
            yield replace(self, branch=branch, assets=self.assets.acting_as(github), github=github)


@functools.lru_cache(maxsize=16)
def _folder_sessions(folder: Path) -> FolderSessions:
    """One for the whole process: it remembers sessions as it read them last."""
    return FolderSessions(folder)


@contextmanager
def open_repository(
    settings: Settings,
    environ: Mapping[str, str] | None = None,
    watch: Watch | None = None,
    *,
    reading: bool = False,
    whole: bool = False,
    fetch: Fetch = "must",
) -> Iterator[Repository]:
    """The repository that the settings name; a store in a folder is made on first use.

    Raises StorageError if it cannot be reached or used. With `reading`, a folder or an index that is not there is a
    NotFoundError (see `check_index`, which is the caller's to ask where it fetches later). `whole`: with all records at hand.
    """
    if isinstance(settings.place, Path):
        if reading and settings.place != settings.data and not settings.place.exists():
            raise NotFoundError(
                f"There is no store in {settings.place}, which {settings.source} names.",
                "Check the spelling; publishing to it makes it. A repository on GitHub is written owner/name.",
            )
        opened = _open_folder(settings.place, settings)
    else:
        opened = _open_github(settings.place, settings, environ or {}, watch or Watch(), whole=whole, fetch=fetch)
    with opened as repository:
        if reading and fetch != "later":
            check_index(repository)
        yield repository


def check_index(repository: Repository) -> None:
    """Raise NotFoundError if there is no index; the default one of a folder is empty until something is published."""
    index = repository.branch.index
    if (index != DEFAULT_INDEX or repository.github) and repository.branch.tip() is None:
        raise no_index(repository)


def check_spelling(repository: Repository, *, more: str = "") -> None:
    """Raise NoIndexError for an index that is not there while the repository has others: its name may be a typing error.

    The default index of a folder is made by whoever publishes to it first. `more` is as for `no_index`.
    """
    branch = repository.branch
    may_be_new = branch.index == DEFAULT_INDEX and repository.github is None
    if not may_be_new and branch.tip() is None and {*branch.local_indexes()} - {branch.index}:
        raise no_index(repository, more=more)


def no_index(repository: Repository, *, more: str = "") -> NoIndexError:
    """The error that stands for an index which is not there: it may be a typing error, or one that has to be made.

    `more` says which other way there is to make it.
    """
    index, where = repository.branch.index, repository.address
    try:
        there, removed = repository.branch.all_names()
    except WharfError:
        there, removed = [], []  # the error is about the missing index, not about the list of the others
    if index in removed:
        return NoIndexError(
            f"There is no index {index!r} in {where}: it was removed.",
            f"`wharf index restore {index}` brings it back as it was.",
        )
    hint = did_you_mean(index, there) or (f"There are: {', '.join(there)}. " if there else "")
    if index not in NOT_TO_BE_MADE:
        hint += f"`{line_of_making(where, index, there)}` makes it{more}."
    return NoIndexError(f"There is no index {index!r} in {where}.", hint.strip())


def check_seen(repository: Repository) -> None:
    """Raise NotFoundError if there is no index that tells which names are its own, so that others may be passed on."""
    index, where = repository.branch.index, repository.where
    if repository.branch.tip() is None:
        raise NotFoundError(
            f"There is no index {index!r} in {where}, so --fall-through cannot know which names must not be passed on.",
            f"Publish first, as in `{line_of('publish', where, index, 'FILES')}`; or make the index with "
            f"`{line_of_init(where, index)}`; or leave --fall-through out.",
        )


def is_lost(repository: Repository) -> bool:
    """Whether files are stored here, but no index: then it is not a new store, and an empty index would be wrong."""
    stored = isinstance(repository.assets, FolderStore) and next(repository.assets.assets(), None) is not None
    return stored and not any(repository.branch.all_names())


def line_of_making(where: str, index: str, others: Collection[str]) -> str:
    """The command that makes this index beside the others, or the first one of its repository."""
    return f"wharf index create {index} --repo {shlex.quote(where)}" if others else line_of_init(where, index)


def line_of_init(where: str, index: str) -> str:
    """The command that makes this index, with every option, so that it is made there and nowhere else."""
    return f"wharf init {shlex.quote(where)}" + (f" --index {index}" if index != DEFAULT_INDEX else "")


def line_of(verb: str, where: str, index: str, *words: str) -> str:
    """The command for this index, whatever is configured."""
    named = f"wharf {verb} --repo {shlex.quote(where)}" + (f" --index {index}" if index != DEFAULT_INDEX else "")
    return " ".join((named, *words))


@contextmanager
def _open_folder(folder: Path, settings: Settings) -> Iterator[Repository]:
    assets = FolderStore(folder)
    branch = Branch(folder / "index.git", settings.index)
    try:
        if folder.is_dir() and not any((folder / name).exists() for name in ("index.git", "assets")) and any(folder.iterdir()):
            raise UsageError(
                f"{folder} holds other things, and is not a wharf store.", "Name another folder, as in `--repo ./store`."
            )
        if (folder / "index.git").is_symlink():
            raise OddFileError(folder / "index.git", "a symbolic link", "folder")
        fresh = not (folder / "index.git").exists()
        assets.create(is_new=fresh)
        if fresh and next(assets.assets(), None) is not None:
            raise StorageError(
                f"{folder} has files in assets/ and no index.git: the index is lost.",
                "Restore index.git from a backup; or move assets/ away, and publish the files in it again.",
            )
        branch.create(assets.scratch())
    except OSError as error:
        raise StorageError(
            f"The folder {folder} cannot be used as a store: {error.strerror}.",
            disk_remedies.hint(error, "name another one with --repo or WHARF_REPO"),
        ) from error
    with branch:
        tokens = Tokens(folder / "tokens.json")
        yield Repository(where=str(folder), branch=branch, assets=assets, tokens=tokens, folder=folder, made=fresh)


@contextmanager
def _open_github(
    address: Address, settings: Settings, environ: Mapping[str, str], watch: Watch, *, whole: bool, fetch: Fetch
) -> Iterator[Repository]:
    from wharf.github import account
    from wharf.github.api import GitHub
    from wharf.github.release_store import Releases
    from wharf.github.remote_branch import RemoteBranch
    from wharf.github.request_turns import Waiting
    from wharf.repository import credentials

    found = credentials.find(settings, environ)
    watch.note(f"token: from {found.source}" if found else "token: none found")
    if found and found.warning:
        watch.warn(found.warning)
    ignored = credentials.tokens_left_out(address, environ, settings.app)
    if ignored and found is None:
        watch.warn(f"No token for {address.host} was found: {ignored}.")
    elif ignored:
        watch.note(f"token: {ignored}")
    waiting = Waiting(settings.max_wait, watch.wait)
    with GitHub(address, found.token if found else None, waiting=waiting, warn=watch.warn) as github:
        clone = settings.cache / folder_of(address)
        depth: Depth = "whole" if whole else "trees"
        job = account.job(environ, address)
        with RemoteBranch(clone, settings.index, github, depth=depth, way=settings.commit, job=job) as branch:
            if fetch != "later":
                _fetch(branch, watch, needed=fetch == "must")
            yield Repository(
                where=str(address),
                branch=branch,
                assets=Releases(github, settings.index, settings.repositories),
                tokens=Tokens(settings.data / "tokens" / folder_of(address) / "tokens.json"),
                github=github,
            )


def folder_of(address: Address) -> Path:
    """Where, in a folder for all repositories, things of this one are."""
    return Path(address.host, address.owner.lower(), address.name.lower())


def _fetch(branch: RemoteBranch, watch: Watch, *, needed: bool) -> None:
    try:
        branch.fetch()
    except (NotFoundError, NotAllowedError):
        raise
    except StorageError as error:
        if needed or branch.tip() is None:
            raise
        watch.warn(f"{error.message} This is the index as it was fetched last.")
