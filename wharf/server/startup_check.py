"""What a server over GitHub has to know before it begins, and does not wait long for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from wharf.errors import NotAllowedError, NotFoundError, StorageError, WharfError
from wharf.index.index_name import DEFAULT_INDEX
from wharf.repository.opening import check_seen, check_spelling, is_lost, line_of_init

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.github.api import GitHub
    from wharf.repository.opening import Repository

PATIENCE: Final = 15.0
"""Seconds that GitHub has before the server begins: it answers with what it has, and asks again and again."""


class _StartupQuestion(threading.Thread):
    """Asks GitHub whether the repository is private, which it counts as until that is known, and brings the index.

    In a thread that nobody has to wait for: GitHub may hang. `error` is what went wrong.
    """

    def __init__(self, repository: Repository, github: GitHub, *, borrows: bool) -> None:
        super().__init__(name="startup check", daemon=True)
        self.private = True
        self.waits = False  # for a client that lends its token
        self.error: WharfError | None = None
        self._repository = repository
        self._github = github
        self._borrows = borrows and github.source is None

    def run(self) -> None:
        """As in the class."""
        try:
            try:
                found = self._github.call("GET", "{repo}").data
            except (NotFoundError, NotAllowedError):  # a server that shows nothing at all without a token refuses with 401
                self.waits = self._borrows
                if self.waits:
                    return
                raise
            self.private = not isinstance(found, dict) or found.get("private") is not False
            self._repository.branch.fetch()
        except WharfError as error:
            self.error = error


def check_at_startup(repository: Repository, *, borrows: bool, passes_on: bool, warn: Callable[[str], None]) -> bool:
    """Bring the index, and tell whether the repository is private, as far as GitHub can be asked; else it counts as private.

    `borrows`: without a token of its own the server waits for a client's. Raises NotFoundError and NotAllowedError for what
    the server's own token may not see, where the index is not there and others are, and where names are passed on
    (`passes_on`) and there is no index. All else passes, and `warn` is told.
    """
    github = repository.github
    if github is None:
        _check_folder(repository, passes_on=passes_on, warn=warn)
        return False
    question = _StartupQuestion(repository, github, borrows=borrows)
    question.start()
    question.join(PATIENCE)
    late = question.is_alive()
    if isinstance(question.error, (NotFoundError, NotAllowedError)):
        raise question.error
    if question.waits:
        warn("There is no token, so the first client that GitHub lets read lends its own, which is kept in memory only.")
    elif late or question.error is not None:
        why = "GitHub takes long to answer." if question.error is None else question.error.message
        told = (
            "The server shows the index as it was fetched last."
            if _cached(repository)
            else "There is no index to serve until it does."
        )
        warn(f"{why} {told}")
    elif not _cached(repository):
        check_spelling(repository)
        if passes_on:
            check_seen(repository)
        index, where = repository.branch.index, repository.where
        warn(f"There is no index {index!r} in {where} yet. `{line_of_init(where, index)}` makes it. Until then pages are 503.")
    return question.private


def _check_folder(repository: Repository, *, passes_on: bool, warn: Callable[[str], None]) -> None:
    check_spelling(repository)
    if passes_on:
        check_seen(repository)
    elif repository.branch.tip() is None and is_lost(repository):
        warn(f"There is no index in {repository.where}, though files are stored there. Pages are 503 until there is one.")
    elif repository.branch.tip() is None and repository.branch.index != DEFAULT_INDEX:
        warn(f"The index {repository.branch.index!r} is empty until something is published to it.")


def _cached(repository: Repository) -> bool:
    try:
        return repository.branch.tip() is not None
    except StorageError:  # the copy is damaged, and is fetched again
        return False
