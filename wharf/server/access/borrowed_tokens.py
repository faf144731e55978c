"""The server's own questions to GitHub. Where it has no token, clients that may read lend it theirs.

A lent token is kept in memory only. When GitHub does not take it any more, or its limit is used up, the next one is used: one
member who leaves, or whose jobs need all that there is, does not take the files from the others.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeVar

from wharf.errors import MAY_NOT, UNSEEN, NotAllowedError, NotFoundError, QuotaError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.errors import WharfError
    from wharf.github.api import GitHub
    from wharf.secret import Secret

T = TypeVar("T")

_KEPT: Final = 16


def as_server_error(error: WharfError) -> StorageError:
    """What GitHub refused the server. Whose request has come so far may do it, so no fault of the client is reported."""
    if isinstance(error, StorageError):
        return error
    told = UNSEEN if isinstance(error, NotFoundError) else MAY_NOT
    return StorageError(error.message, error.hint, told=told)


class BorrowedTokens:
    """The token that a repository's `github` sends, if it `borrows`: it had none when the server began. For any thread."""

    def __init__(self, github: GitHub, *, borrows: bool) -> None:
        self.borrows = borrows
        self._github = github
        self._lock = threading.Lock()
        self._lent: OrderedDict[Secret, None] = OrderedDict()

    @property
    def waits(self) -> bool:
        """Whether GitHub cannot be asked before somebody lends a token."""
        return self.borrows and self._github.source is None

    def take(self, token: Secret) -> None:
        """Remember a token that may read. The one that is in use stays in use."""
        if not self.borrows:
            return
        with self._lock:
            self._lent[token] = None
            self._lent.move_to_end(token)
            if self._github.source is None:
                self._github.use(token)
            while len(self._lent) > _KEPT:
                self._lent.popitem(last=False)

    def run(self, question: Callable[[], T]) -> T:
        """What a question to GitHub gives; with another token if GitHub does not take the lent one. Raises what it raises.

        404 may be the token's fault or not: the token is put behind the others, and one of those has to say the same. A limit
        is each token's own: they are asked in turn.
        """
        doubted, limited = False, 0
        while True:
            token = self._github.token if self.borrows else None
            try:
                return question()
            except NotAllowedError:
                if not self._next(token, keep=False):
                    raise
            except NotFoundError:
                if doubted or not self._next(token, keep=True):
                    raise
                doubted = True
            except QuotaError:
                limited += 1
                if limited >= len(self._lent) or not self._next(token, keep=True):
                    raise

    def _next(self, refused: Secret | None, *, keep: bool) -> bool:
        """Use another token than the refused one. False: there is none."""
        if not self.borrows or refused is None:
            return False
        with self._lock:
            self._lent.pop(refused, None)
            if self._github.token == refused:
                self._github.use(next(reversed(self._lent), refused if keep else None))
            if keep:
                self._lent[refused] = None
                self._lent.move_to_end(refused, last=False)
            return self._github.token not in {None, refused}
